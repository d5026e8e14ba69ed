//! The service or its database dies between the provider's answer and the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use luna_organizations::cli::dev::cluster::{Cluster, DATABASE};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::Semaphore;

use crate::support::deployment::Deployment;
use crate::support::installation::Installation;
use crate::support::lab::{Lab, configuration, expect_error};
use crate::support::paths;
use crate::support::process::{Scratch, family};
use crate::support::proxy::Proxy;
use crate::support::upstream::{Reply, Step, Upstream};
use crate::support::wire::ask;

fn held(gate: &Arc<Semaphore>, body: &serde_json::Value) -> Reply {
    let body = body.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    Reply::default().then(Step::Hold(Arc::clone(gate))).then_send(answer)
}

/// Somebody for whom the test's database is always there.
async fn superuser(lab: &Lab) -> PgConnection {
    let options: PgConnectOptions = lab.app.database_url.parse().unwrap();
    PgConnection::connect_with(&options.username("postgres")).await.unwrap()
}

/// Lets nobody into the test's database, or everybody again.
async fn admit(lab: &Lab, admitted: bool) {
    let limit = if admitted { -1 } else { 0 };
    let options: PgConnectOptions = lab.app.database_url.parse().unwrap();
    let name = options.get_database().unwrap().to_owned();
    let mut superuser = PgConnection::connect_with(&options.username("postgres").database("postgres")).await.unwrap();
    let alter = format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}");
    superuser.execute(sqlx::AssertSqlSafe(alter)).await.unwrap();
    if !admitted {
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        superuser.execute(sqlx::AssertSqlSafe(end)).await.unwrap();
    }
}

/// The member is told what the provider said, with a status that nobody repeats; the jobs are written down when that works again, with
/// what was told of their usage. Their reservations are over by then.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_away_when_the_provider_answers() {
    let lab = Arc::new(Lab::start(|_| Reply::silence()).await);
    lab.limit(None, 1000).await;
    let gate = Arc::new(Semaphore::new(0));
    let over = json!({"id": "taken-3", "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 2.0}}});
    lab.upstream.always(held(&gate, &json!([{"id": "taken-1"}, {"id": "taken-2"}, over])));
    let submission = tokio::spawn({
        let lab = Arc::clone(&lab);
        async move { lab.ask("POST", "problems/", "[{},{},{}]").await }
    });
    lab.upstream.reached("problems").await;
    admit(&lab, false).await;
    gate.add_permits(1);
    let answer = submission.await.unwrap();
    expect_error(&answer, 424, "submission_not_recorded");
    assert!(answer.text().contains("taken-1, taken-2, taken-3"), "{answer:?}");
    // Meanwhile nothing else is done, and nothing reaches the provider.
    expect_error(&lab.ask("GET", "solvers/remote/", "").await, 503, "unavailable");
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 503, "unavailable");
    assert_eq!(lab.upstream.seen().len(), 1);
    superuser(&lab).await.execute("SELECT end_job(id, NULL, created_at + interval '1 hour') FROM jobs").await.unwrap();
    admit(&lab, true).await;
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if lab.states().await == ["open", "open", "settled"] {
            break;
        }
    }
    let states = ["open", "open", "settled"].map(ToOwned::to_owned).to_vec();
    assert_eq!((lab.states().await, lab.limits().await), (states, vec![(2000, 200)]));
    lab.upstream.always(Reply::json(200, &json!({"id": "taken-1", "status": "PENDING"})));
    assert_eq!(lab.ask("GET", "problems/taken-1/", "").await.status(), 200);
}

/// What the provider refused is not there, whatever the ledger can take note of: the member hears why. What was promised is taken back
/// when that works again.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_away_when_the_provider_refuses() {
    let lab = Arc::new(Lab::start(|_| Reply::silence()).await);
    lab.limit(None, 1000).await;
    let gate = Arc::new(Semaphore::new(0));
    let said = json!({"error_code": 400, "error_msg": "no such solver"});
    let refused = Reply::json(400, &said);
    lab.upstream.always(Reply::default().then(Step::Hold(Arc::clone(&gate))).followed_by(refused));
    let submission = tokio::spawn({
        let lab = Arc::clone(&lab);
        async move { lab.ask("POST", "problems/", "[{},{}]").await }
    });
    lab.upstream.reached("problems").await;
    admit(&lab, false).await;
    gate.add_permits(1);
    let answer = submission.await.unwrap();
    assert_eq!((answer.status(), answer.json()), (400, said), "{answer:?}");
    admit(&lab, true).await;
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if lab.states().await == ["expired", "expired"] {
            break;
        }
    }
    assert_eq!((lab.states().await, lab.limits().await), (vec!["expired".to_owned(); 2], vec![(0, 0)]));
}

