//! D-Wave: the Solver API (SAPI, version 2) and the list of regions. `docs.dwavequantum.com`, “SAPI REST Developer Guide”;
//! `dwave-cloud-client` for what its clients send.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Addresses, base, in_just_this_way, json_denial, keys};
use crate::authentication::UseKey;
use crate::broker::adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
use crate::broker::address::below;
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Estimate, Operation, Rule};
use crate::domain::{Created, JobKind, JobReference};

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Most problems in one submission. (The client sends up to 20.)
const MOST_PROBLEMS: usize = 100;

/// What of a problem is looked at. Its answer has solutions in it, which are long.
const TELLS: &[&str] = &["/id", "/status", "/metadata/status", "/answer/timing", "/answer/data/info"];

/// D-Wave's service.
pub struct Dwave {
    sapi: String,
    metadata: String,
    allowed: AllowList,
}

impl Dwave {
    /// At `base_url`, by default North America's, and `metadata_url`.
    #[must_use]
    pub fn new(addresses: &Addresses) -> Self {
        let sapi = base(addresses, "base_url", "https://na-west-1.cloud.dwavesys.com", "/sapi/v2");
        let sapi = if sapi.ends_with("/sapi") { sapi + "/v2" } else { sapi };
        let metadata = base(addresses, "metadata_url", "https://cloud.dwavesys.com", "/metadata/v1");
        Self { sapi, metadata, allowed: allowed() }
    }
}

fn allowed() -> AllowList {
    let get = |path, name| Rule::new(Method::GET, "sapi", path, name);
    let post = |path, name| Rule::new(Method::POST, "sapi", path, name);
    AllowList::new(
        &[("sapi/v2", "sapi"), ("metadata/v1", "metadata"), ("sapi", "sapi"), ("", "sapi")],
        vec![
            get("solvers/remote", "solvers:list"),
            get("solvers/remote/{solver}", "solvers:read"),
            post("problems", "problems:submit").submits(JobKind::Job),
            get("problems", "problems:list").lists("", "/id", &[]),
            Rule::new(Method::DELETE, "sapi", "problems", "problems:cancel").reads_request().cancels(),
            // An answer may say where its data is; the client takes its token there.
            get("problems/{job}", "problems:read").changes_answer(),
            Rule::new(Method::DELETE, "sapi", "problems/{job}", "problems:cancel").cancels(),
            get("problems/{job}/answer", "problems:answer").changes_answer(),
            get("problems/{job}/answer/data", "problems:answer"),
            get("problems/{job}/messages", "problems:messages"),
            // The answer has the token in `metadata.submitted_by`, in full or in part.
            get("problems/{job}/info", "problems:info").changes_answer(),
            post("bqm/multipart", "uploads:create").submits(JobKind::Upload),
            get("bqm/multipart/{upload}/status", "uploads:read"),
            Rule::new(Method::PUT, "sapi", "bqm/multipart/{upload}/part/{part}", "uploads:write").passes_request(),
            post("bqm/multipart/{upload}/combine", "uploads:combine").passes_request(),
            Rule::new(Method::GET, "metadata", "regions", "regions:list").changes_answer(),
            Rule::new(Method::GET, "metadata", "regions/{region}", "regions:read").changes_answer(),
        ],
    )
}

