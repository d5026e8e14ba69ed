//! IonQ: the Quantum Cloud API, versions 0.4 and 0.3. `docs.ionq.com/api-reference/v0.4`; `qiskit-ionq`, `ionq-core` and
//! `cirq-ionq` for what its clients send.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Addresses, in_just_this_way, json_denial, keys, title};
use crate::authentication::UseKey;
use crate::broker::adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Estimate, Operation, Rule};
use crate::domain::{Created, JobKind, JobReference};

/// The versions that clients speak, and that begin their paths.
const VERSIONS: [&str; 2] = ["v0.4", "v0.3"];

/// Most jobs in one request.
const MOST_JOBS: usize = 100;

/// What answers say about the account: members' names, and what stands there instead. Clients want them to be there.
const ACCOUNT: [(&str, Option<&str>); 5] = [
    ("submitter_id", Some(NOBODY)),
    ("organization_id", Some(NOBODY)),
    ("project_id", None),
    ("creator_id", None),
    ("ender_id", None),
];

/// `POST /sessions`, as documented.
const SESSION: &[&str] = &["backend", "project_id", "settings"];
const SETTINGS: &[&str] = &["job_count_limit", "duration_limit_min", "cost_limit"];
const COST_LIMIT: &[&str] = &["unit", "value"];

/// What of a job is looked at.
const JOB_TELLS: &[&str] = &["/status", "/execution_duration_ms", "/execution_time", "/backend", "/target", "/dry_run"];

/// What of a session is looked at.
const SESSION_TELLS: &[&str] = &["/status", "/ended_at"];

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// IonQ's service.
pub struct Ionq {
    /// Where each of [`VERSIONS`] is.
    versions: [String; 2],
    allowed: AllowList,
}

impl Ionq {
    /// At `base_url`, with or without a version at its end.
    #[must_use]
    pub fn new(addresses: &Addresses) -> Self {
        let given = addresses.get("base_url").map_or("https://api.ionq.co", String::as_str).trim_end_matches('/');
        let root = VERSIONS.iter().find_map(|version| given.strip_suffix(version)?.strip_suffix('/')).unwrap_or(given);
        Self { versions: VERSIONS.map(|version| format!("{root}/{version}")), allowed: allowed() }
    }
}

fn allowed() -> AllowList {
    AllowList::new(&[("v0.4", "v0.4"), ("v0.3", "v0.3"), ("", "v0.4")], VERSIONS.into_iter().flat_map(rules).collect())
}

fn rules(version: &'static str) -> Vec<Rule> {
    let get = |path, name| Rule::new(Method::GET, version, path, name);
    let post = |path, name| Rule::new(Method::POST, version, path, name);
    let put = |path, name| Rule::new(Method::PUT, version, path, name);
    let delete = |path, name| Rule::new(Method::DELETE, version, path, name);
    let mut rules = vec![
        get("backends", "backends:list").anonymously(),
        get("backends/{backend}", "backends:read").anonymously(),
        get("jobs/estimate", "jobs:estimate"),
        post("jobs", "jobs:submit").submits(JobKind::Job),
        post("jobs/{job}/clone", "jobs:clone").submits(JobKind::Job),
        get("jobs", "jobs:list").lists("/jobs", "/id", &[]),
        get("jobs/{job}", "jobs:read").changes_answer(),
        get("jobs/{job}/cost", "jobs:cost"),
        get("jobs/{job}/results", "jobs:results"),
        get("jobs/{job}/results/{format}", "jobs:results"),
        get("jobs/{job}/results/{format}/{form}", "jobs:results"),
        get("jobs/{job}/artifacts/{artifact}", "jobs:results"),
        put("jobs/{job}/status/cancel", "jobs:cancel").cancels(),
        put("jobs/status/cancel", "jobs:cancel").reads_request().cancels(),
        delete("jobs/{job}", "jobs:delete").destroys(),
        delete("jobs", "jobs:delete").reads_request().destroys(),
    ];
    match version {
        "v0.3" => rules.extend([
            get("characterizations/backends/{backend}", "characterizations:list"),
            get("characterizations/backends/{backend}/current", "characterizations:read"),
            get("characterizations/{characterization}", "characterizations:read"),
        ]),
        _ => rules.extend([
            get("backends/{backend}/characterizations", "characterizations:list"),
            get("backends/{backend}/characterizations/{characterization}", "characterizations:read"),
            get("schemas/formats/{format}", "formats:read"),
            post("sessions", "sessions:create").submits(JobKind::Session),
            get("sessions", "sessions:list").lists("/sessions", "/id", &[]).of(JobKind::Session),
            get("sessions/{session}", "sessions:read").changes_answer(),
            get("sessions/{session}/jobs", "sessions:jobs").lists("/jobs", "/id", &[]),
            post("sessions/{session}/end", "sessions:end").changes_answer(),
        ]),
    }
    rules
}

