//! Amazon Braket: what is signed and sent, whose tasks and results are whose, and what is booked.

mod aws;
mod outages;

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use luna_organizations::cli::{Configuration, service};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::upstream::Reply;
use crate::support::{Answer, App, Caller, paths};
use aws::{Aws, BUCKET, KEY_ID, SECRET, Scope};

const DEFAULT_BUCKET: &str = "amazon-braket-us-east-1-000000000000";

struct World {
    app: App,
    aws: Aws,
    configuration: Configuration,
    token: String,
}

impl World {
    async fn start() -> Self {
        Self::with(&json!({"access_key_id": KEY_ID, "secret_access_key": SECRET, "results_bucket": BUCKET})).await
    }

    async fn with(credential: &Value) -> Self {
        let aws = Aws::start().await;
        let mut configuration = Configuration::default();
        let provider = configuration.providers.entry("aws".to_owned()).or_default();
        (provider.braket_url, provider.s3_url) = (Some(aws.upstream.url()), Some(aws.upstream.url()));
        let app = App::start_with(configuration.clone()).await;
        let body = json!({"name": "one", "provider": "aws", "credential": credential});
        let token = app.admin.post(&paths::tokens(&app.root), &body).await.expect(201);
        Self { app, aws, configuration, token: token["id"].as_str().unwrap().to_owned() }
    }

    async fn member(&self, name: &str) -> Member<'_> {
        let login = self.app.member(&self.app.root, name).await;
        Member { key: key(&login).await, user: login.id, world: self }
    }

    /// The root's admin, who uses the token too.
    fn admin(&self) -> Member<'_> {
        Member { key: self.app.admin.authorization(), user: self.app.admin.id.clone(), world: self }
    }

    /// What the worker does.
    async fn settle(&self) {
        self.app.clock.advance(TimeDelta::minutes(5));
        let address = "127.0.0.1:1".parse().unwrap();
        let state = service::state(&self.configuration, self.app.repository.clone(), address).await.unwrap();
        state.broker.settle_due().await;
    }

    /// Name, state and usage of all tasks that were taken.
    async fn ledger(&self) -> Vec<(String, String, Option<i64>)> {
        let rows = "SELECT provider_job_id, state, used FROM jobs
                     WHERE kind = 'job' AND provider_job_id IS NOT NULL ORDER BY provider_job_id";
        sqlx::query_as(rows).fetch_all(&self.app.database).await.unwrap()
    }
}

async fn key(login: &Caller) -> String {
    let made = login.post("/v1/me/api-keys", &json!({"name": "notebook", "scope": "use"})).await.expect(201);
    made["api_key"].as_str().unwrap().to_owned()
}

/// Somebody with an AWS client.
struct Member<'a> {
    world: &'a World,
    key: String,
    user: String,
}

impl Member<'_> {
    /// As AWS clients sign; the signature itself is never looked at.
    async fn ask(&self, method: Method, scope: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/v1/qpu/{}/{path}", self.world.token);
        let signed =
            format!("AWS4-HMAC-SHA256 Credential=ANY/20261122/{scope}/aws4_request, SignedHeaders=host, Signature=0");
        let request = self.world.app.anonymous().request(method, &path).header("authorization", signed);
        let request = request.header("x-amz-security-token", &self.key).header("x-amz-date", "20200101T000000Z");
        let answer = Answer::to(if body.is_null() { request } else { request.json(body) }).await;
        let all = format!("{:?} {}", answer.headers, answer.text);
        assert!(!all.contains(SECRET) && !all.contains(KEY_ID) && !all.contains("PRIVATE"), "{all}");
        answer
    }

    async fn braket(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(method, "us-east-1/braket", &format!("braket/{path}"), body).await
    }

    async fn s3(&self, method: Method, path: &str) -> Answer {
        self.ask(method, "us-east-1/s3", &format!("s3/{path}"), &Value::Null).await
    }

    async fn submit(&self, client_token: &str, shots: i64) -> Answer {
        self.braket(Method::POST, "quantum-task", &task(client_token, shots)).await
    }

    async fn submitted(&self, client_token: &str, shots: i64) -> String {
        self.submit(client_token, shots).await.expect(201)["quantumTaskArn"].as_str().unwrap().to_owned()
    }

    async fn read(&self, arn: &str) -> Answer {
        self.braket(Method::GET, &format!("quantum-task/{}", encoded(arn)), &Value::Null).await
    }

    async fn listed(&self) -> Vec<String> {
        let list = self.braket(Method::POST, "quantum-tasks", &json!({"filters": []})).await.expect(200);
        let rows = list["quantumTasks"].as_array().unwrap();
        rows.iter().map(|row| row["quantumTaskArn"].as_str().unwrap().to_owned()).collect()
    }
}

