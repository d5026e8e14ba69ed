//! Results of any length, which a client reads by deleting them: they stream through, and what they tell of usage is booked
//! before the client has the end.

use std::sync::Arc;
use std::time::Duration;

use luna_organizations::broker::Patience;
use luna_organizations::cli::Configuration;
use luna_organizations::repository::Due;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::App;
use crate::support::deployment::Deployment;
use crate::support::installation::Installation;
use crate::support::notebook::{self, ledger};
use crate::support::upstream::{Reply, Step, Upstream};
use crate::support::wire::{Wire, ask};

/// Most memory that the service may ever have taken, in kilobytes.
const MEMORY: u64 = 150 * 1024;

const MILLISECONDS: i64 = 1235;

/// A result with so many numbers, and its time behind them.
fn result(numbers: usize) -> String {
    let number = "1.000000000000000000000000000001,";
    let timing = r#""timing":{"solve_time":"1234.5"}"#;
    let head = r#"{"qubo_solution":{"timings":{"solve_time":"1"},"solutions":[{"energy":-1e3,"configuration":["#;
    format!("{head}{}0]}}],{timing}}},\"status\":\"Deleted\"}}", number.repeat(numbers))
}

fn head(result: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", result.len())
}

fn submitted() -> Reply {
    Reply::json(200, &json!({"job_id": "long"}))
}

struct Lab {
    app: App,
    upstream: Upstream,
    path: String,
    headers: String,
}

impl Lab {
    /// With a job that was submitted.
    async fn start() -> Self {
        Self::start_with(Patience::default()).await
    }

    async fn start_with(patience: Patience) -> Self {
        let upstream = Upstream::start(|_| submitted()).await;
        let mut configuration: Configuration = notebook::at("fujitsu", &format!("http://{}", upstream.address));
        configuration.broker.patience = patience;
        let app = App::start_with(configuration).await;
        let token = notebook::token(&app, "fujitsu").await;
        let ada = app.member(&app.root, "ada").await;
        let headers = format!("x-api-key: {}\r\n", app.key(&ada, "use").await.authorization());
        let path = format!("/v1/qpu/{token}/da/v4/async");
        assert_eq!(ask(&app.base_url, "POST", &format!("{path}/qubo/solve"), &headers, b"{}").await.status(), 200);
        Self { app, upstream, path, headers }
    }

    async fn take(&self) -> Wire {
        ask(&self.app.base_url, "DELETE", &format!("{}/jobs/result/long", self.path), &self.headers, b"").await
    }

    /// Asks for the result, and leaves it to the caller to read it.
    async fn begin(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
        let Self { path, headers, .. } = self;
        let request =
            format!("DELETE {path}/jobs/result/long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn booked(&self) -> Option<i64> {
        ledger(&self.app).await["long"]
    }

    async fn is_booked(&self, milliseconds: i64) {
        let booked = async {
            while self.booked().await != Some(milliseconds) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), booked).await.expect("it is booked");
    }
}

/// More than 100 MB and more than three million values, through the program itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_are_booked_and_held_nowhere() {
    let sent = Arc::new(result(3_200_000));
    assert!(sent.len() > 100_000_000);
    let script = Arc::clone(&sent);
    let upstream = Upstream::start(move |seen| match seen.method.as_str() {
        "DELETE" => Reply::raw(head(&script)).then_send(script.as_bytes()),
        _ => submitted(),
    })
    .await;
    let installation = Installation::new().await;
    let service = Deployment::of(&installation, "fujitsu", &upstream.url(), "x-api-key").await;
    let submit = service.ask("POST", "da/v4/async/qubo/solve", "{}").await;
    assert_eq!(submit.status(), 200, "{submit:?}");
    let answer = service.ask("DELETE", "da/v4/async/jobs/result/long", "").await;
    assert_eq!(answer.status(), 200, "{}", answer.head);
    assert!(answer.complete && answer.body == sent.as_bytes(), "{} bytes of {}", answer.body.len(), sent.len());
    let database = PgPoolOptions::new().connect(&installation.database_url).await.unwrap();
    let used: Option<i64> = sqlx::query_scalar("SELECT used FROM jobs").fetch_one(&database).await.unwrap();
    assert_eq!(used, Some(MILLISECONDS));
    let memory = service.process.peak_memory();
    assert!(memory < MEMORY, "{memory} kB");
    service.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_until_it_is_booked() {
    let lab = Lab::start().await;
    let sent = result(100_000);
    lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", &sent));
    let mut lock = lab.app.database.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM jobs FOR UPDATE").execute(&mut *lock).await.unwrap();
    let (mut stream, mut bytes) = (lab.begin().await, Vec::new());
    while timeout(Duration::from_secs(1), stream.read_buf(&mut bytes)).await.is_ok_and(|read| read.unwrap() > 0) {}
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("200 OK") && text.contains("configuration"), "it has begun");
    assert!(!text.contains("Deleted"), "what ends it has not come");
    lock.rollback().await.unwrap();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(lab.booked().await, Some(MILLISECONDS));
    assert!(crate::support::wire::parse(&bytes).body == sent.as_bytes());
}