impl Adapter for Ionq {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        keys::first(head, &[head.authorization("apikey")])
    }

    fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        let mut operation = self.allowed.operation(head)?;
        if operation.rule.list.is_some() {
            operation.jobs.extend(head.parameters().filter_map(|(name, value)| match &*name {
                "ids" | "ids[]" | "parent_job_id" => Some(JobReference::job(value)),
                "session_id" => Some(JobReference::session(value)),
                _ => None,
            }));
        }
        Some(operation)
    }

    fn prepare(&self, operation: &mut Operation, _: &Caller, content: &mut Content) -> Result<(), Denial> {
        match &*operation.rule.name {
            "jobs:submit" | "jobs:clone" => {
                let body = content.json()?;
                own_project(&body)?;
                in_just_this_way(&body, &["session_id", "project_id", "parent", "parent_job_id", "dry_run"])?;
                match body.get("session_id") {
                    None | Some(Value::Null) => {}
                    Some(Value::String(id)) => drop(operation.jobs.insert(JobReference::session(id.as_str()))),
                    Some(_) => return Err(Denial::bad_request("session_id must be a session's id")),
                }
                // A job below another one would be taken for a part of it, which is paid with the whole.
                if ["parent", "parent_job_id"].into_iter().filter_map(|member| body.get(member)).any(|of| !of.is_null())
                {
                    return Err(refused("a job cannot be submitted as part of another one"));
                }
                let submits = operation.rule.name == "jobs:submit";
                let nothing = submits && body.get("dry_run") == Some(&Value::Bool(true));
                operation.estimates = vec![if nothing { Estimate::Known(0) } else { Estimate::Unknown }];
            }
            "sessions:create" => {
                session(&content.json()?)?;
                // What runs in it is counted by itself.
                operation.estimates = vec![Estimate::Known(0)];
            }
            "jobs:cancel" | "jobs:delete" if operation.jobs.is_empty() => {
                let body = content.json()?;
                let ids: Option<Vec<&str>> =
                    body.get("ids").and_then(Value::as_array).and_then(|ids| ids.iter().map(Value::as_str).collect());
                let ids = ids.filter(|ids| (1..=MOST_JOBS).contains(&ids.len()));
                let ids = ids.ok_or_else(|| Denial::bad_request("`ids` must be a list of 1 to 100 job ids"))?;
                operation.jobs.extend(ids.iter().copied().map(JobReference::job));
                content.replace(&json!({"ids": ids}));
            }
            _ => {}
        }
        Ok(())
    }

    fn base(&self, operation: &Operation) -> &str {
        let version = VERSIONS.iter().position(|version| operation.rule.upstream == *version);
        &self.versions[version.unwrap_or_default()]
    }

    fn inject(&self, _: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        let mut key = HeaderValue::from_str(&format!("apiKey {}", secrets.credential.get("token")?)).ok()?;
        key.set_sensitive(true);
        outgoing.headers.insert(header::AUTHORIZATION, key);
        Some(())
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        let mut learned = Learned { gone: status == StatusCode::NOT_FOUND, ..Learned::default() };
        if !status.is_success() {
            return learned;
        }
        match &*operation.rule.name {
            "jobs:submit" | "jobs:clone" | "sessions:create" => {
                learned.created = vec![Created::with(answer["id"].as_str())];
            }
            "jobs:read" => {
                if let Some(id) = operation.job_ids().next() {
                    let job = JobReference::job(id);
                    learned.used = used(answer).map(|milliseconds| (job.clone(), milliseconds)).into_iter().collect();
                    learned.parts = children(answer).map(|children| (job, children));
                }
            }
            "sessions:read" | "sessions:end" if !answer["ended_at"].is_null() || answer["status"] == "ended" => {
                learned.used = operation.jobs.iter().map(|session| (session.clone(), 0)).collect();
            }
            _ => {}
        }
        learned.changed = conceal(answer);
        for list in ["jobs", "sessions"] {
            for item in answer.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                learned.changed |= conceal(item);
            }
        }
        learned
    }

    fn settle(&self, job: &JobReference, place: &str) -> Option<Operation> {
        let get = |path, name| Rule::new(Method::GET, VERSIONS[0], path, name);
        let (rule, target) = match job.kind {
            JobKind::Job => (get("jobs/{job}", "jobs:read").meters(JOB_TELLS), format!("jobs/{}", job.id)),
            JobKind::Session => {
                (get("sessions/{session}", "sessions:read").meters(SESSION_TELLS), format!("sessions/{}", job.id))
            }
            JobKind::Upload | JobKind::Lease => return None,
        };
        let mut operation = Operation::own(rule, target, place);
        operation.jobs.insert(job.clone());
        Some(operation)
    }

    fn deny(&self, _: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        let (status, error) = (denial.status.as_u16(), title(denial.status));
        json_denial(denial, &json!({"statusCode": status, "error": error, "message": denial.message}))
    }

    fn addresses(&self) -> Vec<(String, String)> {
        self.versions.iter().cloned().zip(VERSIONS.map(ToOwned::to_owned)).collect()
    }
}