fn task(client_token: &str, shots: i64) -> Value {
    json!({"clientToken": client_token, "deviceArn": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1", "shots": shots,
           "outputS3Bucket": DEFAULT_BUCKET, "outputS3KeyPrefix": "tasks", "action": "{}"})
}

fn encoded(arn: &str) -> String {
    arn.replace(':', "%3A").replace('/', "%2F")
}

fn folder(world: &World, member: &Member<'_>, arn: &str) -> String {
    format!("luna/{}/{}/{}", world.token, member.user, arn.rsplit('/').next().unwrap())
}

#[tokio::test]
async fn a_task_is_submitted_read_and_booked_once() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let arn = ada.submitted("mine", 70).await;
    let sent = world.aws.seen("POST", "/quantum-task")[0].json();
    assert_eq!(sent["outputS3Bucket"], BUCKET);
    assert_eq!(sent["outputS3KeyPrefix"], format!("luna/{}/{}", world.token, ada.user));
    assert_ne!(sent["clientToken"], "mine");
    assert_eq!(ada.submitted("mine", 70).await, arn, "a repetition is recognized");

    assert_eq!(ada.read(&arn).await.expect(200)["status"], "QUEUED");
    let open = vec![(arn.clone(), "open".to_owned(), None)];
    assert_eq!(world.ledger().await, open);
    world.aws.is("COMPLETED");
    let view = ada.read(&arn).await.expect(200);
    ada.read(&arn).await.expect(200);
    let booked = vec![(arn.clone(), "settled".to_owned(), Some(70))];
    assert_eq!(world.ledger().await, booked);
    assert_eq!(ada.submitted("mine", 70).await, arn);
    world.settle().await;
    assert_eq!(world.ledger().await, booked, "once, whatever comes later");
    let reserved: Option<i64> = sqlx::query_scalar("SELECT sum(reserved)::bigint FROM jobs WHERE ended_at IS NULL")
        .fetch_one(&world.app.database)
        .await
        .unwrap();
    assert_eq!(reserved, None, "nothing stays reserved");

    let directory = view["outputS3Directory"].as_str().unwrap();
    assert_eq!(directory, folder(&world, &ada, &arn));
    let path = format!("{BUCKET}/{directory}/results.json");
    let content = ada.s3(Method::GET, &path).await;
    content.expect_text(200, &format!("content of /{path}"));
    let by_default_name = ada.s3(Method::GET, &path.replace(BUCKET, DEFAULT_BUCKET)).await;
    by_default_name.expect_text(200, &content.text);
    let head = ada.s3(Method::HEAD, &path).await;
    assert_eq!(head.headers["content-length"], content.text.len().to_string().as_str());
    ada.s3(Method::GET, &format!("{BUCKET}?list-type=2&prefix={directory}&encoding-type=url")).await.expect_text(
        200,
        &format!("content of /{BUCKET}?list-type=2&prefix={}&encoding-type=url", directory.replace('/', "%2F")),
    );
}

/// Where the results of a task are is nothing that anybody has made by itself.
#[tokio::test]
async fn folders_are_not_listed() {
    let world = World::start().await;
    let arn = world.member("ada").await.submitted("mine", 70).await;
    let list = format!("{}/jobs", paths::usage(&world.app.root, &world.token));
    let listed = world.app.admin.get(&list).await.expect(200);
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|job| job["provider_job_id"].clone()).collect();
    assert_eq!(names, [json!(arn)]);
}

