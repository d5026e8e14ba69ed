//! The first start of `dev`, killed on the way: the next one finishes it, and what was told is true.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::process::{Process, Scratch};

const PATIENCE: Duration = Duration::from_mins(1);

/// A start in the moment in which `file` is there.
async fn start_until(scratch: &Scratch, file: &str) -> Process {
    let mut start = Process::spawn_dev(scratch, &[]);
    let (path, deadline) = (scratch.path(file), Instant::now() + PATIENCE);
    while !exists(&path) {
        assert!(!start.has_ended() && Instant::now() < deadline, "no {file}: {}", start.output());
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    start
}

/// Kills a start `later` than the moment in which `file` is there.
async fn kill_when(scratch: &Scratch, file: &str, later: Duration) {
    let start = start_until(scratch, file).await;
    tokio::time::sleep(later).await;
    start.kill();
}

/// Whether something is there whose name begins so: PostgreSQL's data is made under another name.
fn exists(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let Ok(entries) = std::fs::read_dir(path.parent().unwrap()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(name))
}

/// The file is for its owner only, and what it says lets the first admin in.
async fn expect_a_way_in(scratch: &Scratch, service: &Process) {
    let file = scratch.path("first-admin.json");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600);
    let told = scratch.first_admin();
    assert_eq!(told["base_url"], *service.base_url);
    let login = json!({"email": told["email"], "password": told["password"]});
    service.anonymous().post("/v1/sessions", &login).await.expect(200);
    let me: Value = service.first_admin(scratch).get("/v1/me").await.expect(200);
    assert_eq!(me["email"], told["email"]);
    assert_eq!(me["memberships"][0]["organization_id"], told["organization_id"], "{me}");
    let roots: Value = service.first_admin(scratch).get("/v1/organizations").await.expect(200);
    assert_eq!(roots["items"].as_array().unwrap().len(), 1, "{roots}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_may_be_killed_at_any_moment() {
    let scratch = Scratch::new();
    // From stage to stage of the same first start.
    kill_when(&scratch, "postgres/data.new-", Duration::from_millis(300)).await;
    kill_when(&scratch, "postgres/data/postmaster.pid", Duration::ZERO).await;
    kill_when(&scratch, "key-ring.json", Duration::ZERO).await;
    kill_when(&scratch, "first-admin.json", Duration::ZERO).await;
    let service = Process::dev(&scratch, &[]);
    expect_a_way_in(&scratch, &service).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_first_admin_json_says_is_true_whenever_the_start_is_killed() {
    let scratch = Scratch::new();
    Process::dev(&scratch, &[]).kill();
    for milliseconds in [0, 1, 2, 4, 8, 15, 30, 60] {
        // As if nothing had been set up yet; PostgreSQL keeps running.
        let mut database = PgConnection::connect(&scratch.database_url("luna")).await.unwrap();
        database.execute("DROP SCHEMA public CASCADE").await.unwrap();
        database.execute("CREATE SCHEMA public").await.unwrap();
        std::fs::remove_file(scratch.path("first-admin.json")).unwrap();

        kill_when(&scratch, "first-admin.json", Duration::from_millis(milliseconds)).await;
        let service = Process::dev(&scratch, &[]);
        expect_a_way_in(&scratch, &service).await;
        service.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_told_to_stop_leaves_nothing_running() {
    for file in ["postgres/data.new-", "postgres/data/postmaster.pid", "first-admin.json"] {
        let scratch = Scratch::new();
        start_until(&scratch, file).await.stop().await;
        assert!(scratch.postmaster().is_none(), "stopped at {file}");
    }
}