fn refused(message: &str) -> Denial {
    Denial::new(StatusCode::FORBIDDEN, "operation_not_allowed", message)
}

fn own_project(body: &Value) -> Result<(), Denial> {
    if body.get("project_id").is_none_or(Value::is_null) {
        return Ok(());
    }
    Err(refused("the project is the one that the organization's token belongs to; leave project_id out"))
}

/// Checks what a session is made of: what is documented, and nothing else.
fn session(body: &Value) -> Result<(), Denial> {
    own_project(body)?;
    let only = |value: &Value, known: &[&str]| {
        let members =
            value.as_object().ok_or_else(|| Denial::bad_request("a session and its settings are JSON objects"))?;
        let unknown = members.keys().find(|name| !known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(refused(&format!("{name:?} of a session is not available here"))))
    };
    only(body, SESSION)?;
    let Some(settings) = body.get("settings").filter(|settings| !settings.is_null()) else { return Ok(()) };
    only(settings, SETTINGS)?;
    match settings.get("cost_limit").filter(|limit| !limit.is_null()) {
        Some(limit) => only(limit, COST_LIMIT),
        None => Ok(()),
    }
}

/// What a job has used, in milliseconds of execution, if it is over and says so.
fn used(job: &Value) -> Option<i64> {
    let time = ["execution_duration_ms", "execution_time"].iter().find_map(|member| job.get(member)?.as_f64());
    // Far below 2^53 for centuries of execution.
    #[expect(clippy::cast_possible_truncation, reason = "whole, finite and bounded")]
    let time = time.map(f64::ceil).filter(|time| (0.0..9e15).contains(time)).map(|time| time as i64);
    let simulated =
        ["backend", "target"].iter().any(|member| job[member].as_str().is_some_and(|b| b.starts_with("simulator")));
    match job["status"].as_str()? {
        "completed" if simulated || job["dry_run"] == true => Some(time.unwrap_or_default()),
        "completed" => time,
        "canceled" | "failed" => Some(time.unwrap_or_default()),
        _ => None,
    }
}

/// The jobs that a job with several circuits consists of; their time is part of its own.
fn children(job: &Value) -> Option<Vec<JobReference>> {
    let ids = ["child_job_ids", "children"].iter().find_map(|member| job.get(member)?.as_array())?;
    let children: Vec<_> = ids.iter().filter_map(Value::as_str).map(JobReference::job).collect();
    (!children.is_empty()).then_some(children)
}

/// Takes what tells of the account out of an object; answers whether there was something.
fn conceal(object: &mut Value) -> bool {
    let Some(object) = object.as_object_mut() else { return false };
    let mut changed = false;
    for (member, instead) in ACCOUNT {
        if let Some(value) = object.get_mut(member) {
            *value = instead.into();
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_from_the_client() {
        for given in
            ["https://api.ionq.co", "https://api.ionq.co/", "https://api.ionq.co/v0.4", "https://api.ionq.co/v0.3/"]
        {
            let ionq = Ionq::new(&Addresses::from([("base_url", given.to_owned())]));
            assert_eq!(ionq.versions, ["https://api.ionq.co/v0.4", "https://api.ionq.co/v0.3"], "{given}");
        }
    }

    #[test]
    fn a_job_is_booked_when_it_is_over() {
        let used = |status: &str, member: &str, time: Value| used(&json!({"status": status, member: time}));
        assert_eq!(used("completed", "execution_duration_ms", json!(1200)), Some(1200));
        assert_eq!(used("completed", "execution_time", json!(7.2)), Some(8));
        assert_eq!(used("completed", "execution_duration_ms", Value::Null), None);
        assert_eq!(used("canceled", "execution_duration_ms", Value::Null), Some(0));
        assert_eq!(used("failed", "execution_duration_ms", json!(3)), Some(3));
        assert_eq!(used("started", "execution_duration_ms", json!(3)), None);
    }
}