/// Booked as what was reserved, since nobody can be asked for it; also when its reservation is over by then.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_late_without_a_name_is_booked() {
    let lab = Arc::new(Lab::start(|_| Reply::silence()).await);
    lab.limit(None, 1000).await;
    let gate = Arc::new(Semaphore::new(0));
    lab.upstream.always(held(&gate, &json!([{"status": "PENDING"}])));
    let submission = tokio::spawn({
        let lab = Arc::clone(&lab);
        async move { lab.ask("POST", "problems/", "[{}]").await }
    });
    lab.upstream.reached("problems").await;
    lab.app.clock.advance(TimeDelta::hours(1));
    lab.app.broker.settle_due().await;
    assert_eq!((lab.states().await, lab.limits().await), (vec!["expired".to_owned()], vec![(0, 0)]));
    gate.add_permits(1);
    expect_error(&submission.await.unwrap(), 424, "submission_not_named");
    assert_eq!((lab.jobs().await, lab.limits().await), (vec![("settled".to_owned(), 100, Some(100))], vec![(100, 0)]));
}

/// The provider takes its time, and what was promised is taken back meanwhile. What it took is a job all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_late_is_a_job() {
    let lab = Arc::new(Lab::start(|_| Reply::silence()).await);
    lab.limit(None, 1000).await;
    let gate = Arc::new(Semaphore::new(0));
    lab.upstream.always(held(&gate, &json!([{"id": "late"}])));
    let submission = tokio::spawn({
        let lab = Arc::clone(&lab);
        async move { lab.ask("POST", "problems/", "[{}]").await }
    });
    lab.upstream.reached("problems").await;
    lab.app.clock.advance(TimeDelta::hours(1));
    lab.app.broker.settle_due().await;
    assert_eq!((lab.states().await, lab.limits().await), (vec!["expired".to_owned()], vec![(0, 0)]));
    gate.add_permits(1);
    let answer = submission.await.unwrap();
    assert_eq!((answer.status(), answer.json()[0]["id"].as_str()), (200, Some("late")), "{answer:?}");
    assert_eq!((lab.jobs().await, lab.limits().await), (vec![("open".to_owned(), 100, None)], vec![(0, 100)]));
    let told = json!({"id": "late", "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 2.0}}});
    lab.upstream.always(Reply::json(200, &told));
    assert_eq!(lab.ask("GET", "problems/late/", "").await.status(), 200);
    assert_eq!(lab.limits().await, [(2000, 0)]);
}

/// Killed before it could write down the answer: what was promised is taken back after a while.
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_forwarding_and_recording() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::start(|_| Reply::silence()).await;
    upstream.always(held(&gate, &json!([{"id": "lost"}])));
    let installation = Installation::new().await;
    let Deployment { process, admin, token, headers } = Deployment::of_dwave(&installation, &upstream).await;
    let quota = paths::quota(installation.root(), &token);
    assert!(admin.put(&quota, &json!({"quota": 10_000_000_000_i64})).await.status.is_success());
    let submission = tokio::spawn({
        let (place, path) = (process.base_url.clone(), format!("/v1/qpu/{token}/problems/"));
        async move { ask(&place, "POST", &path, &headers, b"[{}]").await }
    });
    upstream.reached("problems").await;
    process.kill();
    gate.add_permits(1);
    assert_eq!(submission.await.unwrap().head, "", "nobody was told anything");

    let database = PgPool::connect(&installation.database_url).await.unwrap();
    let state = async || -> (String, i64) {
        let query = "SELECT state, (SELECT reserved FROM quotas) FROM jobs";
        sqlx::query_as(query).fetch_one(&database).await.unwrap()
    };
    let (held, promised) = state().await;
    assert!(held == "reserved" && promised > 0, "{held} {promised}");
    let later = "UPDATE jobs SET check_at = check_at - interval '21 minutes'";
    sqlx::query(later).execute(&database).await.unwrap();
    let url = format!("{}/sapi/v2", upstream.url());
    let service = installation.serve(&[("LUNA_ORGANIZATIONS_PROVIDERS__DWAVE__BASE_URL", url.as_str())]);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if state().await.0 == "expired" {
            break;
        }
    }
    assert_eq!(state().await, ("expired".to_owned(), 0));
    service.stop().await;
}

