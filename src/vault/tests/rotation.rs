use super::*;

#[tokio::test]
async fn a_retired_key_opens_what_is_old_and_rewrapping_leaves_the_ciphertext() {
    let binding = binding();
    let before = vault(&[("a", A)]);
    let old = before.seal(&binding, credential()).await.unwrap();

    let between = vault(&[("b", B), ("a", A)]);
    assert_eq!(between.active_kek_id(), "b");
    assert_eq!(open(&between, &binding, &old).await.unwrap(), PLAIN);
    let new = SealedCredential { key: between.rewrap(&binding, &old).await.unwrap(), ..old.clone() };
    assert_eq!(new.key.kek_id, "b");
    assert_eq!(new.fields, old.fields);

    let after = vault(&[("b", B)]);
    assert_eq!(open(&after, &binding, &new).await.unwrap(), PLAIN);
    let error = after.verify(&binding, &old).await.unwrap_err();
    assert!(matches!(&error, VaultError::UnknownKek { kek_id } if kek_id == "a"));
    assert!(error.to_string().contains("has no key \"a\""));
    assert!(matches!(after.rewrap(&binding, &old).await, Err(VaultError::UnknownKek { .. })));
}

#[tokio::test]
async fn a_key_under_another_name_is_another_key() {
    let binding = binding();
    let sealed = vault(&[("a", A)]).seal(&binding, credential()).await.unwrap();
    let error = vault(&[("a", B)]).verify(&binding, &sealed).await.unwrap_err();
    assert!(matches!(error, VaultError::KeyDoesNotUnwrap { .. }));

    let mut renamed = sealed;
    renamed.key.kek_id = "z".to_owned();
    let error = vault(&[("z", A)]).verify(&binding, &renamed).await.unwrap_err();
    assert!(matches!(error, VaultError::KeyDoesNotUnwrap { .. }));
}
