use super::*;
use crate::vault::KeyEncryption as _;

fn refusal(text: &str) -> String {
    let (_folder, file) = Folder::with(text);
    let error = LocalKeyRing::load(&file).err().unwrap().to_string();
    assert!(error.starts_with(&format!("key ring {}: ", file.display())), "{error}");
    assert!(!error.contains('\n'), "{error}");
    error
}

fn ring(active: &str, keys: &[(&str, &str)]) -> String {
    let keys: Vec<_> = keys.iter().map(|(id, key)| format!(r#"{{"id": "{id}", "key": "{key}"}}"#)).collect();
    format!(r#"{{"version": 1, "active": "{active}", "keys": [{}]}}"#, keys.join(", "))
}

#[test]
fn a_new_ring_is_private_loads_and_is_never_overwritten() {
    let folder = Folder::new();
    let first = LocalKeyRing::generate(&folder.file()).unwrap();
    let text = fs::read_to_string(folder.file()).unwrap();
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(LocalKeyRing::load(&folder.file()).unwrap().active_id(), first.active_id());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing else stays behind");

    let error = LocalKeyRing::generate(&folder.file()).err().unwrap().to_string();
    assert!(error.contains("never overwritten"), "{error}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);

    let link = folder.0.join("link.json");
    std::os::unix::fs::symlink(folder.0.join("nowhere"), &link).unwrap();
    assert!(LocalKeyRing::generate(&link).is_err(), "a dangling link is something, too");
}

#[test]
fn a_ring_that_others_may_read_is_refused() {
    let (_folder, file) = Folder::with(&ring("a", &[("a", A)]));
    for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o666] {
        chmod(&file, mode);
        let error = LocalKeyRing::load(&file).err().unwrap().to_string();
        assert!(error.contains(&format!("has mode {mode:04o}; it should be 0600")), "{error}");
    }
    for mode in [0o600, 0o400] {
        chmod(&file, mode);
        assert!(LocalKeyRing::load(&file).is_ok());
    }
}

#[test]
fn a_missing_ring_says_how_to_make_one() {
    let folder = Folder::new();
    let error = LocalKeyRing::load(&folder.file()).err().unwrap().to_string();
    assert!(error.contains("does not exist; create it with `luna-organizations keys generate "), "{error}");
    let error = LocalKeyRing::load(&folder.0).err().unwrap().to_string();
    assert!(error.contains("mode") || error.contains("regular file"), "{error}");
}

#[test]
fn a_ring_has_exactly_one_active_key_and_every_id_once() {
    assert!(refusal(&ring("a", &[])).contains("names none of its keys"));
    assert!(refusal(&ring("b", &[("a", A)])).contains("names none of its keys"));
    assert!(refusal(&ring("a", &[("a", A), ("a", B)])).contains("two keys with the id \"a\""));
    assert!(refusal(&ring("a", &[("a", A), ("b", A)])).contains("are the same key"));
    for id in ["", "a b", "ä", "a\\n", &"x".repeat(65)] {
        assert!(refusal(&ring(id, &[(id, A)])).contains("id should be 1 to 64"), "{id}");
    }
    let none = format!(r#"{{"version": 1, "keys": [{{"id": "a", "key": "{A}"}}]}}"#);
    let two = format!(r#"{{"version": 1, "active": "a", "active": "a", "keys": [{{"id": "a", "key": "{A}"}}]}}"#);
    for text in [none, two] {
        assert!(refusal(&text).contains("it should be {\"version\": 1"));
    }
}

#[test]
fn weak_and_misshapen_keys_are_refused() {
    let zeros = data_encoding::BASE64.encode(&[0; 32]);
    assert!(refusal(&ring("a", &[("a", &zeros)])).contains("is weak: it repeats a pattern"));
    assert!(refusal(&ring("a", &[("a", A), ("b", &zeros)])).contains("key \"b\" is weak"));
    assert!(refusal(&ring("a", &[("a", "AAECAwQFBgcICQoLDA0ODw==")])).contains("has 16 bytes; it should have 32"));
    assert!(refusal(&ring("a", &[("a", "")])).contains("has 0 bytes"));
    assert!(refusal(&ring("a", &[("a", "not base64!")])).contains("32 random bytes in base64"));
}

#[test]
fn strange_files_are_refused_without_repeating_what_they_hold() {
    let texts = [
        String::new(),
        "null".to_owned(),
        A.to_owned(),
        format!(r#"{{"version": "{A}", "active": "a", "keys": []}}"#),
        format!(r#"{{"version": 1, "active": "a", "keys": "{A}"}}"#),
        format!(r#"{{"version": 1, "active": "a", "keys": [{{"id": "a", "key": "{A}", "{B}": 1}}]}}"#),
        format!(r#"{{"version": 1, "active": "a", "{A}": 1, "keys": []}}"#),
        format!("{} x", ring("a", &[("a", A)])),
    ];
    for text in texts {
        let error = refusal(&text);
        assert!(error.contains(": it should be {\"version\": 1"), "{error}");
        assert!(!error.contains(A) && !error.contains(B), "{error}");
    }
    assert!(refusal(r#"{"version": 2, "active": "a", "keys": []}"#).contains("has version 2; it should be 1"));
    assert!(refusal(&" ".repeat(200_000)).contains("is larger than"));
}
