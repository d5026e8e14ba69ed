//! AWS, as far as these tests need it: tasks of one account, which its credential sees all of, and a bucket. Checks signatures by
//! the description, not with the crate that makes them; and gives the credential back wherever it can.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub const KEY_ID: &str = "AKIAREALREALREALREAL";
pub const SECRET: &str = "REAL/SECRET+REAL/SECRET";
pub const BUCKET: &str = "amazon-braket-us-east-1-results";

/// A request that came in, with a good signature.
#[derive(Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query, raw.
    pub target: String,
    pub service: String,
    pub region: String,
    pub body: String,
}

#[derive(Default)]
pub struct Aws {
    pub seen: Mutex<Vec<Seen>>,
    /// By ARN: what was submitted.
    pub tasks: Mutex<BTreeMap<String, Value>>,
    /// `QUEUED` if nothing is said.
    pub status: Mutex<Option<&'static str>>,
}

impl Aws {
    pub async fn start() -> (Arc<Self>, String) {
        let aws = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let url = format!("http://{host}");
        let answering = Arc::clone(&aws);
        let serve = move |request: Request| {
            let (aws, host) = (Arc::clone(&answering), host.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let target = parts.uri.to_string();
                let (region, service) = verify(parts.method.as_str(), &target, &parts.headers, &body, &host);
                let body = String::from_utf8(body.to_vec()).unwrap();
                let seen = Seen { method: parts.method.to_string(), target, service, region, body };
                aws.seen.lock().unwrap().push(seen.clone());
                let (status, content_type, body) = aws.answer(&seen);
                let response = Response::builder().status(status).header("content-type", content_type);
                response.header("x-amzn-requestid", "1").header("x-debug", SECRET).body(Body::from(body)).unwrap()
            }
        };
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(serve)).await.unwrap() });
        (aws, url)
    }

    fn answer(&self, request: &Seen) -> (u16, &'static str, String) {
        let (status, value) = match (request.service.as_str(), request.method.as_str()) {
            ("s3", "GET" | "HEAD") => return (200, "application/json", format!("content of {}", request.target)),
            ("braket", "POST") if request.target == "/quantum-task" => self.create(request),
            ("braket", "POST") if request.target == "/quantum-tasks" => {
                let tasks = self.tasks.lock().unwrap();
                let rows: Vec<Value> = tasks
                    .iter()
                    .map(|(arn, _)| json!({"quantumTaskArn": arn, "status": "COMPLETED", "shots": 1}))
                    .collect();
                (200, json!({"quantumTasks": rows, "nextToken": null}))
            }
            ("braket", "GET") if request.target.starts_with("/quantum-task/") => {
                let arn = decoded(request.target["/quantum-task/".len()..].split('?').next().unwrap());
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
            ("braket", "GET") if request.target.contains("Forbidden") => {
                (403, json!({"message": "User: arn:aws:iam::123456789012:user/PRIVATE is not authorized"}))
            }
            _ => (200, json!({"echo": request.target, "debug": format!("{KEY_ID}:{SECRET}")})),
        };
        (status, "application/json", value.to_string())
    }

    fn create(&self, request: &Seen) -> (u16, Value) {
        let task: Value = serde_json::from_str(&request.body).unwrap();
        let mut tasks = self.tasks.lock().unwrap();
        let known =
            tasks.iter().find(|(_, known)| known["clientToken"] == task["clientToken"]).map(|(arn, _)| arn.clone());
        let number = tasks.len();
        let new = format!("arn:aws:braket:{}:123456789012:quantum-task/id-{number}", request.region);
        let arn = known.unwrap_or(new);
        tasks.entry(arn.clone()).or_insert(task);
        (201, json!({"quantumTaskArn": arn}))
    }

    /// The requests of a method whose path and query begin so.
    pub fn seen(&self, method: &str, begin: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.method == method && seen.target.starts_with(begin)).cloned().collect()
    }

    pub fn is(&self, status: &'static str) {
        *self.status.lock().unwrap() = Some(status);
    }
}

/// docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
fn verify(method: &str, target: &str, headers: &HeaderMap, body: &[u8], host: &str) -> (String, String) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let between = |text: &str, from: &str| text.split(from).nth(1).unwrap().split(',').next().unwrap().to_owned();
    let authorization = header("authorization");
    let credential = between(authorization, "Credential=");
    let scope: Vec<&str> = credential.split('/').collect();
    let [key_id, day, region, service, "aws4_request"] = scope[..] else { panic!("{authorization}") };
    assert_eq!((key_id, header("host")), (KEY_ID, host));
    assert!(headers.get("x-amz-security-token").is_none(), "the member's key went on");
    let names = between(authorization, "SignedHeaders=");
    for name in headers.keys().map(axum::http::HeaderName::as_str) {
        let must = name == "host" || name == "content-type" || name.starts_with("x-amz-");
        assert!(!must || names.split(';').any(|signed| signed == name), "{name} is not signed");
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = if service == "s3" { path.to_owned() } else { path.replace('%', "%25") };
    let mut query: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    query.sort();
    let hash = hex(&Sha256::digest(body));
    assert!(service != "s3" || header("x-amz-content-sha256") == hash);
    let canonical_headers: String = names.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let canonical = format!("{method}\n{path}\n{}\n{canonical_headers}\n{names}\n{hash}", query.join("&"));
    let canonical = hex(&Sha256::digest(canonical));
    let text =
        format!("AWS4-HMAC-SHA256\n{}\n{day}/{region}/{service}/aws4_request\n{canonical}", header("x-amz-date"));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, region, service, "aws4_request", &text] {
        key = hmac(&key, part.as_bytes());
    }
    assert_eq!(hex(&key), between(authorization, "Signature="), "{method} {target}");
    (region.to_owned(), service.to_owned())
}

/// RFC 2104, for keys of up to a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}