/// The provider has forgotten the result by then: nobody else can be asked.
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_in_the_middle_is_booked_all_the_same() {
    let lab = Lab::start().await;
    let (sent, gate) = (result(100_000), Arc::new(Semaphore::new(0)));
    let (first, second) = sent.split_at(sent.len() / 2);
    let halves = Reply::raw([head(&sent).as_bytes(), first.as_bytes()].concat()).then(Step::Hold(Arc::clone(&gate)));
    lab.upstream.always(halves.then_send(second));
    let mut stream = lab.begin().await;
    let mut bytes = Vec::new();
    while bytes.len() < 1_000_000 {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{}", String::from_utf8_lossy(&bytes));
    }
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert_eq!(lab.booked().await, None);
    gate.add_permits(1);
    lab.is_booked(MILLISECONDS).await;
}

/// The provider has forgotten the job by then, and the member has the result.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_once_is_booked_as_soon_as_it_can_be() {
    let lab = Lab::start().await;
    lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", result(1)));
    let rename = async |from: &'static str, to: &'static str| {
        let statement = format!("ALTER FUNCTION {from}(uuid, bigint, timestamptz) RENAME TO {to}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&lab.app.database).await.unwrap();
    };
    rename("end_job", "away").await;
    assert_eq!(lab.take().await.status(), 200);
    assert_eq!(lab.booked().await, None);
    rename("away", "end_job").await;
    lab.is_booked(MILLISECONDS).await;
}

/// What the provider told once has got lost: nobody knows any more, but it ran.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_once_and_lost_is_booked_as_it_was_reserved() {
    let lab = Lab::start().await;
    let reserved: i64 = sqlx::query_scalar("SELECT reserved FROM jobs").fetch_one(&lab.app.database).await.unwrap();
    lab.upstream.always(Reply::json(404, &json!({})));
    assert!(reserved > 0);
    for booked in [None, Some(reserved)] {
        lab.app.clock.advance(chrono::TimeDelta::hours(2));
        lab.app.broker.settle_due().await;
        assert_eq!(lab.booked().await, booked);
    }
}

/// A submission that is still on its way when its reservation ends would run for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_may_not_drip_for_ever() {
    let lab = Lab::start_with(Patience { submission: Duration::from_millis(300), ..Patience::default() }).await;
    let mut stream = TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
    let Lab { path, headers, .. } = &lab;
    let head = format!("POST {path}/qubo/solve HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let dripping = async {
        while stream.write_all(b"1\r\n \r\n").await.is_ok() {
            let mut bytes = Vec::new();
            let answered = timeout(Duration::from_millis(50), stream.read_to_end(&mut bytes)).await;
            if answered.is_ok() {
                return crate::support::wire::parse(&bytes);
            }
        }
        panic!("no answer");
    };
    let answer = timeout(Duration::from_secs(20), dripping).await.expect("it ends");
    assert_eq!((answer.status(), answer.header("luna-error")), (400, "incomplete_body"), "{answer:?}");
    assert!(answer.text().contains("is not known"), "{answer:?}");
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM jobs ORDER BY id").fetch_all(&lab.app.database).await.unwrap();
    assert_eq!(states, ["open", "expired"]);
}