#[tokio::test]
async fn what_nobody_reads_is_booked_and_what_was_cancelled_costs_nothing() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let first = ada.submitted("1", 5).await;
    world.aws.is("COMPLETED");
    world.settle().await;
    assert_eq!(world.ledger().await, [(first, "settled".to_owned(), Some(5))]);

    world.aws.is("QUEUED");
    let task = json!({"clientToken": "2", "shots": 9});
    let taken = ada.ask(Method::POST, "eu-north-1/braket", "braket/quantum-task", &task).await.expect(201);
    let second = taken["quantumTaskArn"].as_str().unwrap().to_owned();
    // With the client in another region: a task is read where it is.
    let cancel = format!("quantum-task/{}/cancel", encoded(&second));
    ada.braket(Method::PUT, &cancel, &json!({"clientToken": "3"})).await.expect(200);
    let sent = world
        .aws
        .seen("PUT", "/quantum-task/arn%3Aaws%3Abraket%3Aeu-north-1%3A123456789012%3Aquantum-task%2Fid-1/cancel");
    assert_eq!(Scope::of(&sent[0]).region, "eu-north-1");
    world.aws.is("CANCELLED");
    world.settle().await;
    let ledger = world.ledger().await;
    assert!(ledger.contains(&(second, "settled".to_owned(), Some(0))), "{ledger:?}");
}

#[tokio::test]
async fn members_reach_their_own_tasks_only() {
    let world = World::start().await;
    let (ada, ida) = (world.member("ada").await, world.member("ida").await);
    let of_ada = ada.submitted("the same", 5).await;
    let of_the_other = ida.submitted("the same", 5).await;
    assert_ne!(of_ada, of_the_other, "a guessed clientToken gives nothing away");
    assert_eq!(ada.listed().await, std::slice::from_ref(&of_ada));

    let refused = ida.read(&of_ada).await;
    assert_eq!(
        (refused.status, &refused.headers["x-amzn-errortype"]),
        (reqwest::StatusCode::NOT_FOUND, &"ResourceNotFoundException".parse().unwrap())
    );
    ida.braket(Method::PUT, &format!("quantum-task/{}/cancel", encoded(&of_ada)), &json!({})).await.expect(404);
    let result = format!("{BUCKET}/{}/results.json", folder(&world, &ada, &of_ada));
    for (method, path) in [
        (Method::GET, result.clone()),
        (Method::HEAD, result.clone()),
        (Method::GET, format!("{BUCKET}?list-type=2&prefix={}", folder(&world, &ada, &of_ada))),
        // The own task's name in another's place, and another's in the own place.
        (Method::GET, result.replace(&ada.user, &ida.user)),
    ] {
        let refused = ida.s3(method, &path).await;
        assert_eq!(refused.status.as_u16(), 404, "{path}");
        assert!(refused.text.is_empty() || refused.text.contains("<Code>NoSuchKey</Code>"), "{}", refused.text);
    }
    assert!(world.aws.seen("GET", &format!("/{BUCKET}")).is_empty() && world.aws.seen("PUT", "/").is_empty());

    // Admins see what their members do, results too.
    world.admin().read(&of_ada).await.expect(200);
    assert_eq!(world.admin().s3(Method::GET, &result).await.status.as_u16(), 200);
    assert_eq!(world.admin().listed().await.len(), 2);

    ada.read(&of_ada).await.expect(200);
    world.app.admin.delete(&paths::user(&world.app.root, &ada.user)).await.expect(204);
    for gone in [ada.read(&of_ada).await, ada.s3(Method::GET, &result).await, ada.submit("x", 1).await] {
        assert!(matches!(gone.status.as_u16(), 403 | 404), "{}", gone.text);
    }
}

