//! The commands that end by themselves: what they print, and what they refuse.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::installation::{Installation, bootstrap, fails, succeeds};
use crate::support::process::{Scratch, run};

#[tokio::test(flavor = "multi_thread")]
async fn bootstrap_happens_once_and_tells_how_to_get_in() {
    let installation = Installation::new().await;
    let printed = &installation.bootstrapped;
    let members: Vec<_> = printed.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["api_key", "organization", "password", "user"]);
    assert_eq!(printed["organization"]["name"], "Platform");
    assert_eq!(printed["user"]["email"], "root@example.com");

    let refused = fails(&installation.run(&bootstrap("second@example.com")));
    assert!(refused.contains("root"), "{refused}");

    let service = installation.serve(&[]);
    let login = json!({"email": "root@example.com", "password": printed["password"]});
    service.anonymous().post("/v1/sessions", &login).await.expect(200);
    let me: Value = installation.admin(&service).get("/v1/me").await.expect(200);
    assert_eq!(me["id"], printed["user"]["id"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_from_a_file_is_not_printed() {
    const PASSWORD: &str = "from a file, then";
    let installation = Installation::new_without_admin().await;
    let file = installation.scratch.path("password");
    let with_file = |path| [bootstrap("root@example.com").as_slice(), &["--password-file", path]].concat();

    let refused = fails(&installation.run(&with_file("/nowhere/password")));
    assert!(refused.contains("--password-file /nowhere/password"), "{refused}");
    fs::write(&file, "short\n").unwrap();
    let refused = fails(&installation.run(&with_file(file.to_str().unwrap())));
    assert!(refused.contains("12") && !refused.contains("short\n"), "{refused}");

    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let printed = succeeds(&installation.run(&with_file(file.to_str().unwrap())));
    assert!(!printed.contains(PASSWORD));
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["password"], Value::Null);

    let service = installation.serve(&[]);
    let login = json!({"email": "root@example.com", "password": PASSWORD});
    service.anonymous().post("/v1/sessions", &login).await.expect(200);
}

#[tokio::test]
async fn migrate_may_be_run_again() {
    let installation = Installation::new().await;
    succeeds(&installation.run(&["migrate"]));
    succeeds(&installation.run(&["migrate"]));
}

#[test]
fn openapi_prints_the_committed_document() {
    let printed = succeeds(&run(&["openapi"], &[]));
    let committed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).unwrap();
    assert!(printed.starts_with("openapi: 3.1"), "{}", printed.lines().next().unwrap_or_default());
    assert!(printed.trim_end() == committed.trim_end(), "run: luna-organizations openapi > openapi.yaml");
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let scratch = Scratch::new();
    let file = scratch.path("keys.json");
    let arguments = ["keys", "generate", file.to_str().unwrap()];
    succeeds(&run(&arguments, &[]));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let made = fs::read(&file).unwrap();

    let refused = fails(&run(&arguments, &[]));
    assert!(refused.contains("exists") && refused.contains(file.to_str().unwrap()), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), made);
}