/// What comes whole at the last moment is the provider's to answer, and counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_to_submit_is_over_with_the_last_byte() {
    let lab = Lab::start_with(Patience { submission: Duration::from_secs(2), ..Patience::default() }).await;
    lab.upstream.always(Reply::json(200, &json!({"job_id": "late"})).after(Duration::from_secs(2)));
    let mut stream = TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
    let Lab { path, headers, .. } = &lab;
    let head = format!("POST {path}/qubo/solve HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
    stream.write_all(format!("{head}content-length: 2\r\n\r\n{{").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stream.write_all(b"}").await.unwrap();
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("it ends").unwrap();
    let answer = crate::support::wire::parse(&bytes);
    assert_eq!(answer.status(), 200, "{answer:?}");
    let jobs: Vec<(String, String)> = sqlx::query_as("SELECT state, provider_job_id FROM jobs ORDER BY id")
        .fetch_all(&lab.app.database)
        .await
        .unwrap();
    assert_eq!(jobs.last().unwrap(), &("open".to_owned(), "late".to_owned()));
}

/// A problem that goes on as it comes, and then is cut in half.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_problem_is_no_submission() {
    let lab = Lab::start().await;
    let Lab { path, headers, .. } = &lab;
    for (length, body) in [
        ("content-length: 100\r\n", "{\"half\":"),
        ("transfer-encoding: chunked\r\n", "8\r\n{\"half\":\r\n"),
        ("transfer-encoding: chunked\r\n", "8\r\n{\"half\":\r\nzz\r\n"),
    ] {
        let mut stream = TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!("POST {path}/qubo/solve HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}{length}\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
        let _ = read.expect("an answer, not a hang");
        let answer = crate::support::wire::parse(&bytes);
        let told = (answer.status(), answer.header("luna-error"));
        assert!(bytes.is_empty() || told == (400, "incomplete_body"), "{length}: {answer:?}");
    }
    let ended = async {
        loop {
            let states: Vec<String> =
                sqlx::query_scalar("SELECT state FROM jobs ORDER BY id").fetch_all(&lab.app.database).await.unwrap();
            if states == ["open", "expired", "expired", "expired"] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), ended).await.expect("nothing stays reserved");
}

/// The worker has seen a reservation that nobody came back for, and then somebody does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_in_time_does_not_expire() {
    let lab = Lab::start().await;
    let set = async |state: &'static str| {
        sqlx::query("UPDATE jobs SET state = $1").bind(state).execute(&lab.app.database).await.unwrap();
    };
    set("reserved").await;
    lab.app.clock.advance(chrono::TimeDelta::hours(1));
    let due = lab
        .app
        .repository
        .due_jobs(&Due { provider: None, reachable: &[] }, 8, chrono::TimeDelta::seconds(1))
        .await
        .unwrap();
    set("open").await;
    lab.app.repository.expire_job(&due[0], "never_submitted").await.unwrap();
    let state: String = sqlx::query_scalar("SELECT state FROM jobs").fetch_one(&lab.app.database).await.unwrap();
    assert_eq!((due.len(), state.as_str()), (1, "open"));
}

/// What can be read in two ways is booked in none, and goes through as it is.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_fooled() {
    let lab = Lab::start().await;
    let timing = r#""timing": {"solve_time": "7"}"#;
    let long = " ".repeat(200_000);
    for text in [
        format!(r#"{{"status": "Done", "qubo_solution": {{{timing}, {timing}}}{long}}}"#),
        format!(r#"{{"status": "Done", "qubo_solution": {{{timing}}}, "qubo_solution": {{}}{long}}}"#),
        format!(r#"{{"status": "Done", "\u0073tatus": "Done", "qubo_solution": {{{timing}}}{long}}}"#),
        format!(r#"{{"status": "Done", "qubo_solution": {{{timing}}}{long}"#),
        format!(r#"{{"status": "Done", "qubo_solution": {{{timing}}}, "deep": {}"#, "[".repeat(1_000_000)),
        format!(r#"{{"status": "Done", "qubo_solution": {{{timing}}}, "endless": 1{}}}"#, "0".repeat(1_000_000)),
        format!(
            r#"{{"status": "Done", "qubo_solution": {{"timing": {{"solve_time": "7{}"}}}}}}"#,
            "0".repeat(1_000_000)
        ),
    ] {
        lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", &text));
        let taken = lab.take().await;
        assert!(taken.complete && taken.body == text.as_bytes(), "{}", &text[..100]);
        assert_eq!(lab.booked().await, None, "{}", &text[..100]);
    }
    let strange =
        format!(r#"{{"x": 1, "x": "{}", "status": "Done", "qubo_solution": {{{timing}}}}}"#, "\\\"".repeat(1_000_000));
    lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", &strange));
    assert!(lab.take().await.body == strange.as_bytes());
    assert_eq!(lab.booked().await, Some(7));
}

/// The worker asks without deleting, and keeps as little of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_worker_reads_long_results_too() {
    let lab = Lab::start().await;
    let sent = result(2_200_000);
    lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", &sent));
    lab.app.clock.advance(chrono::TimeDelta::minutes(1));
    lab.app.broker.settle_due().await;
    assert_eq!((lab.upstream.last().method.as_str(), lab.booked().await), ("GET", Some(MILLISECONDS)));
}