#[tokio::test]
async fn requests_that_repeat_each_other_make_one_job() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let arns = join_all((0..8).map(|_| ada.submitted("one", 3))).await;
    assert!(arns.iter().all(|arn| *arn == arns[0]));
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test]
async fn what_no_task_needs_is_refused() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let arn = ada.submitted("mine", 1).await;
    let inside = folder(&world, &ada, &arn);
    let before = world.aws.upstream.seen().len();
    let job = encoded("arn:aws:braket:us-east-1:123456789012:job/1");
    for (method, path) in [
        (Method::POST, "job".to_owned()),
        (Method::POST, "jobs".to_owned()),
        (Method::GET, format!("job/{job}")),
        (Method::POST, "spending-limit".to_owned()),
        (Method::POST, "spending-limits".to_owned()),
        (Method::GET, format!("tags/{}", encoded(&arn))),
        (Method::POST, format!("tags/{}", encoded(&arn))),
        (Method::GET, "device/x".to_owned()),
        (Method::GET, format!("quantum-task/{}?additionalAttributeNames=QueueInfo&X-Amz-Signature=0", encoded(&arn))),
        (Method::POST, "quantum-task?x=y".to_owned()),
    ] {
        let refused = ada.braket(method, &path, &task("x", 1)).await;
        assert_eq!(refused.headers["x-amzn-errortype"], "AccessDeniedException", "{path}");
        refused.expect(403);
    }
    for (method, path) in [
        (Method::GET, String::new()),
        (Method::GET, BUCKET.to_owned()),
        (Method::GET, format!("{BUCKET}?acl")),
        (Method::GET, format!("{BUCKET}?list-type=2")),
        (Method::GET, format!("{BUCKET}?list-type=2&prefix={inside}&prefix=")),
        (Method::GET, format!("{BUCKET}?list-type=2&prefix={inside}&fetch-owner=true")),
        (Method::GET, format!("{BUCKET}?prefix={inside}")),
        (Method::GET, format!("{BUCKET}/scripts/train.py")),
        (Method::GET, format!("{BUCKET}/{inside}/results.json?versionId=1")),
        (Method::GET, format!("{BUCKET}/{inside}/results.json?acl")),
        (Method::GET, format!("{BUCKET}/{inside}//results.json")),
        (Method::GET, format!("other-bucket/{inside}/results.json")),
        (Method::GET, format!("amazon-braket-eu-north-1-000000000000/{inside}/results.json")),
        (Method::PUT, format!("{BUCKET}/{inside}/results.json")),
        (Method::DELETE, format!("{BUCKET}/{inside}/results.json")),
        (Method::POST, format!("{BUCKET}/{inside}/results.json?uploads")),
        (Method::PUT, "other-bucket".to_owned()),
        (Method::PUT, format!("{BUCKET}?acl")),
        (Method::HEAD, "other-bucket".to_owned()),
    ] {
        let refused = ada.s3(method, &path).await;
        assert_eq!(refused.status.as_u16(), 403, "{path}: {}", refused.text);
    }
    for (scope, path) in [
        ("us-east-1/s3", "braket/devices"),
        ("us-east-1/braket", "s3/devices"),
        ("us-east-1/iam", "braket/devices"),
        ("eu-central-1/braket", "braket/devices"),
        ("us-east-1.example.org/braket", "braket/devices"),
    ] {
        ada.ask(Method::POST, scope, path, &json!({"filters": []})).await.expect_denied();
    }
    for bad in [json!({"jobToken": "x"}), json!({"associations": []}), json!({"shots": -1}), json!([])] {
        ada.braket(Method::POST, "quantum-task", &bad).await.expect(400);
    }
    let mut elsewhere = task("x", 1);
    elsewhere["outputS3Bucket"] = "other-bucket".into();
    ada.braket(Method::POST, "quantum-task", &elsewhere).await.expect(403);
    let strange = Member { key: "IQoJb3JpZ2lu".to_owned(), user: String::new(), world: &world };
    assert_eq!(strange.submit("x", 1).await.headers["x-amzn-errortype"], "UnrecognizedClientException");
    assert_eq!(world.aws.upstream.seen().len(), before, "AWS has seen nothing of it");
    assert_eq!(world.ledger().await.len(), 1);
}

impl Answer {
    #[track_caller]
    fn expect_text(&self, status: u16, text: &str) {
        assert_eq!((self.status.as_u16(), self.text.as_str()), (status, text));
    }

