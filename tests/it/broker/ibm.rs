//! IBM: passes, the exchange, whose jobs and sessions are whose, and what is booked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use luna_organizations::authentication::{Passes, SigningKey};
use luna_organizations::broker::{Broker, Patience};
use luna_organizations::cli::Configuration;
use serde_json::{Value, json};

use crate::support::upstream::{Reply, Seen, Upstream};
use crate::support::{Answer, App, Caller};

const CRN: &str = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123:1111-2222::";
const SECRET: &str = "ibm-api-key-of-the-organization";
const TEMPORARY: &str = "eyJ.temporary-token-of-ibm.xyz";

/// IBM, as far as these tests need it.
#[derive(Default)]
struct Ibm {
    jobs: Mutex<Vec<String>>,
    sessions: AtomicUsize,
    /// Usage is final and sessions are over.
    done: AtomicBool,
    /// The API key is not taken.
    refuses: AtomicBool,
}

impl Ibm {
    fn answer(&self, request: &Seen) -> (u16, Value) {
        let target = request.target.as_str();
        if target == "/identity/token" {
            let good = String::from_utf8_lossy(&request.body).contains(&format!("apikey={SECRET}"))
                && !self.refuses.load(Ordering::Relaxed);
            let token = json!({"access_token": TEMPORARY, "expires_in": 3600, "token_type": "Bearer"});
            return if good { (200, token) } else { (400, json!({"errorCode": "BXNIM0415E"})) };
        }
        if request.header("authorization") != format!("Bearer {TEMPORARY}") {
            return (401, json!({"saw": request.header("authorization")}));
        }
        let done = self.done.load(Ordering::Relaxed);
        let path = request.path();
        let mut jobs = self.jobs.lock().unwrap();
        match (request.method.as_str(), path.strip_prefix("/api/v1").unwrap_or(path)) {
            ("POST", "/jobs") => {
                let id = format!("job{}", jobs.len());
                jobs.push(id.clone());
                (200, json!({"id": id}))
            }
            ("GET", "/jobs") => {
                let number = |name: &str| {
                    let value = target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
                    value.and_then(|value| value.strip_prefix('=')).and_then(|value| value.parse().ok())
                };
                // The provider gives a few at a time, whatever it is asked for.
                let (offset, limit) = (number("offset").unwrap_or(0), number("limit").unwrap_or(200).min(3));
                let page: Vec<Value> = jobs
                    .iter()
                    .rev()
                    .skip(offset)
                    .take(limit)
                    .map(|id| json!({"id": id, "user_id": "IBMid-1"}))
                    .collect();
                (200, json!({"jobs": page, "count": jobs.len(), "limit": limit, "offset": offset}))
            }
            ("POST", "/sessions") => {
                let id = format!("session{}", self.sessions.fetch_add(1, Ordering::Relaxed));
                (200, json!({"id": id, "user_id": "IBMid-1", "instance": request.json()["instance"]}))
            }
            ("GET", path) if path.starts_with("/sessions/") => {
                (200, json!({"id": &path[10..], "state": if done { "closed" } else { "active" }, "elapsed_time": 41.2}))
            }
            ("GET", path) if path.ends_with("/metrics") => {
                let status = if done { "complete" } else { "pending" };
                (200, json!({"usage": {"status": status, "qpu_charge_time_seconds": if done { 7 } else { 0 }}}))
            }
            ("GET", "/backends") => (200, json!({"devices": []})),
            ("GET", path) if path.starts_with("/jobs/") => (200, json!({"id": &path[6..], "user_id": "IBMid-1"})),
            (_, path) if path.starts_with("/jobs/") || path.starts_with("/sessions/") => (204, Value::Null),
            _ => (404, json!({})),
        }
    }
}

/// A service with one IBM token, and members with keys.
struct World {
    app: App,
    ibm: Arc<Ibm>,
    upstream: Upstream,
    configuration: Configuration,
    token: String,
}

