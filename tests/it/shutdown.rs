//! SIGTERM: what runs may end, nothing new begins, and nobody who merely stays connected holds it up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::support::deployment::Deployment;
use crate::support::installation::Installation;
use crate::support::paths;
use crate::support::person;
use crate::support::proxy::Proxy;
use crate::support::upstream::{Reply, Step, Upstream};
use crate::support::wire::Wire;

const SOON: Duration = Duration::from_secs(10);

fn connect(base_url: &str) -> TcpStream {
    let stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_may_end() {
    let installation = Installation::new().await;
    let mut service = installation.serve(&[]);
    let password = installation.bootstrapped["password"].as_str().unwrap();
    let body = json!({"email": "root@example.com", "password": password}).to_string();
    let (begin, rest) = body.split_at(10);

    let mut slow = connect(&service.base_url);
    let length = body.len();
    write!(slow, "POST /v1/sessions HTTP/1.1\r\nhost: luna\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{begin}").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!service.has_ended(), "a request is still running");
    let address = service.base_url.strip_prefix("http://").unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody new is let in");

    slow.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"access_token\""), "{answer}");
    assert!(service.ended(SOON).await.success());

    // The second start finds the session and all else.
    let again = installation.serve(&[]);
    let me = installation.admin(&again).get("/v1/me").await.expect(200);
    assert_eq!(me["email"], "root@example.com");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_under_load_are_answered() {
    let installation = Installation::new().await;
    let mut service = installation.serve(&[]);
    let body = json!({"email": "root@example.com", "password": installation.bootstrapped["password"]});
    let login = |_| {
        let (caller, body) = (service.anonymous(), body.clone());
        tokio::spawn(async move { caller.post("/v1/sessions", &body).await })
    };
    let logins: Vec<_> = (0..12).map(login).collect();
    while !service.output().contains("\"answered\"") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    service.signal(Signal::TERM);
    let mut succeeded = 0;
    for login in logins {
        // Each is answered in full: panics otherwise.
        let answer = login.await.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 429), "{}", answer.text);
        succeeded += usize::from(answer.status == 200);
    }
    assert!(succeeded > 0);
    assert!(service.ended(SOON).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_it_up() {
    let installation = Installation::new().await;
    let mut service = installation.serve(&[]);
    let silent = connect(&service.base_url);
    let mut kept = connect(&service.base_url);
    write!(kept, "GET /healthz HTTP/1.1\r\nhost: luna\r\n\r\n").unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut half = connect(&service.base_url);
    write!(half, "GET /healthz HTTP/1.1\r\nhos").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.signal(Signal::TERM);
    assert!(service.ended(SOON).await.success());
    drop((silent, kept, half));
}

/// A database that has vanished without a word holds up the end for a while, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_database_is_left() {
    let mut installation = Installation::new().await;
    let proxy = Proxy::to(&installation.database_url).await;
    installation.database_url.clone_from(&proxy.url);
    let upstream = Upstream::start(|_| Reply::json(200, &json!([]))).await;
    let mut deployment = Deployment::of_dwave(&installation, &upstream).await;
    // Something to be counted.
    assert_eq!(deployment.ask("GET", "solvers/remote/", "").await.status(), 200);
    proxy.vanish();
    let users = paths::users(installation.root());
    let (change, status) =
        tokio::join!(async { deployment.admin.post(&users, &person("late@example.com")).await.status }, async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            deployment.process.signal(Signal::TERM);
        });
    assert_eq!((change, status), (StatusCode::SERVICE_UNAVAILABLE, ()));
    assert!(deployment.process.ended(Duration::from_mins(1)).await.success());
}

/// Uses are written down now and then. What is being written when the service stops is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_is_written_down() {
    let installation = Installation::new().await;
    let upstream = Upstream::start(|_| Reply::json(200, &json!([]))).await;
    let mut deployment = Deployment::of_dwave(&installation, &upstream).await;
    let database = PgPool::connect(&installation.database_url).await.unwrap();
    let mut lock = database.begin().await.unwrap();
    assert_eq!(deployment.ask("GET", "solvers/remote/", "").await.status(), 200);
    sqlx::query("SELECT 1 FROM qpu_tokens FOR UPDATE").execute(&mut *lock).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%last_used_at%'";
    let is_waiting = async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&database).await.unwrap();
        waiting > 0
    };
    for _ in 0..300 {
        if is_waiting().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_waiting().await, "it is being written down");
    deployment.process.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    lock.rollback().await.unwrap();
    assert!(deployment.process.ended(SOON).await.success());
    let counted = "SELECT details -> 'requests' FROM audit_events WHERE action = 'jobs:use'";
    let counted: Vec<Value> = sqlx::query_scalar(counted).fetch_all(&database).await.unwrap();
    assert_eq!(counted, [json!({"solvers:list": 1})]);
}