    #[track_caller]
    fn expect_denied(&self) {
        assert_eq!(
            (self.status.as_u16(), &self.headers["luna-error"]),
            (403, &"operation_not_allowed".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn who_the_caller_is_is_told_here() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    for (path, form, status) in [
        ("sts", "Action=GetCallerIdentity&Version=2011-06-15", 200),
        ("", "Action=GetCallerIdentity&Version=2011-06-15", 200),
        ("sts", "Action=AssumeRole&RoleArn=x", 403),
        ("sts", "Action=GetCallerIdentity&Action=GetSessionToken", 403),
        ("sts", "", 403),
    ] {
        let path = format!("/v1/qpu/{}/{path}", world.token).trim_end_matches('/').to_owned();
        let signed =
            "AWS4-HMAC-SHA256 Credential=ANY/20261122/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0";
        let request = world.app.anonymous().request(Method::POST, &path).header("authorization", signed);
        let answer = Answer::to(request.header("x-amz-security-token", &ada.key).body(form)).await;
        assert_eq!(answer.status.as_u16(), status, "{form}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "text/xml");
        assert_eq!(answer.text.contains("<Account>000000000000</Account>"), status == 200);
    }
    assert_eq!(ada.s3(Method::PUT, DEFAULT_BUCKET).await.status.as_u16(), 200);
    assert!(world.aws.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_limit_is_told_as_braket_tells_it() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    world.app.admin.put(&paths::quota(&world.app.root, &world.token), &json!({"quota": 10})).await.expect(200);
    let refused = ada.submit("1", 11).await;
    refused.expect(402);
    assert_eq!(refused.headers["x-amzn-errortype"], "ServiceQuotaExceededException");
    ada.submitted("2", 10).await;
    ada.submit("3", 1).await.expect(402);
}

#[tokio::test]
async fn one_field_is_enough_for_a_credential() {
    let world = World::with(&json!({"token": format!("{KEY_ID}:{SECRET}@{BUCKET}")})).await;
    let ada = world.member("ada").await;
    let device = encoded("arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1");
    let shown = ada.braket(Method::GET, &format!("device/{device}"), &Value::Null).await.expect(200);
    assert_eq!(shown["echo"], format!("/device/{device}"), "an ARN stays encoded");
    // With one address for all services.
    let shown = ada.ask(Method::GET, "eu-west-2/braket", &format!("device/{device}"), &Value::Null).await.expect(200);
    assert_eq!(shown["echo"], format!("/device/{device}"));
    ada.submitted("1", 1).await;

    let refused = ada.braket(Method::GET, &format!("device/{device}Forbidden"), &Value::Null).await;
    refused.expect(403);
    assert_eq!(refused.headers["luna-error"], "credential_refused");

    let other = World::with(&json!({"token": "something else"})).await;
    let refused = other.member("ada").await.submit("1", 1).await;
    assert_eq!(refused.headers["luna-error"], "credential_unfit");
    assert!(refused.expect(403)["message"].as_str().unwrap().contains("ACCESS_KEY_ID:SECRET_ACCESS_KEY"));
}

/// To be let in with the head of a request is to be let in for nothing, also if nothing comes in the end.
#[tokio::test(flavor = "multi_thread")]
async fn removed_before_the_end_of_nothing() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let arn = encoded(&ada.submitted("mine", 70).await);
    let mut waiting = Vec::new();
    for (method, below) in [("GET", ""), ("PUT", "/cancel")] {
        let mut stream = TcpStream::connect(world.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!(
            "{method} /v1/qpu/{}/braket/quantum-task/{arn}{below} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=ANY/20261122/us-east-1/braket/aws4_request, SignedHeaders=host, Signature=0\r\n\
             x-amz-security-token: {}\r\nx-amz-date: 20200101T000000Z\r\ntransfer-encoding: chunked\r\n\r\n",
            world.token, ada.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = world.aws.upstream.seen().len();
    assert!(world.app.admin.delete(&paths::user(&world.app.root, &ada.user)).await.status.is_success());
    for mut stream in waiting {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("unauthenticated"), "{answer}");
    }
    assert_eq!(world.aws.upstream.seen().len(), before);
}

/// What no database takes note of is no name: the task counts as what was reserved for it, and keeps nothing busy.
#[tokio::test]
async fn a_name_that_cannot_be_stored() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let arn = "arn:aws:braket:us-east-1:123456789012:quantum-task/ab\0";
    world.aws.upstream.always(Reply::json(201, &json!({"quantumTaskArn": arn})));
    let answer = ada.submit("mine", 70).await;
    assert_eq!((answer.status.as_u16(), answer.headers["luna-error"].to_str().unwrap()), (424, "submission_not_named"));
    let booked: Vec<(String, Option<i64>)> =
        sqlx::query_as("SELECT state, used FROM jobs").fetch_all(&world.app.database).await.unwrap();
    assert_eq!(booked, [("settled".to_owned(), Some(70))]);
}
