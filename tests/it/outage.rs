//! `serve` while its database is away: bounded 503s, and life goes on when it is back.

use std::time::{Duration, Instant};

use luna_organizations::cli::dev::cluster::{Cluster, DATABASE};
use reqwest::Method;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::installation::Installation;
use crate::support::process::{Process, Scratch, family};
use crate::support::storm::{Storm, expect_all_or_nothing};
use crate::support::{Answer, App, Caller};

/// The service's bound on a request in these tests.
const TIMEOUT: (&str, &str) = ("LUNA_ORGANIZATIONS_REQUEST_TIMEOUT_SECONDS", "5");
/// That bound, and room for a busy machine.
const CEILING: Duration = Duration::from_secs(9);
const RECOVERY: Duration = Duration::from_secs(30);

async fn installation() -> (Installation, Cluster) {
    let scratch = Scratch::new();
    let cluster = Cluster::start(&scratch.path("postgres")).await.unwrap();
    let database_url = cluster.url(DATABASE);
    (Installation::on(scratch, database_url), cluster)
}

/// Requests of every kind, more at once than there are connections: each is told soon, and told the truth.
async fn expect_unavailable(service: &Process, admin: &Caller, root: &str) {
    let login = json!({"email": "root@example.com", "password": "wrong wrong wrong"});
    let token = json!({"name": "in vain", "provider": "dwave", "credential": {"token": "DEV-in-vain"}});
    let tokens = format!("/v1/organizations/{root}/qpu-tokens");
    let mut requests = vec![service.anonymous().request(Method::GET, "/readyz")];
    for _ in 0..5 {
        requests.push(admin.request(Method::GET, "/v1/me"));
        requests.push(admin.request(Method::POST, &tokens).json(&token));
        requests.push(service.anonymous().request(Method::POST, "/v1/sessions").json(&login));
    }
    let timed = |request: reqwest::RequestBuilder| async {
        let started = Instant::now();
        let answer = Answer::to(request.timeout(Duration::from_mins(1))).await;
        (answer, started.elapsed())
    };
    for (answer, took) in futures_util::future::join_all(requests.into_iter().map(timed)).await {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(took < CEILING, "{took:?}: {}", answer.text);
        // `/readyz` may still tell what is missing, for those who look at it.
        if answer.headers["content-type"] == "application/problem+json" {
            assert_eq!(answer.json()["code"], "unavailable");
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
        } else {
            assert_eq!(answer.json()["database"], false, "{}", answer.text);
        }
    }
    service.anonymous().get("/healthz").await.expect(200);
}

async fn expect_recovery(admin: &Caller) {
    let deadline = Instant::now() + RECOVERY;
    loop {
        let ready = admin.get("/readyz").await;
        if ready.status == 200 {
            break;
        }
        assert_eq!(ready.status, 503, "{}", ready.text);
        assert!(Instant::now() < deadline, "not ready again: {}", ready.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let me: Value = admin.get("/v1/me").await.expect(200);
    assert_eq!(me["email"], "root@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_database_is_missed_and_welcomed_back() {
    let (installation, cluster) = installation().await;
    let service = installation.serve(&[TIMEOUT]);
    let admin = installation.admin(&service);
    let storm = Storm::start(&admin, installation.root());
    storm.rages(40, CEILING).await;

    cluster.stop().await.unwrap();
    expect_unavailable(&service, &admin, installation.root()).await;

    let _cluster = Cluster::start(&installation.scratch.path("postgres")).await.unwrap();
    expect_recovery(&admin).await;
    storm.rages(40, RECOVERY).await;
    let log = storm.end().await;
    log.expect_only_unavailability(CEILING);
    log.expect_nothing_lost(&admin).await;
    expect_all_or_nothing(&installation.database_url).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_database_hangs_nobody() {
    let (installation, _cluster) = installation().await;
    let service = installation.serve(&[TIMEOUT]);
    let admin = installation.admin(&service);
    let storm = Storm::start(&admin, installation.root());
    storm.rages(40, CEILING).await;

    let postmaster = installation.scratch.postmaster().unwrap();
    let frozen = family(postmaster);
    for pid in &frozen {
        kill_process(*pid, Signal::STOP).unwrap();
    }
    expect_unavailable(&service, &admin, installation.root()).await;
    for pid in &frozen {
        let _ = kill_process(*pid, Signal::CONT);
    }

    expect_recovery(&admin).await;
    storm.rages(40, RECOVERY).await;
    let log = storm.end().await;
    log.expect_only_unavailability(CEILING);
    log.expect_nothing_lost(&admin).await;
    expect_all_or_nothing(&installation.database_url).await;
    service.stop().await;
}

/// A restart of the database between two requests leaves connections in the pool that have died unnoticed.
#[tokio::test]
async fn dead_connections_are_not_the_callers_business() {
    let app = App::start().await;
    let mut watcher = sqlx::PgConnection::connect(&app.database_url).await.unwrap();
    for round in 0..3 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE application_name = 'luna-organizations' AND datname = current_database()";
        let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut watcher).await.unwrap();
        assert!(ended > 0);
        if round % 2 == 0 {
            app.organization(&app.root, &format!("after {round}")).await;
        } else {
            app.admin.get("/v1/me").await.expect(200);
        }
    }
}