/// A database that does not even refuse: everybody is told soon, and nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_database_hangs_nobody() {
    let upstream = Upstream::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    let scratch = Scratch::new();
    let cluster = Cluster::start(&scratch.path("postgres")).await.unwrap();
    let installation = Installation::on(scratch, cluster.url(DATABASE));
    let service = Deployment::of_dwave(&installation, &upstream).await;
    let submit = async || service.ask("POST", "problems/", "[{}]").await;
    assert_eq!(submit().await.status(), 200);

    let frozen = family(installation.scratch.postmaster().unwrap());
    for pid in &frozen {
        kill_process(*pid, Signal::STOP).unwrap();
    }
    let started = Instant::now();
    for answer in futures_util::future::join_all((0..12).map(|_| submit())).await {
        expect_error(&answer, 503, "unavailable");
    }
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    for pid in &frozen {
        let _ = kill_process(*pid, Signal::CONT);
    }
    assert_eq!(upstream.seen().len(), 1);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if submit().await.status() == 200 {
            break;
        }
    }
    assert_eq!(upstream.seen().len(), 2);
    let logged = service.process.output();
    assert!(logged.contains(r#""code":"unavailable""#), "why a request was refused is in the log: {logged}");
    service.process.stop().await;
}

/// The transaction is there, and whoever committed it never hears so: it is tried again, and nothing is written down twice.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_down_twice() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::start(|_| Reply::silence()).await;
    let over = json!({"id": "named", "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 2.0}}});
    upstream.always(held(&gate, &json!([over, {"status": "PENDING"}, {"error_code": 400, "error_msg": "no"}])));
    let scratch = Scratch::new();
    let cluster = Cluster::start(&scratch.path("postgres")).await.unwrap();
    let installation = Installation::on(scratch, cluster.url(DATABASE));
    let service = Arc::new(Deployment::of_dwave(&installation, &upstream).await);
    let submission = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.ask("POST", "problems/", "[{},{},{}]").await }
    });
    upstream.reached("problems").await;
    let options: PgConnectOptions = installation.database_url.parse().unwrap();
    let options = options.username("postgres");
    let mut superuser = PgConnection::connect_with(&options).await.unwrap();
    // A standby that never comes: whoever commits waits for it, with everything done.
    let waiting = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut wait_for = async |standby: &str| {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'");
        superuser.execute(sqlx::AssertSqlSafe(set)).await.unwrap();
        superuser.execute("SELECT pg_reload_conf()").await.unwrap();
    };
    wait_for("nobody").await;
    // The server takes note of that in a moment.
    let mut somebody = PgConnection::connect_with(&options).await.unwrap();
    let commits = "SELECT pg_logical_emit_message(true, '', '')";
    while tokio::time::timeout(Duration::from_secs(1), somebody.execute(commits)).await.is_ok() {}
    gate.add_permits(1);
    let database = PgPool::connect(&installation.database_url).await.unwrap();
    let mut ended = 0_i64;
    for _ in 0..100 {
        ended = sqlx::query_scalar(waiting).fetch_one(&database).await.unwrap();
        if ended > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ended, 1, "the one that commits");
    wait_for("").await;
    expect_error(&submission.await.unwrap(), 424, "submission_not_recorded");
    // Only the second try books it.
    let settled = "SELECT count(*) FROM jobs WHERE provider_job_id = 'named' AND state = 'settled'";
    let is_settled = async || sqlx::query_scalar::<_, i64>(settled).fetch_one(&database).await.unwrap() == 1;
    for _ in 0..300 {
        if is_settled().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_settled().await, "{}", service.process.output());
    let events: Vec<(String, i64)> = sqlx::query_as(
        "SELECT coalesce(details ->> 'reason', details ->> 'provider_job_id'), count(*) FROM audit_events
          WHERE action = 'jobs:submit' GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&database)
    .await
    .unwrap();
    assert_eq!(events, ["named", "not_taken", "unnamed"].map(|what| (what.to_owned(), 1)));
}

/// Connections whose other end has vanished without a word: they are given up, and new ones made.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_partition_ends_with_the_connections_in_it() {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    let proxy = Proxy::to(&lab.app.database_url).await;
    let mut configuration = configuration(&lab.upstream);
    configuration.request_timeout_seconds = 2;
    let replica = lab.app.replica_at(&proxy.url, &configuration).await;
    let (path, headers) = (lab.path("solvers/remote/"), format!("x-auth-token: {}\r\n", lab.key));
    let broker = async || ask(&replica, "GET", &path, &headers, b"").await.status();
    let authorization = format!("luna-api-key: {}\r\n", lab.app.admin.authorization());
    let api = async || ask(&replica, "GET", "/v1/me", &authorization, b"").await.status();
    // More at once than there are connections, so that all are there.
    let all = async |told: &[u16]| {
        let broker = futures_util::future::join_all((0..200).map(|_| broker()));
        let api = futures_util::future::join_all((0..20).map(|_| api()));
        let (broker, api) = tokio::join!(broker, api);
        assert!(broker.iter().chain(&api).all(|status| told.contains(status)), "{broker:?} {api:?}");
    };
    all(&[200]).await;
    proxy.fall_silent();
    let before = proxy.connections();
    let started = Instant::now();
    // Whoever comes late may be there when the connections are made anew.
    all(&[503, 200]).await;
    let mut told = (0, 0);
    while told != (200, 200) {
        assert!(started.elapsed() < Duration::from_secs(40), "{told:?} after {:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
        told = (broker().await, api().await);
    }
    all(&[200]).await;
    assert!(proxy.connections() > before);
}
