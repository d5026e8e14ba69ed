//! Amazon Braket, with the parts of S3 and STS that its clients need. “Amazon Braket API Reference” and “Amazon S3 API Reference”,
//! `docs.aws.amazon.com`; boto3 and the Amazon Braket SDK for what clients send.
//!
//! The member's key comes as session token; access key and secret are anything. What a request is signed for tells the service
//! and the region. Path and query are made anew from what was checked, and the request is signed when all else is ready.

mod credential;
mod denials;
mod identity;
mod results;
mod scope;
mod signature;
mod tasks;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderName, Method, Response, StatusCode};
use serde_json::Value;

use super::{Addresses, base, keys};
use crate::authentication::UseKey;
use crate::broker::adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Operation, Rule};
use crate::domain::{Clock, Created, JobKind, JobReference};
use crate::vault::OpenedCredential;
use credential::Account;
use results::Bucket;
use scope::{REGIONS, Scope, Service, encoded, encoded_key};
use signature::Purpose;

const KEY: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Parameters of `ListObjectsV2` that may be there; not `fetch-owner`, which tells the account.
const LIST: [&str; 7] =
    ["continuation-token", "delimiter", "encoding-type", "list-type", "max-keys", "prefix", "start-after"];

/// Amazon Braket.
pub struct Braket {
    regions: Vec<Region>,
    /// The results bucket, where the credential names none.
    results_bucket: Option<String>,
    allowed: AllowList,
    clock: Clock,
}

struct Region {
    name: &'static str,
    braket: String,
    s3: String,
}

impl Braket {
    /// At `braket_url` and `s3_url`, by default each region's; with results in `results_bucket`, in which `{region}` stands for the
    /// region, unless the credential names another bucket. STS is never asked.
    #[must_use]
    pub fn new(addresses: &Addresses) -> Self {
        let region = |name| Region {
            name,
            braket: base(addresses, "braket_url", &format!("https://braket.{name}.amazonaws.com"), ""),
            s3: base(addresses, "s3_url", &format!("https://s3.{name}.amazonaws.com"), ""),
        };
        let results_bucket = addresses.get("results_bucket").cloned();
        Self {
            regions: REGIONS.into_iter().map(region).collect(),
            results_bucket,
            allowed: allowed(),
            clock: Clock::default(),
        }
    }

    fn region(&self, place: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == place)
    }

    /// The results bucket of a region: as the credential says, or else the operator.
    fn bucket(&self, account: Option<&Account<'_>>, region: &str) -> Option<Bucket> {
        let own = account.and_then(|account| account.results_bucket);
        Bucket::new(own.or(self.results_bucket.as_deref())?, region)
    }
}

fn allowed() -> AllowList {
    let braket = |method, path, name| Rule::new(method, "braket", path, name).reads_request();
    let s3 = |method, path, name| Rule::new(method, "s3", path, name).reads_request();
    AllowList::new(
        &[("braket", "braket"), ("s3", "s3"), ("sts", "sts")],
        vec![
            braket(Method::POST, "devices", "devices:list"),
            braket(Method::GET, "device/{device}", "devices:read"),
            braket(Method::POST, "quantum-task", "tasks:submit").submits(JobKind::Job),
            braket(Method::POST, "quantum-tasks", "tasks:list").lists("/quantumTasks", "/quantumTaskArn", &[]),
            braket(Method::GET, "quantum-task/{job}", "tasks:read").meters(tasks::TELLS),
            braket(Method::PUT, "quantum-task/{job}/cancel", "tasks:cancel").cancels(),
            // The results are the devices', which have never seen the credential.
            s3(Method::GET, "{bucket}/{object}", "results:read").can_be_had_in_parts(),
            s3(Method::HEAD, "{bucket}/{object}", "results:read").can_be_had_in_parts(),
            s3(Method::GET, "{bucket}", "results:list"),
            s3(Method::HEAD, "{bucket}", "results:bucket"),
            // It is there; the SDK only makes sure.
            s3(Method::PUT, "{bucket}", "results:bucket").here(),
            Rule::new(Method::POST, "sts", "", "identity:read").here(),
        ],
    )
}

