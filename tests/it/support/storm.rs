//! Many changes at once, by clients who remember what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use super::Caller;

/// Clients at once, half of them with organizations and half with QPU tokens.
const CLIENTS: usize = 4;
/// Changes per client, at most.
const CHANGES: usize = 400;

/// A storm under way.
pub struct Storm {
    clients: Vec<JoinHandle<Log>>,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

/// What the clients know in the end.
#[derive(Default)]
pub struct Log {
    things: Vec<Thing>,
    /// Every answer that was no success.
    pub refusals: Vec<Refusal>,
    /// The longest that any answer took.
    pub slowest: Duration,
}

/// Something that was created, and how it should be found.
struct Thing {
    path: String,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    Named(String),
    Deleted,
    /// A change of it was not acknowledged: it may have happened or not.
    Unknown,
}

/// An answer that acknowledges nothing; `status` is `None` where there was no answer at all.
#[derive(Debug)]
pub struct Refusal {
    pub status: Option<StatusCode>,
    pub content_type: String,
    pub retry_after: Option<u64>,
    pub text: String,
}

impl Storm {
    /// `root` is the organization that everything is made in.
    pub fn start(admin: &Caller, root: &str) -> Self {
        let (acknowledged, stop) = (Arc::default(), Arc::default());
        let client = |number| {
            let client = Client {
                caller: admin.clone(),
                acknowledged: Arc::clone(&acknowledged),
                stop: Arc::clone(&stop),
                log: Log::default(),
            };
            tokio::spawn(client.run(number, root.to_owned()))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { clients, acknowledged, stop }
    }

    /// How many changes have been acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more changes have been acknowledged.
    pub async fn rages(&self, changes: usize, limit: Duration) {
        let (goal, deadline) = (self.acknowledged() + changes, Instant::now() + limit);
        while self.acknowledged() < goal {
            assert!(Instant::now() < deadline, "{} of {goal} changes after {limit:?}", self.acknowledged());
            assert!(self.clients.iter().any(|client| !client.is_finished()), "the storm is over too early");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Tells the clients to stop, and takes what they know.
    pub async fn end(self) -> Log {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Log::default();
        for client in self.clients {
            let log = client.await.unwrap();
            all.things.extend(log.things);
            all.refusals.extend(log.refusals);
            all.slowest = all.slowest.max(log.slowest);
        }
        all
    }
}

struct Client {
    caller: Caller,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    log: Log,
}

impl Client {
    async fn run(mut self, number: usize, root: String) -> Log {
        let tokens = number % 2 == 1;
        let list = if tokens { format!("/v1/organizations/{root}/qpu-tokens") } else { "/v1/organizations".to_owned() };
        for count in 0..CHANGES / 2 {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("storm {} {number} {count}", self.caller.id);
            let new = if tokens {
                json!({"name": name, "provider": "dwave", "credential": {"token": "DEV-storm"}})
            } else {
                json!({"name": name, "parent_id": root})
            };
            let Some(made) = self.change(Method::POST, &list, Some(&new)).await else { continue };
            let path = format!("{list}/{}", made["id"].as_str().unwrap());
            let state = self.change_again(count, &path, name).await;
            self.log.things.push(Thing { path, state });
        }
        self.log
    }

    /// Renames most, and deletes every third.
    async fn change_again(&mut self, count: usize, path: &str, name: String) -> State {
        if count.is_multiple_of(3) {
            return match self.change(Method::DELETE, path, None).await {
                Some(_) => State::Deleted,
                None => State::Unknown,
            };
        }
        if count % 3 == 1 {
            return State::Named(name);
        }
        let renamed = format!("{name} renamed");
        match self.change(Method::PATCH, path, Some(&json!({"name": renamed}))).await {
            Some(_) => State::Named(renamed),
            None => State::Unknown,
        }
    }

    /// The body of a success; everything else is noted and acknowledges nothing.
    async fn change(&mut self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        let request = self.caller.request(method, path);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let started = Instant::now();
        let answer = request.timeout(Duration::from_mins(1)).send().await;
        let Ok(answer) = answer else {
            self.refused(None, String::new(), None, String::new());
            // Nobody there: no reason to hurry.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return None;
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap_or_default();
        self.log.slowest = self.log.slowest.max(started.elapsed());
        if status.is_success() {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            return Some(serde_json::from_str(&text).unwrap_or(Value::Null));
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.refused(Some(status), header("content-type").to_owned(), header("retry-after").parse().ok(), text);
        tokio::time::sleep(Duration::from_millis(50)).await;
        None
    }

    fn refused(&mut self, status: Option<StatusCode>, content_type: String, retry_after: Option<u64>, text: String) {
        self.log.refusals.push(Refusal { status, content_type, retry_after, text });
    }
}

impl Log {
    /// Every acknowledged change is there.
    pub async fn expect_nothing_lost(&self, admin: &Caller) {
        for thing in &self.things {
            let answer = admin.get(&thing.path).await;
            match &thing.state {
                State::Named(name) => assert_eq!(answer.expect(200)["name"], **name),
                State::Deleted => assert_eq!(answer.status, 404, "{} is back: {}", thing.path, answer.text),
                State::Unknown => assert!(matches!(answer.status.as_u16(), 200 | 404), "{}", answer.text),
            }
        }
    }

    /// While the database is away: 503 that says when to come back, as a problem document, and nothing else.
    pub fn expect_only_unavailability(&self, slowest: Duration) {
        for refusal in &self.refusals {
            assert_eq!(refusal.status, Some(StatusCode::SERVICE_UNAVAILABLE), "{refusal:?}");
            assert_eq!(refusal.content_type, "application/problem+json", "{refusal:?}");
            assert!(refusal.retry_after.is_some_and(|seconds| seconds > 0), "{refusal:?}");
            assert!(refusal.text.contains("\"code\":\"unavailable\""), "{refusal:?}");
        }
        assert!(self.slowest < slowest, "an answer took {:?}", self.slowest);
    }
}

/// Every change is there with its audit event, or neither is: also those that nobody was told of.
pub async fn expect_all_or_nothing(database_url: &str) {
    const STRAYS: &str = "
        WITH rows AS (
            SELECT id, version, 'organizations' AS noun FROM organizations WHERE parent_id IS NOT NULL
            UNION ALL SELECT id, version, 'qpu-tokens' FROM qpu_tokens
        ), events AS (
            SELECT target_id AS id, split_part(action, ':', 1) AS noun,
                   count(*) FILTER (WHERE action LIKE '%:create') AS made,
                   count(*) FILTER (WHERE action LIKE '%:update') AS renamed,
                   count(*) FILTER (WHERE action LIKE '%:delete') AS deleted
              FROM audit_events
             WHERE outcome = 'success' AND action ~ '^(organizations|qpu-tokens):(create|update|delete)$'
             GROUP BY 1, 2
        )
        SELECT concat_ws(' ', noun, id, 'version', version, 'made', made, 'renamed', renamed, 'deleted', deleted)
          FROM rows FULL JOIN events USING (id, noun)
         WHERE made IS DISTINCT FROM 1
            OR CASE WHEN version IS NULL THEN deleted <> 1 ELSE deleted <> 0 OR version <> 1 + renamed END";
    let mut database = PgConnection::connect(database_url).await.unwrap();
    let strays: Vec<String> = sqlx::query_scalar(STRAYS).fetch_all(&mut database).await.unwrap();
    assert_eq!(strays, Vec::<String>::new());
}