impl World {
    async fn start(credential: Value) -> Self {
        let ibm = Arc::new(Ibm::default());
        let answering = Arc::clone(&ibm);
        // Each after a moment, so that what comes at the same time meets.
        let answer = move |request: &Seen| Reply::from(answering.answer(request)).after(Duration::from_millis(20));
        let upstream = Upstream::start(answer).await;
        let mut configuration = Configuration::default();
        let provider = configuration.providers.entry("ibm".to_owned()).or_default();
        provider.base_url = Some(upstream.url());
        provider.iam_url = Some(upstream.url());
        let app = App::start_with(configuration.clone()).await;
        let token = token(&app, "one", &credential).await;
        Self { app, ibm, upstream, configuration, token }
    }

    fn at(&self, path: &str) -> String {
        format!("/v1/qpu/{}/{path}", self.token)
    }

    /// A new member with a key.
    async fn member(&self, name: &str) -> Member {
        let login = self.app.member(&self.app.root, name).await;
        let key = login.post("/v1/me/api-keys", &json!({"name": "k", "scope": "use"})).await.expect(201);
        let text = key["api_key"].as_str().unwrap().to_owned();
        Member {
            caller: Caller::with_access_token(&self.app.base_url, &text),
            login,
            key: text,
            id: key["id"].as_str().unwrap().to_owned(),
        }
    }

