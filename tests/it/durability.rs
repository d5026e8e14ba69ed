//! What was acknowledged stays, whatever dies.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::support::process::{Process, Scratch};
use crate::support::storm::{Storm, expect_all_or_nothing};

/// The service's own bound on a request (20 s), and room for a busy machine.
const CEILING: Duration = Duration::from_secs(25);
const RECOVERY: Duration = Duration::from_secs(40);

fn root(scratch: &Scratch) -> String {
    scratch.first_admin()["organization_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_has_lost_nothing_that_it_acknowledged() {
    let scratch = Scratch::new();
    let first = Process::dev(&scratch, &[]);
    let storm = Storm::start(&first.first_admin(&scratch), &root(&scratch));
    storm.rages(120, CEILING).await;
    let postmaster = scratch.postmaster().unwrap();
    first.kill();
    let log = storm.end().await;
    assert!(log.refusals.iter().all(|refusal| refusal.status.is_none()), "{:?}", log.refusals);
    assert!(!log.refusals.is_empty(), "it was killed in the middle");
    assert_eq!(scratch.postmaster(), Some(postmaster), "PostgreSQL outlives the service");

    let second = Process::dev(&scratch, &[]);
    assert_eq!(scratch.postmaster(), Some(postmaster), "the running PostgreSQL is adopted");
    log.expect_nothing_lost(&second.first_admin(&scratch)).await;
    expect_all_or_nothing(&scratch.database_url("luna")).await;

    second.stop().await;
    assert_eq!(scratch.postmaster(), None, "an adopted PostgreSQL is stopped too");
    let third = Process::dev(&scratch, &[]);
    log.expect_nothing_lost(&third.first_admin(&scratch)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_has_lost_nothing_and_the_service_recovers() {
    let scratch = Scratch::new();
    let service = Process::dev(&scratch, &[]);
    let admin = service.first_admin(&scratch);
    let storm = Storm::start(&admin, &root(&scratch));
    storm.rages(100, CEILING).await;
    let killed = scratch.postmaster().unwrap();
    kill_process(killed, Signal::KILL).unwrap();
    storm.rages(100, RECOVERY).await;
    assert_ne!(scratch.postmaster(), Some(killed), "another PostgreSQL has been started");

    let log = storm.end().await;
    assert!(!log.refusals.is_empty(), "it was killed in the middle");
    log.expect_only_unavailability(CEILING);
    log.expect_nothing_lost(&admin).await;
    expect_all_or_nothing(&scratch.database_url("luna")).await;
    let ready: Value = admin.get("/readyz").await.expect(200);
    assert_eq!(ready["ready"], true);
    service.stop().await;
}
