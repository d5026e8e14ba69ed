use super::*;
use crate::vault::{Purpose, SealedBytes};

fn secret() -> Secret {
    Secret::from(b"\x00signing key\xff".to_vec())
}

#[tokio::test]
async fn bytes_open_for_their_purpose_and_id_only() {
    let vault = vault(&[("a", A)]);
    let sealed = vault.seal_bytes(Purpose::AccessTokenKey, "k1", secret()).await.unwrap();
    let opened = vault.open_bytes(Purpose::AccessTokenKey, "k1", &sealed).await.unwrap();
    assert_eq!(opened.as_slice(), b"\x00signing key\xff");
    vault.verify_bytes(Purpose::AccessTokenKey, "k1", &sealed).await.unwrap();
    assert!(vault.open_bytes(Purpose::AccessTokenKey, "k2", &sealed).await.is_err());
    assert!(vault.open_bytes(Purpose::IdempotentAnswer, "k1", &sealed).await.is_err());

    for at in 0..sealed.ciphertext.len() {
        let mut altered = sealed.clone();
        altered.ciphertext[at] ^= 1;
        assert!(vault.open_bytes(Purpose::AccessTokenKey, "k1", &altered).await.is_err());
        altered.ciphertext.truncate(at);
        assert!(vault.open_bytes(Purpose::AccessTokenKey, "k1", &altered).await.is_err());
    }
    let altered = SealedBytes { format: 0, ..sealed };
    let error = vault.open_bytes(Purpose::AccessTokenKey, "k1", &altered).await.unwrap_err();
    assert!(matches!(error, VaultError::UnknownFormat(0)));
}

#[tokio::test]
async fn rewrapping_bytes_leaves_the_ciphertext() {
    let old = vault(&[("a", A)]).seal_bytes(Purpose::IdempotentAnswer, "x", secret()).await.unwrap();
    let key = vault(&[("b", B), ("a", A)]).rewrap_bytes(Purpose::IdempotentAnswer, "x", &old).await.unwrap();
    let new = SealedBytes { key, ..old };
    let opened = vault(&[("b", B)]).open_bytes(Purpose::IdempotentAnswer, "x", &new).await.unwrap();
    assert_eq!(opened.as_slice(), b"\x00signing key\xff");
}

#[tokio::test]
async fn the_door_for_bytes_does_not_open_a_credential() {
    let (vault, binding) = (vault(&[("a", A)]), binding());
    let sealed = vault.seal(&binding, credential()).await.unwrap();
    for field in &sealed.fields {
        let disguised =
            SealedBytes { format: sealed.format, key: sealed.key.clone(), ciphertext: field.ciphertext.clone() };
        for purpose in [Purpose::AccessTokenKey, Purpose::IdempotentAnswer] {
            for id in [&field.name, "", &binding.token.to_string(), "bytes"] {
                assert!(vault.open_bytes(purpose, id, &disguised).await.is_err());
                assert!(vault.rewrap_bytes(purpose, id, &disguised).await.is_err());
            }
        }
    }
}

#[tokio::test]
async fn sealed_bytes_fit_into_one_column() {
    let vault = vault(&[("a", A)]);
    let sealed = vault.seal_bytes(Purpose::IdempotentAnswer, "x", secret()).await.unwrap();
    let column = sealed.to_bytes();
    assert_eq!(SealedBytes::from_bytes(&column).unwrap(), sealed);
    for length in 0..column.len() {
        let Ok(cut) = SealedBytes::from_bytes(&column[..length]) else { continue };
        assert!(vault.open_bytes(Purpose::IdempotentAnswer, "x", &cut).await.is_err());
    }
    for at in 0..column.len() {
        let mut altered = column.clone();
        altered[at] ^= 1;
        let Ok(altered) = SealedBytes::from_bytes(&altered) else { continue };
        assert!(vault.open_bytes(Purpose::IdempotentAnswer, "x", &altered).await.is_err());
    }
}