/// A service with a provider of results that are told once, and its one token.
struct Office {
    installation: Installation,
    deployment: Deployment,
    upstream: Upstream,
    database: PgPool,
}

impl Office {
    async fn open() -> Self {
        let upstream = Upstream::start(|_| Reply::json(200, &json!({"job_id": "first"}))).await;
        let installation = Installation::new().await;
        let deployment = Deployment::of(&installation, "fujitsu", &upstream.url(), "x-api-key").await;
        let database = PgPool::connect(&installation.database_url).await.unwrap();
        Self { installation, deployment, upstream, database }
    }

    async fn ask(&self, method: &str, below: &str, body: &[u8]) -> Wire {
        self.deployment.ask(method, &format!("da/v4/async{below}"), body).await
    }

    /// Asks, and hangs up when the provider has been asked.
    async fn ask_and_go(&self, method: &str, below: &str, body: &str) {
        let mut stream = connect(&self.deployment.process.base_url);
        let (path, headers) = (self.deployment.path("da/v4/async"), &self.deployment.headers);
        let length = body.len();
        write!(
            stream,
            "{method} {path}{below} HTTP/1.1\r\nhost: luna\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        self.upstream.wait(method, || self.upstream.seen().last().is_some_and(|seen| seen.method == method)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(stream);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// Is told to stop, and does not yet.
    async fn stop_early(&mut self) {
        self.deployment.process.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!self.deployment.process.has_ended(), "something is still to be written down");
    }

    async fn rename(&self, from: &'static str, to: &'static str) {
        let statement = format!("ALTER FUNCTION {from}(uuid, bigint, timestamptz) RENAME TO {to}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&self.database).await.unwrap();
    }

    /// The jobs when the service has ended.
    async fn left_behind(mut self) -> Vec<(String, Option<String>, Option<i64>)> {
        assert!(self.deployment.process.ended(SOON).await.success());
        let jobs = "SELECT state, provider_job_id, used FROM jobs ORDER BY created_at, id";
        let jobs = sqlx::query_as(jobs).fetch_all(&self.database).await.unwrap();
        drop(self.installation);
        jobs
    }
}

fn held(gate: &Arc<Semaphore>, body: &Value) -> Reply {
    let body = body.to_string();
    let (begin, end) = body.split_at(1);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    Reply::raw(format!("{head}{begin}")).then(Step::Hold(Arc::clone(gate))).then_send(end)
}

/// A result that is too long to be held.
fn result() -> Value {
    let solved = json!({"timing": {"solve_time": "7"}, "solutions": "x".repeat(100_000)});
    json!({"qubo_solution": solved, "status": "Deleted"})
}

/// Whoever hangs up has submitted all the same: the provider's answer is waited for, and written down.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_without_its_client_may_end() {
    let (mut office, gate) = (Office::open().await, Arc::new(Semaphore::new(0)));
    office.upstream.always(held(&gate, &json!({"job_id": "taken"})));
    office.ask_and_go("POST", "/qubo/solve", "{}").await;
    office.stop_early().await;
    gate.add_permits(1);
    assert_eq!(office.left_behind().await, [("open".to_owned(), Some("taken".to_owned()), None)]);
}

/// A result that the provider tells once, and whose reader has gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_its_reader_is_booked() {
    let (mut office, gate) = (Office::open().await, Arc::new(Semaphore::new(0)));
    assert_eq!(office.ask("POST", "/qubo/solve", b"{}").await.status(), 200);
    office.upstream.always(held(&gate, &result()));
    office.ask_and_go("DELETE", "/jobs/result/first", "").await;
    office.stop_early().await;
    gate.add_permits(1);
    assert_eq!(office.left_behind().await, [("settled".to_owned(), Some("first".to_owned()), Some(7))]);
}

/// What the database would not take is tried again before the end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_booked_later_is_booked_before_the_end() {
    let mut office = Office::open().await;
    assert_eq!(office.ask("POST", "/qubo/solve", b"{}").await.status(), 200);
    office.upstream.always(Reply::json(200, &result()));
    office.rename("end_job", "away").await;
    assert_eq!(office.ask("DELETE", "/jobs/result/first", b"").await.status(), 200);
    office.stop_early().await;
    office.rename("away", "end_job").await;
    assert_eq!(office.left_behind().await, [("settled".to_owned(), Some("first".to_owned()), Some(7))]);
}