    async fn exchange(&self, key: &str) -> Answer {
        let form = format!("grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey={key}&response_type=cloud_iam");
        let request = self.app.anonymous().request(reqwest::Method::POST, &self.at("iam/identity/token"));
        Answer::to(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    }

    async fn pass(&self, member: &Member) -> Caller {
        let token = self.exchange(&member.key).await.expect(200);
        Caller::with_access_token(&self.app.base_url, token["access_token"].as_str().unwrap())
    }

    async fn submit(&self, caller: &Caller, body: &Value) -> Answer {
        caller.post(&self.at("api/v1/jobs"), body).await
    }

    /// What the worker does.
    async fn settle(&self) {
        self.app.clock.advance(TimeDelta::minutes(5));
        let passes = Passes::new("x", &SigningKey::generate().unwrap(), &[], self.app.clock.clone()).unwrap();
        let reachable = self.configuration.reachable(&Arc::new(passes)).unwrap();
        Broker::new(self.app.repository.clone(), reachable, TimeDelta::seconds(1), Patience::default())
            .settle_due()
            .await;
    }

    async fn ledger(&self) -> Vec<(String, String, Option<i64>)> {
        let rows = sqlx::query_as("SELECT provider_job_id, state, used FROM jobs ORDER BY provider_job_id");
        rows.fetch_all(&self.app.database).await.unwrap()
    }
}

struct Member {
    caller: Caller,
    login: Caller,
    key: String,
    id: String,
}

async fn token(app: &App, name: &str, credential: &Value) -> String {
    let body = json!({"name": name, "provider": "ibm", "credential": credential});
    let answer = app.admin.post(&format!("/v1/organizations/{}/qpu-tokens", app.root), &body).await;
    answer.expect(201)["id"].as_str().unwrap().to_owned()
}

fn only_token() -> Value {
    json!({"token": SECRET})
}

fn job() -> Value {
    json!({"program_id": "sampler", "backend": "b", "params": {"pubs": []}})
}

#[tokio::test]
async fn many_first_requests_make_one_exchange_and_a_failure_is_shared() {
    let world = World::start(only_token()).await;
    let ada = world.member("ada").await;
    let path = world.at("api/v1/backends");
    let all = join_all((0..50).map(|_| ada.caller.get(&path))).await;
    assert!(all.iter().all(|answer| answer.status == 200));
    assert_eq!(world.upstream.count("POST", "/identity/token"), 1);

    world.ibm.refuses.store(true, Ordering::Relaxed);
    let path = format!("/v1/qpu/{}/api/v1/backends", token(&world.app, "two", &only_token()).await);
    let all = join_all((0..50).map(|_| ada.caller.get(&path))).await;
    assert!(all.iter().all(|answer| answer.status == 403 && answer.headers["luna-error"] == "credential_refused"));
    assert_eq!(world.upstream.count("POST", "/identity/token"), 2);
}

#[tokio::test]
async fn a_pass_stands_for_a_key_at_one_token_while_the_key_lasts() {
    let world = World::start(only_token()).await;
    let ada = world.member("ada").await;
    let pass = world.pass(&ada).await;
    let path = world.at("api/v1/backends");
    pass.get(&path).await.expect(200);

    let other = token(&world.app, "two", &only_token()).await;
    pass.get(&format!("/v1/qpu/{other}/api/v1/backends")).await.expect(401);
    pass.get("/v1/me").await.expect_problem(401, "unauthenticated");
    ada.login.get(&path).await.expect(401);
    let text = pass.authorization();
    assert_eq!(world.exchange(text.strip_prefix("Bearer ").unwrap()).await.expect(400)["errorCode"], "BXNIM0415E");

    let late = world.pass(&ada).await;
    world.app.clock.advance(TimeDelta::seconds(3601));
    late.get(&path).await.expect(401);

    let pass = world.pass(&ada).await;
    let login = world.app.log_in(&ada.login.email, crate::support::PASSWORD).await;
    pass.get(&path).await.expect(200);
    login.delete(&format!("/v1/me/api-keys/{}", ada.id)).await.expect(204);
    pass.get(&path).await.expect(401);
    assert_eq!(world.exchange(&ada.key).await.expect(400)["errorCode"], "BXNIM0415E");
    assert!(world.upstream.seen().iter().all(|request| !request.text().contains("luna_")));
}

/// A client's own guess makes a reservation larger, not smaller; what the provider keeps to is what is reserved.
#[tokio::test]
async fn a_small_guess_does_not_make_a_small_reservation() {
    let world = World::start(only_token()).await;
    let ada = world.pass(&world.member("ada").await).await;
    for cost in [json!(1), json!(600), Value::Null] {
        let mut body = job();
        body["cost"] = cost;
        world.submit(&ada, &body).await.expect(200);
    }
    for session in [json!({"mode": "dedicated", "max_ttl": 20}), json!({"mode": "batch", "max_ttl": 20})] {
        ada.post(&world.at("api/v1/sessions"), &session).await.expect(200);
    }
    let query = "SELECT reserved FROM jobs ORDER BY created_at, id";
    let reserved: Vec<i64> = sqlx::query_scalar(query).fetch_all(&world.app.database).await.unwrap();
    assert_eq!(reserved, [60, 600, 60, 20, 0]);
}

#[tokio::test]
async fn sessions_and_jobs_are_their_owners() {
    let world = World::start(only_token()).await;
    let (ada, bob) = (world.member("ada").await, world.member("bob").await);
    let (ada, bob) = (world.pass(&ada).await, world.pass(&bob).await);
    let session =
        ada.post(&world.at("api/v1/sessions"), &json!({"mode": "dedicated", "max_ttl": 60})).await.expect(200);
    assert_eq!(session["user_id"], Value::Null);
    let mut inside = job();
    inside["session_id"] = session["id"].clone();
    world.submit(&bob, &inside).await.expect(404);
    assert_eq!(world.upstream.count("POST", "/api/v1/jobs"), 0);
    world.submit(&ada, &inside).await.expect(200);
    for path in
        ["api/v1/sessions/session0", "api/v1/jobs/job0", "api/v1/jobs/job0/metrics", "api/v1/jobs?session_id=session0"]
    {
        bob.get(&world.at(path)).await.expect(404);
        ada.get(&world.at(path)).await.expect(200);
    }
    bob.patch(&world.at("api/v1/sessions/session0"), &json!({"accepting_jobs": false})).await.expect(404);
    bob.delete(&world.at("api/v1/jobs/job0")).await.expect(404);
    for (member, value) in
        [("remote_storage", json!({})), ("start_session", json!(true)), ("runtime", json!("x.io/y:z"))]
    {
        let mut body = job();
        body[member] = value;
        world.submit(&ada, &body).await.expect(403);
    }
    assert_eq!(world.upstream.count("POST", "/api/v1/jobs"), 1);
}

#[tokio::test]
async fn a_list_has_the_callers_own_jobs_by_the_callers_own_positions() {
    let world = World::start(only_token()).await;
    let (ada, bob) = (world.member("ada").await, world.member("bob").await);
    for turn in 0..10 {
        let caller = if turn % 3 == 0 { &bob.caller } else { &ada.caller };
        world.submit(caller, &job()).await.expect(200);
    }
    // Somebody else's, made without us.
    world.ibm.jobs.lock().unwrap().insert(4, "foreign".to_owned());
    let page = async |query: &str| {
        let page = ada.caller.get(&world.at(&format!("api/v1/jobs?{query}"))).await.expect(200);
        assert!(!page.to_string().contains("IBMid"), "{page}");
        let ids: Vec<_> =
            page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), page["count"].as_u64().unwrap())
    };
    assert_eq!(page("").await, ("job8 job7 job5 job4 job2 job1".to_owned(), 6));
    let (first, count) = page("limit=2").await;
    assert_eq!(first, "job8 job7");
    assert!(count > 2, "there is more");
    assert_eq!(page("limit=2&offset=4").await, ("job2 job1".to_owned(), 6));
    assert_eq!(page("limit=2&offset=6").await, (String::new(), 6));
}

