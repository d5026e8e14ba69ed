use uuid::Uuid;

use super::*;
use crate::domain::UserId;

#[tokio::test]
async fn a_credential_comes_back_and_never_looks_the_same_twice() {
    let (vault, binding) = (vault(&[("a", A)]), binding());
    let one = vault.seal(&binding, credential()).await.unwrap();
    let two = vault.seal(&binding, credential()).await.unwrap();
    assert_eq!(open(&vault, &binding, &one).await.unwrap(), PLAIN);
    assert_ne!(one.key.wrapped_data_key, two.key.wrapped_data_key);
    assert_ne!(one.fields[0].ciphertext, two.fields[0].ciphertext);
    assert_eq!(one.key.wrapped_data_key.len(), 12 + 32 + 16);
    assert_eq!(one.fields[0].ciphertext.len(), 12 + "AKIA".len() + 16);
    assert!(!format!("{one:?}").contains("AKIA"));
    vault.verify(&binding, &one).await.unwrap();
}

#[tokio::test]
async fn it_opens_in_its_own_place_only() {
    let (vault, here) = (vault(&[("a", A)]), binding());
    let sealed = vault.seal(&here, credential()).await.unwrap();
    let TokenOwner::Organization(owner) = here.owner else { unreachable!() };
    let elsewhere = [
        Binding { owner: TokenOwner::Organization(OrganizationId::new()), ..here.clone() },
        Binding { owner: TokenOwner::User(UserId::from(owner.uuid())), ..here.clone() },
        Binding { token: QpuTokenId::new(), ..here.clone() },
        Binding { token: QpuTokenId::from(Uuid::nil()), ..here.clone() },
        Binding { secret_version: 2, ..here.clone() },
        Binding { provider: "ibm".parse().unwrap(), ..here.clone() },
        Binding { provider: "aw".parse().unwrap(), ..here.clone() },
    ];
    for other in elsewhere {
        assert!(open(&vault, &other, &sealed).await.is_err(), "opened as {other:?}");
        assert!(vault.verify(&other, &sealed).await.is_err(), "verified as {other:?}");
        assert!(vault.rewrap(&other, &sealed).await.is_err(), "re-wrapped as {other:?}");
    }
}

#[tokio::test]
async fn even_under_a_right_data_key_a_field_opens_in_its_own_place_only() {
    // Whoever can wrap keys could put an old data key under a new row's binding; the fields resist on their own.
    let (vault, here) = (vault(&[("a", A)]), binding());
    let sealed = vault.seal(&here, credential()).await.unwrap();
    let data_key = vault.data_key(&here, &sealed).await.unwrap();
    let there = Binding { secret_version: 2, ..here.clone() };
    let names = sealed.fields.iter().map(|field| field.name.as_str());
    let place = crate::vault::binding::Place::Credential(&there);
    let key = crate::vault::envelope::wrap(&*vault.keks, &place, names, &data_key).await.unwrap();
    let forged = SealedCredential { key, ..sealed.clone() };
    vault.verify(&there, &forged).await.unwrap();
    assert!(matches!(open(&vault, &there, &forged).await, Err(VaultError::DoesNotOpen)));

    let mut swapped = sealed.clone();
    let (first, second) = swapped.fields.split_at_mut(1);
    std::mem::swap(&mut first[0].ciphertext, &mut second[0].ciphertext);
    assert!(matches!(open(&vault, &here, &swapped).await, Err(VaultError::DoesNotOpen)));
}

#[tokio::test]
async fn no_part_of_the_row_can_be_altered() {
    let (vault, binding) = (vault(&[("a", A), ("b", B)]), binding());
    let sealed = vault.seal(&binding, credential()).await.unwrap();
    let mut altered = Vec::new();
    let mut change = |how: &dyn Fn(&mut SealedCredential)| {
        let mut copy = sealed.clone();
        how(&mut copy);
        assert_ne!(copy, sealed);
        altered.push(copy);
    };
    change(&|row| row.format = 2);
    change(&|row| row.key.kek_id = "b".to_owned());
    change(&|row| row.fields.reverse());
    change(&|row| row.fields[0].name = "token".to_owned());
    change(&|row| drop(row.fields.pop()));
    change(&|row| row.fields.clear());
    change(&|row| row.fields.push(row.fields[0].clone()));
    for at in 0..sealed.key.wrapped_data_key.len() {
        change(&|row| row.key.wrapped_data_key[at] ^= 1);
        change(&|row| row.key.wrapped_data_key.truncate(at));
    }
    for field in 0..sealed.fields.len() {
        for at in 0..sealed.fields[field].ciphertext.len() {
            change(&|row| row.fields[field].ciphertext[at] ^= 0x80);
            change(&|row| row.fields[field].ciphertext.truncate(at));
        }
        change(&|row| row.fields[field].ciphertext.push(0));
    }
    for row in altered {
        assert!(open(&vault, &binding, &row).await.is_err(), "opened {row:?}");
    }
}

#[test]
fn a_credential_has_a_form() {
    let make = |fields: &[(&str, &[u8])]| {
        Credential::new(fields.iter().map(|(name, value)| (name.parse().unwrap(), Secret::from(value.to_vec()))))
            .map(drop)
    };
    let too_long = vec![b'x'; Credential::MAX_VALUE + 1];
    make(&[("token", b"wxyz")]).unwrap();
    make(&[("token", b"w x\"\\~")]).unwrap();
    make(&[("t", &too_long[1..])]).unwrap();
    let seventeen: Vec<_> = (b'a'..=b'q').map(|letter| String::from(char::from(letter))).collect();
    let seventeen: Vec<_> = seventeen.iter().map(|name| (name.as_str(), b"wxyz".as_slice())).collect();
    let bad: &[&[(&str, &[u8])]] = &[
        &[],
        &seventeen,
        &[("token", b"")],
        &[("token", b"xyz")],
        &[("token", b"  xyz  ")],
        &[("token", b" wxyz")],
        &[("token", b"wxyz ")],
        &[("token", b"wx\tyz")],
        &[("token", b"wx\r\nyz")],
        &[("token", "wxyz\u{e9}".as_bytes())],
        &[("token", b"wxyz\xff")],
        &[("token", &too_long)],
        &[("token", b"wxyz"), ("token", b"zyxw")],
    ];
    for fields in bad {
        assert!(matches!(make(fields), Err(VaultError::InvalidCredential(_))), "{fields:?}");
    }
}
