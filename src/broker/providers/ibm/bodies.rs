//! What members' requests may say. Only members that are known go on: others could name a place to send results to, or
//! somebody else's things.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::broker::adapter::Outgoing;
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::rule::{Estimate, Operation};
use crate::domain::JobReference;

/// `POST /jobs`, as documented. `start_session` would make a session that nobody has asked for.
const JOB: &[&str] = &[
    "program_id",
    "backend",
    "runtime",
    "tags",
    "log_level",
    "cost",
    "session_id",
    "calibration_id",
    "params",
    "private",
];

/// `POST /sessions`.
const SESSION: &[&str] = &["mode", "backend", "instance", "max_ttl", "interactive_ttl", "active_ttl", "accepting_jobs"];

/// Members of a job's options that would make the provider write or call somewhere.
const ELSEWHERE: &[&str] =
    &["remote_storage", "storage", "callback", "callback_url", "webhook", "webhook_url", "service_credentials"];

/// What the client asks the search for; anything else would list the account.
const SEARCH: &str = "service_name:quantum-computing";

/// Checks a request's body, and finds what it names and submits.
pub(super) fn check(operation: &mut Operation, content: &mut Content) -> Result<(), Denial> {
    let body = content.json()?;
    let Value::Object(body) = &body else { return Err(Denial::bad_request("a JSON object is needed")) };
    match &*operation.rule.name {
        "jobs:submit" => job(operation, body),
        "sessions:create" => {
            only(body, SESSION)?;
            // The jobs of a batch are booked by themselves, and it has no time of its own.
            let is_batch = body.get("mode").is_some_and(|mode| mode == "batch");
            let longest = seconds(body, "max_ttl").map_or(Estimate::Unknown, Estimate::Known);
            operation.estimates = vec![if is_batch { Estimate::Known(0) } else { longest }];
            // In plain JSON, for `pin`.
            content.replace(&Value::Object(body.clone()));
            Ok(())
        }
        "sessions:close" if body.len() == 1 && body.get("accepting_jobs") == Some(&Value::Bool(false)) => Ok(()),
        "sessions:close" => Err(Denial::bad_request("a session can be closed, with {\"accepting_jobs\": false}")),
        "jobs:tag" => only(body, &["tags"]),
        "instances:search" => {
            let mut question = json!({
                "query": SEARCH,
                "fields": ["crn", "service_plan_unique_id", "name", "doc", "tags"],
            });
            if let Some(cursor @ Value::String(_)) = body.get("search_cursor") {
                question["search_cursor"] = cursor.clone();
            }
            content.replace(&question);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn job(operation: &mut Operation, body: &Map<String, Value>) -> Result<(), Denial> {
    let starts = |name: &str| body.get(name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    if starts("start_session") {
        return Err(refused("start_session"));
    }
    let rest: Map<String, Value> = body
        .iter()
        .filter(|(name, value)| {
            !matches!(name.as_str(), "start_session" | "session_time") || starts(name) && !value.is_null()
        })
        .map(|(name, _)| (name.clone(), Value::Null))
        .collect();
    only(&rest, JOB)?;
    if let Some(name) = body.get("params").and_then(leads_elsewhere) {
        return Err(refused(name));
    }
    match body.get("runtime") {
        None | Some(Value::Null) => {}
        // One of the provider's own images, not somebody's.
        Some(Value::String(image)) if !image.contains(['/', '@']) => {}
        Some(_) => return Err(refused("runtime")),
    }
    match body.get("session_id") {
        None | Some(Value::Null) => {}
        Some(Value::String(id)) => drop(operation.jobs.insert(JobReference::session(id))),
        Some(_) => return Err(Denial::bad_request("session_id must be a text")),
    }
    // How long the client thinks that it runs.
    operation.estimates = vec![seconds(body, "cost").map_or(Estimate::Unknown, Estimate::Claimed)];
    Ok(())
}

fn seconds(body: &Map<String, Value>, name: &str) -> Option<i64> {
    body.get(name).and_then(Value::as_i64).filter(|seconds| (1..=1_000_000_000).contains(seconds))
}

fn only(body: &Map<String, Value>, known: &[&str]) -> Result<(), Denial> {
    body.keys().find(|name| !known.contains(&name.as_str())).map_or(Ok(()), |name| Err(refused(name)))
}

fn refused(name: &str) -> Denial {
    let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    let message = format!("{name:?} in the request's content is not available through Luna Organizations");
    Denial::new(StatusCode::FORBIDDEN, "operation_not_allowed", message)
}

/// A member that would lead elsewhere, in objects within objects; circuits and data are in arrays.
fn leads_elsewhere(value: &Value) -> Option<&str> {
    value.as_object()?.iter().find_map(|(name, value)| {
        if ELSEWHERE.contains(&name.as_str()) { Some(name.as_str()) } else { leads_elsewhere(value) }
    })
}

/// Writes the instance of the credential over the one that a request's body names.
pub(super) fn pin(operation: &Operation, outgoing: &mut Outgoing) -> Option<()> {
    if operation.rule.name != "sessions:create" {
        return Some(());
    }
    let mut body: Map<String, Value> = serde_json::from_slice(outgoing.body.as_ref()?).ok()?;
    if operation.place.is_empty() {
        body.remove("instance");
    } else if let Some(instance) = body.get_mut("instance") {
        *instance = operation.place.clone().into();
    }
    outgoing.body = Some(Value::Object(body).to_string().into());
    Some(())
}