impl Adapter for Dwave {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        keys::first(head, &[head.header(TOKEN), head.authorization("bearer")])
    }

    fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        let mut operation = self.allowed.operation(head)?;
        if operation.rule.name == "problems:list" {
            let ids = head.parameters().filter(|(name, _)| name == "id");
            let ids: Vec<JobReference> =
                ids.flat_map(|(_, ids)| ids.split(',').map(JobReference::job).collect::<Vec<_>>()).collect();
            operation.jobs.extend(ids);
        }
        Some(operation)
    }

    fn prepare(&self, operation: &mut Operation, _: &Caller, content: &mut Content) -> Result<(), Denial> {
        let body = content.json()?;
        match (&*operation.rule.name, &body) {
            ("problems:submit", Value::Array(problems)) if problems.len() > MOST_PROBLEMS => {
                return Err(Denial::bad_request("too many problems at once"));
            }
            ("problems:submit", Value::Array(problems)) => {
                operation.estimates = vec![Estimate::Unknown; problems.len()];
                for problem in problems {
                    operation.jobs.extend(upload(problem)?);
                }
            }
            ("problems:submit", problem) => operation.jobs.extend(upload(problem)?),
            ("problems:cancel", Value::Array(ids)) if ids.iter().all(Value::is_string) => {
                operation.jobs.extend(ids.iter().filter_map(Value::as_str).map(JobReference::job));
            }
            ("problems:cancel", _) => return Err(Denial::bad_request("a list of problem ids is needed")),
            _ => {}
        }
        Ok(())
    }

    fn base(&self, operation: &Operation) -> &str {
        if operation.rule.upstream == "metadata" { &self.metadata } else { &self.sapi }
    }

    fn passes(&self) -> &'static [&'static str] {
        &["content-md5"]
    }

    fn inject(&self, operation: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        // The list of regions is public.
        if operation.rule.upstream == "sapi" {
            let mut token = HeaderValue::from_str(secrets.credential.get("token")?).ok()?;
            token.set_sensitive(true);
            outgoing.headers.insert(TOKEN, token);
        }
        let any = HeaderValue::from_static("application/vnd.dwave.sapi.problem+json; version=3.0.0");
        outgoing.headers.entry(header::ACCEPT).or_insert(any);
        Some(())
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        let mut learned = Learned { gone: status == StatusCode::NOT_FOUND, ..Learned::default() };
        if !status.is_success() {
            return learned;
        }
        if operation.rule.name.starts_with("problems:") {
            let problems = match &mut *answer {
                Value::Array(problems) => problems.as_mut_slice(),
                problem => std::slice::from_mut(problem),
            };
            learned.changed = problems.iter_mut().filter_map(|problem| keep_here(problem, operation)).count() > 0;
        }
        match &*operation.rule.name {
            "problems:submit" => {
                let problems = answer.as_array().map_or(std::slice::from_ref(&*answer), Vec::as_slice);
                learned.created = problems.iter().map(created).collect();
                learned.used = problems.iter().filter_map(|problem| used(problem, None)).collect();
            }
            "uploads:create" => learned.created = vec![Created::with(answer["id"].as_str())],
            "problems:list" => {
                // An item says how a problem has ended, and seldom what it has used before.
                let timed = answer.as_array().into_iter().flatten().filter(|item| timing(item).is_some());
                learned.used = timed.filter_map(|item| used(item, None)).collect();
            }
            "problems:read" | "problems:answer" => {
                learned.used = used(answer, operation.job_ids().next()).into_iter().collect();
            }
            "problems:info" => {
                learned.used = used(answer, operation.job_ids().next()).into_iter().collect();
                if let Some(metadata) = answer.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("submitted_by".to_owned(), "luna-organizations".into());
                    learned.changed = true;
                }
            }
            "regions:list" => {
                if let Some(regions) = answer.as_array_mut() {
                    regions.retain(|region| is_here(region, operation));
                    learned.changed = true;
                }
            }
            "regions:read" if !is_here(answer, operation) => {
                *answer = json!({"code": answer.get("code"), "name": answer.get("name"), "endpoint": null});
                learned.changed = true;
            }
            _ => {}
        }
        learned
    }

    fn settle(&self, job: &JobReference, place: &str) -> Option<Operation> {
        let rule = Rule::new(Method::GET, "sapi", "problems/{job}", "problems:read").meters(TELLS);
        let mut operation = Operation::own(rule, format!("problems/{}/", job.id), place);
        operation.jobs.insert(job.clone());
        (job.kind == JobKind::Job).then_some(operation)
    }

    fn deny(&self, _: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        // The client wants a number as code.
        json_denial(denial, &json!({"error_code": denial.status.as_u16(), "error_msg": denial.message}))
    }

    fn addresses(&self) -> Vec<(String, String)> {
        vec![(self.sapi.clone(), "sapi/v2".to_owned()), (self.metadata.clone(), "metadata/v1".to_owned())]
    }
}

/// The upload that a problem's data is in, if it is.
fn upload(problem: &Value) -> Result<Option<JobReference>, Denial> {
    in_just_this_way(problem, &["data"])?;
    let Some(data) = problem.get("data") else { return Ok(None) };
    in_just_this_way(data, &["data", "format"])?;
    match (data.get("format"), data.get("data")) {
        (Some(Value::String(format)), Some(Value::String(id))) if format == "ref" => {
            Ok(Some(JobReference::upload(id.as_str())))
        }
        (Some(Value::String(format)), _) if !format.eq_ignore_ascii_case("ref") => Ok(None),
        (None, _) => Ok(None),
        _ => Err(Denial::bad_request("the data of a problem is none that can be understood")),
    }
}

/// What became of one problem of several. One that is not taken has an error in its place.
fn created(problem: &Value) -> Created {
    match problem.get("id") {
        None if problem.get("error_code").is_some() || problem.get("error_msg").is_some() => Created::Refused,
        id => Created::with(id.and_then(Value::as_str)),
    }
}

/// Whether a region is the one that the token's address leads to.
fn is_here(region: &Value, operation: &Operation) -> bool {
    region["endpoint"].as_str().is_some_and(|endpoint| below(&operation.address, "", endpoint).is_some())
}

/// Removes the address of an answer's data if it leads elsewhere; `None` if there was none that did.
fn keep_here(problem: &mut Value, operation: &Operation) -> Option<()> {
    let url = problem.get_mut("answer")?.get_mut("url")?;
    let here =
        url.as_str().is_some_and(|given| below(&operation.address, "", given).is_some_and(|found| found == given));
    (!here).then(|| *url = Value::Null)
}

/// What a problem has used, in nanoseconds of QPU access time, if it is over and says so. The answer's timing is in microseconds.
fn used(problem: &Value, id: Option<&str>) -> Option<(JobReference, i64)> {
    let status = problem.get("status").or_else(|| problem.pointer("/metadata/status")).and_then(Value::as_str);
    let job = JobReference::job(id.or_else(|| problem.get("id")?.as_str())?);
    if matches!(status, Some("CANCELLED" | "FAILED")) {
        return Some((job, timing(problem).unwrap_or_default()));
    }
    // `/answer` comes without a status: it is there once the problem is solved.
    matches!(status, None | Some("COMPLETED")).then(|| timing(problem)).flatten().map(|nanoseconds| (job, nanoseconds))
}

fn timing(problem: &Value) -> Option<i64> {
    let answer = problem.get("answer")?;
    let timing = answer.get("timing").or_else(|| answer.pointer("/data/info"))?;
    match timing.get("qpu_access_time") {
        Some(time) => {
            let nanoseconds = (time.as_f64()? * 1e3).round();
            // Far below 2^53 for centuries of access time.
            #[expect(clippy::cast_possible_truncation, reason = "rounded, finite and bounded")]
            (0.0..9e15).contains(&nanoseconds).then_some(nanoseconds as i64)
        }
        // Solved without the QPU.
        None => Some(0),
    }
}