#[tokio::test]
async fn the_worker_books_what_nobody_reads() {
    let world = World::start(only_token()).await;
    let ada = world.member("ada").await.caller;
    world.submit(&ada, &job()).await.expect(200);
    ada.post(&world.at("api/v1/sessions"), &json!({"mode": "dedicated"})).await.expect(200);
    world.settle().await;
    let open = |id: &str| (id.to_owned(), "open".to_owned(), None);
    assert_eq!(world.ledger().await, [open("job0"), open("session0")]);
    // Deleted before anybody knows what it used, it would never be booked.
    let early = ada.delete(&world.at("api/v1/jobs/job0")).await;
    early.expect(409);
    assert_eq!(early.headers["luna-error"], "usage_pending");
    assert_eq!(world.upstream.count("DELETE", "/api/v1/jobs/job0"), 0);

    world.ibm.done.store(true, Ordering::Relaxed);
    world.settle().await;
    let settled = |id: &str, used| (id.to_owned(), "settled".to_owned(), Some(used));
    assert_eq!(world.ledger().await, [settled("job0", 7), settled("session0", 42)]);
    world.submit(&ada, &job()).await.expect(200);
    ada.delete(&world.at("api/v1/jobs/job1")).await.expect(204);
    assert_eq!(world.ledger().await[1], settled("job1", 7), "booked by the deletion");
}

#[tokio::test]
async fn an_instance_in_the_credential_is_the_only_one() {
    let world = World::start(json!({"token": SECRET, "crn": CRN})).await;
    let ada = world.member("ada").await.caller;
    let other = CRN.replace("1111", "9999");
    let request = ada.request(reqwest::Method::POST, &world.at("api/v1/sessions")).header("service-crn", &other);
    let session = Answer::to(request.json(&json!({"mode": "batch", "instance": other}))).await.expect(200);
    assert_eq!(session["instance"], CRN);
    let seen = world.upstream.seen();
    let sent = seen.iter().find(|request| request.line() == "POST /api/v1/sessions").unwrap();
    assert_eq!(sent.header("service-crn"), CRN);
    assert!(!seen.iter().any(|request| request.text().contains("9999")));

    let free = token(&world.app, "free", &only_token()).await;
    let path = format!("/v1/qpu/{free}/api/v1/backends");
    Answer::to(ada.request(reqwest::Method::GET, &path).header("service-crn", &other)).await.expect(200);
    assert_eq!(world.upstream.seen().last().unwrap().header("service-crn"), other);
}
