//! Fujitsu Digital Annealer: the asynchronous QUBO API of its generations 4 (`v4`) and 3c (`v3c`). Fixstars Amplify for what
//! its client sends.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{Addresses, json_denial, keys, title};
use crate::authentication::UseKey;
use crate::broker::adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Operation, Rule};
use crate::domain::{Created, JobKind, JobReference};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-access-token");

/// The generations' parts of the API. A job stays in the one that it was submitted to.
const GENERATIONS: [&str; 2] = ["v4", "v3c"];

/// What of a result is looked at.
const TELLS: &[&str] = &["/status", SOLVE_TIME];

const SOLVE_TIME: &str = "/qubo_solution/timing/solve_time";

/// Fujitsu's service.
pub struct Fujitsu {
    base: String,
    allowed: AllowList,
}

impl Fujitsu {
    /// At `base_url`, which goes up to what is in front of `/v4`.
    #[must_use]
    pub fn new(addresses: &Addresses) -> Self {
        let base = addresses.get("base_url").map_or("https://api.aispf.global.fujitsu.com/da", String::as_str);
        Self { base: base.trim_end_matches('/').to_owned(), allowed: allowed() }
    }
}

fn allowed() -> AllowList {
    let rule = |method, path: String, name| Rule::new(method, "da", path, name);
    let mut rules = vec![rule(Method::GET, "v1/healthcheck".to_owned(), "health:read")];
    for generation in GENERATIONS {
        let at = |path| format!("{generation}/async/{path}");
        rules.extend([
            // Problems are large, and nothing in them needs to be known.
            rule(Method::POST, at("qubo/solve"), "jobs:submit").submits(JobKind::Job).passes_request(),
            rule(Method::GET, at("jobs"), "jobs:list").lists("/job_status_list", "/job_id", &[]),
            rule(Method::GET, at("jobs/result/{job}"), "jobs:result").meters(TELLS),
            // Gives the result of a job that is done, and forgets both: it is booked before the client has it. While the job
            // is on its way, this only tells how far it is; the client polls so.
            rule(Method::DELETE, at("jobs/result/{job}"), "jobs:take").meters(TELLS),
            rule(Method::POST, at("jobs/cancel"), "jobs:cancel").reads_request().cancels(),
        ]);
    }
    AllowList::new(&[("da", "da"), ("", "da")], rules)
}

/// The generation that a request is for.
fn generation(operation: &Operation) -> &'static str {
    let prefix = operation.rule.path.split('/').next();
    GENERATIONS.into_iter().find(|generation| prefix == Some(generation)).unwrap_or(GENERATIONS[0])
}

impl Adapter for Fujitsu {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        if head.headers.contains_key(ACCESS_TOKEN) {
            return Some(Err(Denial::bad_request(
                "X-Access-Token is not taken here: use X-Api-Key, with a Luna API key",
            )));
        }
        keys::first(head, &[head.header(API_KEY)])
    }

    fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        let mut operation = self.allowed.operation(head)?;
        generation(&operation).clone_into(&mut operation.place);
        Some(operation)
    }

    fn prepare(&self, operation: &mut Operation, _: &Caller, content: &mut Content) -> Result<(), Denial> {
        if operation.rule.name == "jobs:cancel" {
            let body = content.json()?;
            let job = body["job_id"].as_str().ok_or_else(|| Denial::bad_request("`job_id` must be the id of a job"))?;
            operation.jobs.insert(JobReference::job(job));
            content.replace(&json!({"job_id": job}));
        }
        Ok(())
    }

    fn base(&self, _: &Operation) -> &str {
        &self.base
    }

    fn passes(&self) -> &'static [&'static str] {
        // The caller's own storage, for problems and results that are large.
        &["x-blob-sas-token", "x-storage-account-name"]
    }

    fn inject(&self, _: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        let mut key = HeaderValue::from_str(secrets.credential.get("token")?).ok()?;
        key.set_sensitive(true);
        outgoing.headers.insert(API_KEY, key);
        Some(())
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        let mut learned = Learned { gone: status == StatusCode::NOT_FOUND, ..Learned::default() };
        if !status.is_success() {
            return learned;
        }
        match &*operation.rule.name {
            "jobs:submit" => learned.created = vec![Created::with(answer["job_id"].as_str())],
            "jobs:result" | "jobs:take" => {
                let used = used(answer).zip(operation.job_ids().next());
                learned.used =
                    used.map(|(milliseconds, id)| (JobReference::job(id), milliseconds)).into_iter().collect();
            }
            _ => {}
        }
        learned
    }

    fn settle(&self, job: &JobReference, place: &str) -> Option<Operation> {
        let generation = GENERATIONS.into_iter().find(|generation| *generation == place).unwrap_or(GENERATIONS[0]);
        let path = format!("{generation}/async/jobs/result");
        let rule = Rule::new(Method::GET, "da", format!("{path}/{{job}}"), "jobs:result").meters(TELLS);
        let mut operation = Operation::own(rule, format!("{path}/{}", job.id), place);
        operation.jobs.insert(job.clone());
        (job.kind == JobKind::Job).then_some(operation)
    }

    fn deny(&self, _: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        let (status, title) = (denial.status.as_u16(), title(denial.status));
        json_denial(denial, &json!({"error": {"code": status, "title": title, "message": denial.message}}))
    }

    fn addresses(&self) -> Vec<(String, String)> {
        vec![(self.base.clone(), "da".to_owned())]
    }
}

/// What a job has used, in milliseconds of solve time, if it is over and says so. (The time is written as text.)
fn used(result: &Value) -> Option<i64> {
    let time = result.pointer(SOLVE_TIME).and_then(|time| match time {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        time => time.as_f64(),
    });
    // Far below 2^53 for centuries of solving.
    #[expect(clippy::cast_possible_truncation, reason = "whole, finite and bounded")]
    let time = time.map(f64::ceil).filter(|time| (0.0..9e15).contains(time)).map(|time| time as i64);
    match result["status"].as_str()? {
        "Done" => time,
        "Deleted" | "Canceled" | "Error" => Some(time.unwrap_or_default()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_booked_however_it_is_read() {
        let result = |status: &str, time: Value| {
            used(&json!({"status": status, "qubo_solution": {"timing": {"solve_time": time}}}))
        };
        assert_eq!(result("Done", json!("1234")), Some(1234));
        assert_eq!(result("Deleted", json!("1234.2")), Some(1235));
        assert_eq!(result("Deleted", json!(7)), Some(7));
        assert_eq!(result("Running", json!("1")), None);
        assert_eq!(result("Done", json!("NaN")), None);
        assert_eq!(used(&json!({"status": "Canceled"})), Some(0));
        assert_eq!(used(&json!({"status": "Waiting"})), None);
    }
}