impl Adapter for Braket {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        keys::first(head, &[head.header(KEY)])
    }

    fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        let Scope { region, service } = Scope::of(head)?;
        let below = service.below(head.path)?;
        // A key has many segments, in a rule it is one.
        let path = if service == Service::S3 { scope::as_two_segments(below) } else { below.into() };
        let path = format!("{}/{path}", service.name());
        let Head { method, headers, .. } = *head;
        let mut operation = self.allowed.operation(&Head { method, path: &path, query: None, headers })?;
        let (query, parameters) = match &*operation.rule.name {
            "tasks:read" => scope::query(head, &["additionalAttributeNames"], &["additionalAttributeNames"]),
            "results:read" => scope::query(head, &["partNumber"], &[]),
            "results:list" => scope::query(head, &LIST, &[]),
            _ => scope::query(head, &[], &[]),
        }?;
        if operation.rule.name == "results:list" {
            let is_second = |(name, value): &(String, String)| name == "list-type" && value == "2";
            parameters.iter().find(|parameter| is_second(parameter))?;
            operation.captures.extend(parameters.into_iter().filter(|(name, _)| name == "prefix"));
        }
        operation.jobs.extend(results::task(&operation));
        operation.target = match service {
            // Without the bucket: which one it is, the credential tells.
            Service::S3 => operation.capture("object").map(encoded_key).unwrap_or_default() + &query,
            Service::Braket => target(&operation)? + &query,
            Service::Sts => String::new(),
        };
        // A task is where it was submitted, whatever the client has in mind.
        if operation.jobs.is_empty() {
            region.clone_into(&mut operation.place);
        }
        Some(operation)
    }

    fn prepare(&self, operation: &mut Operation, caller: &Caller, content: &mut Content) -> Result<(), Denial> {
        if matches!(operation.rule.method, Method::GET | Method::HEAD) && !content.decoded()?.is_empty() {
            return Err(Denial::bad_request("a request that reads has no content"));
        }
        match &*operation.rule.name {
            "tasks:submit" => tasks::prepare(operation, caller, content),
            _ => results::check(operation, caller),
        }
    }

    fn answer_here(
        &self,
        operation: &Operation,
        caller: &Caller,
        content: &Content,
    ) -> Result<Response<Bytes>, Denial> {
        match operation.capture("bucket") {
            Some(named) => {
                let bucket = self.bucket(None, &operation.place);
                results::created(named, bucket.as_ref(), &operation.place)
            }
            None => identity::answered(caller, content),
        }
    }

    fn base(&self, operation: &Operation) -> &str {
        let region = self.region(&operation.place).or(self.regions.first());
        region.map_or("", |region| if operation.rule.upstream == "s3" { &region.s3 } else { &region.braket })
    }

    fn passes(&self) -> &'static [&'static str] {
        &["x-amz-checksum-mode"]
    }

    fn returns(&self) -> &'static [&'static str] {
        // A checksum is of what was in the bucket. Should anything have been removed on the way, it must not fit.
        &[
            "x-amz-bucket-region",
            "x-amz-checksum-crc32",
            "x-amz-checksum-crc32c",
            "x-amz-checksum-crc64nvme",
            "x-amz-checksum-sha1",
            "x-amz-checksum-sha256",
            "x-amz-checksum-type",
            "x-amz-id-2",
            "x-amz-mp-parts-count",
            "x-amz-request-id",
            "x-amzn-errortype",
            "x-amzn-requestid",
        ]
    }

    fn is_secret(&self, field: &str) -> bool {
        field != "results_bucket"
    }

    fn secrets<'a>(&self, credential: &'a OpenedCredential) -> Vec<&'a str> {
        let secret = credential.fields().filter(|(field, _)| self.is_secret(field));
        secret.flat_map(|(field, value)| credential::secrets(field, value)).collect()
    }

    fn unfit(&self) -> &'static str {
        "the request names another bucket than the one for results, or the stored credential does not fit, which an admin of the \
         organization can replace: it needs access_key_id and secret_access_key, or a token such as \
         ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN], and the name of a results_bucket"
    }

    /// AWS says 403, and whose key it is: “User: `arn:aws:iam::ACCOUNT:user/NAME` is not authorized to perform …”.
    fn is_refusal(&self, status: StatusCode) -> bool {
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    fn inject(&self, operation: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        let account = Account::of(secrets.credential)?;
        let region = self.region(&operation.place)?;
        match &*operation.rule.upstream {
            "s3" => {
                let bucket = self.bucket(Some(&account), region.name)?;
                if !bucket.is_meant_by(operation.capture("bucket")?) {
                    return None;
                }
                let slash = if operation.capture("object").is_some() { "/" } else { "" };
                outgoing.url = format!("{}/{}{slash}{}", region.s3, bucket.real, operation.target);
            }
            "braket" if operation.rule.name == "tasks:submit" => {
                let bucket = self.bucket(Some(&account), region.name)?;
                let task = tasks::with_bucket(outgoing.body.as_deref()?, &bucket)?;
                outgoing.body = Some(task.to_string().into());
            }
            _ => {}
        }
        let time = SystemTime::from(self.clock.now());
        let purpose = Purpose { service: &operation.rule.upstream, region: region.name, time };
        signature::signed(outgoing, &account, purpose)
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        let mut learned = Learned { gone: status == StatusCode::NOT_FOUND, ..Learned::default() };
        if !status.is_success() {
            return learned;
        }
        match &*operation.rule.name {
            "tasks:submit" => {
                let task = answer.get("quantumTaskArn").and_then(Value::as_str);
                learned.created = vec![Created::with(task)];
                learned.parts = task.and_then(|task| Some((JobReference::job(task), vec![results::folder(task)?])));
            }
            // A list tells less: not how many shots have succeeded.
            "tasks:read" => {
                let used = operation.job_ids().next().map(JobReference::job).zip(tasks::used(answer));
                learned.used.extend(used);
            }
            _ => {}
        }
        learned
    }

    fn settle(&self, job: &JobReference, place: &str) -> Option<Operation> {
        let rule = Rule::new(Method::GET, "braket", "quantum-task/{job}", "tasks:read").meters(tasks::TELLS);
        let mut operation = Operation::own(rule, format!("quantum-task/{}", encoded(&job.id)), place);
        operation.jobs.insert(job.clone());
        (job.kind == JobKind::Job).then_some(operation)
    }

    fn deny(&self, head: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        denials::denied(Service::of(head), denial)
    }

    fn addresses(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// The path of a rule of Braket's with what the request names. Names are ARNs, each one segment.
fn target(operation: &Operation) -> Option<String> {
    let mut segments = Vec::new();
    for wanted in operation.rule.path.split('/') {
        let named = match wanted {
            "{job}" => operation.job_ids().next()?,
            "{device}" => operation.capture("device")?,
            literal => {
                segments.push(literal.to_owned());
                continue;
            }
        };
        segments.push(named.starts_with("arn:aws:braket:").then(|| encoded(named))?);
    }
    Some(segments.join("/"))
}
