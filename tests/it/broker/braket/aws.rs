//! AWS, as far as these tests need it: tasks of one account, which its credential sees all of, and a bucket. Checks signatures by
//! the description, not with the crate that makes them; and gives the credential back wherever it can.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::upstream::{Reply, Seen, Upstream};

pub const KEY_ID: &str = "AKIAREALREALREALREAL";
pub const SECRET: &str = "REAL/SECRET+REAL/SECRET";
pub const BUCKET: &str = "amazon-braket-us-east-1-results";

/// AWS, and what it was asked.
pub struct Aws {
    pub upstream: Upstream,
    account: Arc<Account>,
}

#[derive(Default)]
struct Account {
    /// By ARN: what was submitted.
    tasks: Mutex<BTreeMap<String, Value>>,
    /// `QUEUED` if nothing is said.
    status: Mutex<Option<&'static str>>,
}

impl Aws {
    pub async fn start() -> Self {
        let account = Arc::<Account>::default();
        let answering = Arc::clone(&account);
        let upstream = Upstream::start(|_| Reply::silence()).await;
        let host = upstream.address.to_string();
        upstream.script(move |seen| answering.answer(seen, &host));
        Self { upstream, account }
    }

    /// The requests of a method whose path and query begin so.
    pub fn seen(&self, method: &str, begin: &str) -> Vec<Seen> {
        let mut seen = self.upstream.seen();
        seen.retain(|seen| seen.method == method && seen.target.starts_with(begin));
        seen
    }

    /// Says this of every task from now on.
    pub fn is(&self, status: &'static str) {
        *self.account.status.lock().unwrap() = Some(status);
    }
}

impl Account {
    fn answer(&self, seen: &Seen, host: &str) -> Reply {
        let Scope { region, service, .. } = verify(seen, host);
        let headers = format!("content-type: application/json\r\nx-amzn-requestid: 1\r\nx-debug: {SECRET}\r\n");
        let (status, value) = match (service.as_str(), seen.method.as_str()) {
            ("s3", method @ ("GET" | "HEAD")) => {
                let content = format!("content of {}", seen.target);
                let head = format!("{headers}content-length: {}\r\n", content.len());
                let content = if method == "HEAD" { String::new() } else { content };
                return Reply::raw(format!("HTTP/1.1 200 OK\r\n{head}\r\n{content}"));
            }
            ("braket", "POST") if seen.target == "/quantum-task" => self.create(seen, &region),
            ("braket", "POST") if seen.target == "/quantum-tasks" => {
                let tasks = self.tasks.lock().unwrap();
                let row = |arn| json!({"quantumTaskArn": arn, "status": "COMPLETED", "shots": 1});
                let rows: Vec<Value> = tasks.keys().map(row).collect();
                (200, json!({"quantumTasks": rows, "nextToken": null}))
            }
            ("braket", "GET") if seen.target.starts_with("/quantum-task/") => {
                let arn = decoded(&seen.path()["/quantum-task/".len()..]);
                let status = self.status.lock().unwrap().unwrap_or("QUEUED");
                let tasks = self.tasks.lock().unwrap();
                let task = &tasks[&arn];
                let (shots, bucket) = (&task["shots"], &task["outputS3Bucket"]);
                let id = arn.rsplit('/').next().unwrap();
                let directory = format!("{}/{id}", task["outputS3KeyPrefix"].as_str().unwrap());
                let mut view = json!({"quantumTaskArn": arn, "status": status, "shots": shots, "outputS3Bucket": bucket,
                                      "outputS3Directory": directory});
                if status == "COMPLETED" {
                    view["numSuccessfulShots"] = shots.clone();
                }
                (200, view)
            }
            ("braket", "PUT") => (200, json!({"cancellationStatus": "CANCELLING"})),
            ("braket", "GET") if seen.target.contains("Forbidden") => {
                (403, json!({"message": "User: arn:aws:iam::123456789012:user/PRIVATE is not authorized"}))
            }
            _ => (200, json!({"echo": seen.target, "debug": format!("{KEY_ID}:{SECRET}")})),
        };
        Reply::with(status, &headers, value.to_string())
    }

    fn create(&self, seen: &Seen, region: &str) -> (u16, Value) {
        let task = seen.json();
        let mut tasks = self.tasks.lock().unwrap();
        let known =
            tasks.iter().find(|(_, known)| known["clientToken"] == task["clientToken"]).map(|(arn, _)| arn.clone());
        let number = tasks.len();
        let new = format!("arn:aws:braket:{region}:123456789012:quantum-task/id-{number}");
        let arn = known.unwrap_or(new);
        tasks.entry(arn.clone()).or_insert(task);
        (201, json!({"quantumTaskArn": arn}))
    }
}

/// What a request is signed for.
pub struct Scope {
    key_id: String,
    day: String,
    pub region: String,
    service: String,
}

impl Scope {
    pub fn of(seen: &Seen) -> Self {
        let credential = signed(seen, "Credential=");
        let scope: Vec<&str> = credential.split('/').collect();
        let [key_id, day, region, service, "aws4_request"] = scope[..] else { panic!("{credential}") };
        let [key_id, day, region, service] = [key_id, day, region, service].map(ToOwned::to_owned);
        Self { key_id, day, region, service }
    }
}

/// A part of the signature.
fn signed(seen: &Seen, part: &str) -> String {
    seen.header("authorization").split(part).nth(1).unwrap().split(',').next().unwrap().to_owned()
}

/// docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
fn verify(seen: &Seen, host: &str) -> Scope {
    let scope = Scope::of(seen);
    let Scope { key_id, day, region, service } = &scope;
    assert_eq!((key_id.as_str(), seen.header("host").as_str()), (KEY_ID, host));
    let sent = seen.header_names();
    assert!(!sent.iter().any(|name| name == "x-amz-security-token"), "the member's key went on");
    let names = signed(seen, "SignedHeaders=");
    for name in &sent {
        let must = name == "host" || name == "content-type" || name.starts_with("x-amz-");
        assert!(!must || names.split(';').any(|signed| signed == name), "{name} is not signed");
    }
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    let path = if service == "s3" { seen.path().to_owned() } else { seen.path().replace('%', "%25") };
    let mut query: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    query.sort();
    let hash = hex(&Sha256::digest(&seen.body));
    assert!(service != "s3" || seen.header("x-amz-content-sha256") == hash);
    let headers = names.split(';').map(|name| format!("{name}:{}\n", seen.header(name))).collect::<Vec<_>>().concat();
    let canonical = format!("{}\n{path}\n{}\n{headers}\n{names}\n{hash}", seen.method, query.join("&"));
    let canonical = hex(&Sha256::digest(canonical));
    let date = seen.header("x-amz-date");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/aws4_request\n{canonical}");
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, region, service, "aws4_request", &text] {
        key = hmac(&key, part.as_bytes());
    }
    assert_eq!(hex(&key), signed(seen, "Signature="), "{}", seen.line());
    scope
}

/// RFC 2104, for keys of up to a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}
