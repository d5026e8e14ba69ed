//! What `serve` does not start with: one line that names the key and says what it should be, and never a secret.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::cluster::TestCluster;
use crate::support::installation::{Installation, fails};
use crate::support::process::run;

/// A database's password, in URLs that do not work.
const PASSWORD: &str = "s3cret-in-a-url";

/// What `serve` says in this environment.
#[track_caller]
fn refused(environment: &[(&str, &str)]) -> String {
    let listen = [("LUNA_ORGANIZATIONS_LISTEN", "127.0.0.1:0")];
    let said = fails(&run(&["serve"], &[listen.as_slice(), environment].concat()));
    assert!(!said.contains(PASSWORD), "{said}");
    said
}

#[track_caller]
fn expect(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

#[tokio::test]
async fn a_database_that_is_missing_or_not_understood() {
    let installation = Installation::new().await;
    let [_, key_ring] = installation.environment();
    expect(&refused(&[key_ring]), &["DATABASE_URL", "PostgreSQL"]);
    for url in [
        format!("postgres://luna:{PASSWORD}@localhost:port/luna"),
        format!("mysql://luna:{PASSWORD}@localhost/luna"),
        format!("luna:{PASSWORD}@localhost"),
        format!("postgres://luna:{PASSWORD}@127.0.0.1:1/luna"),
    ] {
        expect(&refused(&[("DATABASE_URL", &url), key_ring]), &["DATABASE_URL"]);
    }
    // Also when the database answers, but not to us: here there is no such role.
    let known = &installation.database_url;
    let stranger = known.replacen("postgres://luna@", &format!("postgres://stranger:{PASSWORD}@"), 1);
    assert_ne!(*known, stranger);
    expect(&refused(&[("DATABASE_URL", &stranger), key_ring]), &["DATABASE_URL"]);
}

#[tokio::test]
async fn a_database_that_is_not_migrated() {
    let installation = Installation::new().await;
    let empty = TestCluster::get().await.empty_database().await;
    let [_, key_ring] = installation.environment();
    expect(&refused(&[("DATABASE_URL", &empty), key_ring]), &["schema", "migrate"]);
    let arguments = crate::support::installation::bootstrap("root@example.com");
    expect(&fails(&run(&arguments, &[("DATABASE_URL", &empty), key_ring])), &["schema", "migrate"]);
}

#[tokio::test]
async fn a_key_ring_that_is_missing_open_to_others_or_weak() {
    let installation = Installation::new().await;
    let [database, _] = installation.environment();
    expect(&refused(&[database]), &["LUNA_ORGANIZATIONS_KEY_RING", "keys generate"]);
    let with = |path: &str| refused(&[database, ("LUNA_ORGANIZATIONS_KEY_RING", path)]);
    expect(&with("/nowhere/keys.json"), &["/nowhere/keys.json", "keys generate"]);
    expect(&with(installation.scratch.0.to_str().unwrap()), &["regular file"]);

    let file = installation.scratch.path("other.json");
    let path = file.to_str().unwrap();
    fs::copy(&installation.key_ring, &file).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        expect(&with(path), &[path, "0600"]);
    }
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let ring = |key: &str| json!({"version": 1, "active": "a", "keys": [{"id": "a", "key": key}]}).to_string();
    // 32 zeros; 32 letters; 31 bytes; no base64; and files that are no key ring at all.
    let zeros = format!("{}=", "A".repeat(43));
    for (content, word) in [
        (ring(&zeros), "weak"),
        (ring("Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSAxMjM="), "weak"),
        (ring("c2hvcnQtbm90LXRoaXJ0eS10d28="), "32"),
        (ring("?not base64?"), "base64"),
        (json!({"version": 2, "active": "a", "keys": []}).to_string(), "version"),
        (json!({"key": zeros}).to_string(), "should be"),
        ("not JSON".to_owned(), "should be"),
        (String::new(), "should be"),
    ] {
        fs::write(&file, &content).unwrap();
        let said = with(path);
        expect(&said, &[path, word]);
        assert!(!said.contains("Y29ycmVjdCB") && !said.contains("c2hvcnQtbm90"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ring_that_does_not_open_what_is_stored() {
    let installation = Installation::new().await;
    // Somebody has served with the right one: the keys that sign access tokens are stored.
    installation.serve(&[]).stop().await;
    let other = Installation::new().await;
    let [database, _] = installation.environment();
    let said = refused(&[database, ("LUNA_ORGANIZATIONS_KEY_RING", &other.key_ring)]);
    expect(&said, &["key ring", "does not open"]);
    // The right one still works.
    installation.serve(&[]).stop().await;
}

#[tokio::test]
async fn wrong_values_and_unknown_keys() {
    let installation = Installation::new().await;
    let [database, key_ring] = installation.environment();
    for (key, value, expected) in [
        ("LISTEN", "nonsense", "address"),
        ("METRICS_LISTEN", "127.0.0.1", "address"),
        ("DATABASE_CONNECTIONS", "0", "1 to 1000"),
        ("DATABASE_CONNECTIONS", "many", ""),
        ("BODY_LIMIT_BYTES", "1", "1024"),
        ("REQUEST_TIMEOUT_SECONDS", "0", "1 to 600"),
        ("REQUEST_TIMEOUT_SECONDS", "-1", ""),
        ("ACCESS_TOKEN_SECONDS", "1", "60 to 86400"),
        ("SESSION_DAYS", "1000", "1 to 365"),
        ("INVITATION_HOURS", "0", "1 to 8760"),
        ("LOGIN__WINDOW_SECONDS", "0", "1 to 86400"),
        ("LOG_FORMAT", "xml", "pretty"),
        ("LOG_FILTER", "=[", "filter"),
        ("PUBLIC_URL", "ftp://example.org", "http"),
        ("TRUSTED_PROXIES", "[\"nonsense\"]", ""),
        ("LOGIN__NONSENSE", PASSWORD, "no key"),
    ] {
        let name = format!("LUNA_ORGANIZATIONS_{key}");
        expect(&refused(&[database, key_ring, (&name, value)]), &[&name, expected]);
    }
}

/// Cluster managers set variables of their own for a service of this name, so an unknown one ends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_variable_is_told_by_its_name_alone() {
    let installation = Installation::new().await;
    let service = installation.serve(&[("LUNA_ORGANIZATIONS_NONSENSE", PASSWORD)]);
    let log = service.output();
    expect(&log, &["WARN", "LUNA_ORGANIZATIONS_NONSENSE"]);
    assert!(!log.contains(PASSWORD), "{log}");
}

#[tokio::test]
async fn wrong_configuration_files() {
    let installation = Installation::new().await;
    let [database, key_ring] = installation.environment();
    let file = installation.scratch.path("config.toml");
    let path = file.to_str().unwrap();
    for (content, words) in [
        ("nonsense = 1", &["nonsense", "no key"][..]),
        ("listen = 5", &["listen"]),
        ("[login]\nnonsense = 1", &["login.nonsense", "no key"]),
        ("session_days = 0", &["session_days", "1 to 365"]),
        ("database_url = \"postgres://luna:s3cret-in-a-url@localhost/luna\"\nlisten = ", &["config.toml"]),
        ("database_url = \"postgres://luna:s3cret-in-a-url@localhost/luna\nlisten = \"127.0.0.1:1\"", &["config.toml"]),
        ("database_url = [\"s3cret-in-a-url\"]", &["database_url"]),
        ("[providers.\"not a name\"]\n", &["providers.not a name"]),
    ] {
        fs::write(&file, content).unwrap();
        // The environment stands over the file, so what the file is wrong about is left out there.
        let environment =
            if content.starts_with("database_url = [") { vec![key_ring] } else { vec![database, key_ring] };
        let said = fails(&run(&["serve", "--config", path], &environment));
        expect(&said, words);
        assert!(!said.contains(PASSWORD), "{said}");
    }
    let said = fails(&run(&["serve", "--config", "/nowhere/config.toml"], &[database, key_ring]));
    expect(&said, &["/nowhere/config.toml"]);
}
