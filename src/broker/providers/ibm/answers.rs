//! What IBM's answers tell, and what of them members get to see.

use serde_json::{Map, Value, json};

use crate::broker::adapter::Learned;
use crate::broker::rule::Operation;
use crate::domain::{Created, JobKind, JobReference};

/// Members that say whose account it is.
const WHOSE: &[&str] = &["user_id", "iam_id", "account_id", "user_email", "email", "hub", "group", "project"];

/// What of a job's metrics is looked at.
pub(super) const JOB_TELLS: &[&str] = &["/usage", "/bss/seconds", "/timestamps/finished"];

/// What of a session is looked at.
pub(super) const SESSION_TELLS: &[&str] = &["/state", "/mode", "/elapsed_time"];

/// Reads an answer that was a success, and changes it.
pub(super) fn learn(operation: &Operation, answer: &mut Value) -> Learned {
    let mut learned = Learned::default();
    match &*operation.rule.name {
        "jobs:submit" | "sessions:create" => {
            learned.created = vec![Created::with(id(answer).as_deref())];
            learned.changed = scrub(answer);
        }
        "jobs:list" | "jobs:read" | "sessions:close" => learned.changed = scrub(answer),
        "jobs:metrics" => learned.used.extend(about(operation, JobKind::Job).zip(used_by_job(answer))),
        "sessions:read" => {
            learned.used.extend(about(operation, JobKind::Session).zip(used_by_session(answer)));
            learned.changed = scrub(answer);
        }
        "instances:search" => {
            reduce_search(answer, &operation.place);
            learned.changed = true;
        }
        "plans:read" => {
            *answer = json!({
                "id": answer["id"], "name": answer["name"],
                "overview_ui": {"en": {"display_name": answer["overview_ui"]["en"]["display_name"]}},
                "metadata": {"pricing": {"type": answer["metadata"]["pricing"]["type"]}},
            });
            learned.changed = true;
        }
        "instances:usage" => {
            // The account's figures are not the member's. Whether jobs would wait for more time is.
            *answer = json!({"usage_limit_reached": answer["usage_limit_reached"] == true});
            learned.changed = true;
        }
        _ => {}
    }
    learned
}

fn id(answer: &Value) -> Option<String> {
    answer.get("id")?.as_str().map(ToOwned::to_owned)
}

fn about(operation: &Operation, kind: JobKind) -> Option<JobReference> {
    operation.jobs.iter().find(|job| job.kind == kind).cloned()
}

/// Seconds of QPU time, once they are final (`GET /jobs/{id}/metrics`).
fn used_by_job(metrics: &Value) -> Option<i64> {
    let usage = metrics.get("usage").filter(|usage| !usage.is_null());
    let figure = |name: &str| usage.and_then(|usage| usage.get(name)).and_then(whole_seconds);
    let figures = || {
        let older = || metrics.pointer("/bss/seconds").and_then(whole_seconds);
        ["qpu_charge_time_seconds", "quantum_seconds", "seconds"].into_iter().find_map(figure).or_else(older)
    };
    match usage.and_then(|usage| usage.get("status")).and_then(Value::as_str) {
        Some("pending") => None,
        Some(_) => figures().or(Some(0)),
        // Older versions have no such word: their figures count once the job is over.
        None if metrics.pointer("/timestamps/finished").is_some_and(Value::is_string) => figures().or(Some(0)),
        None => None,
    }
}

/// Seconds for which the QPU was kept, once the session is over (`GET /sessions/{id}`). A batch keeps none: its time is that
/// of its jobs, which are booked by themselves.
fn used_by_session(session: &Value) -> Option<i64> {
    if session.get("state")?.as_str()? != "closed" {
        return None;
    }
    if session.get("mode").is_some_and(|mode| mode == "batch") {
        return Some(0);
    }
    Some(session.get("elapsed_time").and_then(whole_seconds).unwrap_or_default())
}

/// Begun seconds count.
fn whole_seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64()?.ceil();
    // Far below 2^53.
    #[expect(clippy::cast_possible_truncation, reason = "whole, finite and bounded")]
    (0.0..1e12).contains(&seconds).then_some(seconds as i64)
}

/// Removes who has submitted it, from objects and lists of objects. The client's own input stays as it is.
fn scrub(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| scrub(item) | changed),
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, _| !WHOSE.contains(&name.as_str()));
            let own = members.iter_mut().filter(|(name, _)| *name != "params");
            own.fold(false, |changed, (_, value)| scrub(value) | changed) | (members.len() != before)
        }
        _ => false,
    }
}

/// Leaves of the found instances what the client needs; of those, the one that the credential is for, if it is for one.
fn reduce_search(answer: &mut Value, only: &str) {
    let items = answer["items"].as_array().into_iter().flatten();
    let items = items.filter(|item| only.is_empty() || item["crn"] == only).map(|item| {
        let has_backends = item["doc"]["extensions"].as_object().is_some_and(|extensions| !extensions.is_empty());
        let extensions = if has_backends { json!({"available": true}) } else { json!({}) };
        json!({
            "crn": item["crn"], "name": item["name"], "tags": item["tags"],
            "service_plan_unique_id": item["service_plan_unique_id"], "doc": {"extensions": extensions},
        })
    });
    let mut reduced = Map::new();
    reduced.insert("items".to_owned(), items.collect());
    for name in ["limit", "search_cursor"] {
        if let Some(value) = answer.get(name) {
            reduced.insert(name.to_owned(), value.clone());
        }
    }
    *answer = reduced.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_counts_once_it_is_final() {
        let finished = json!({"finished": "2026-01-01T00:00:00Z"});
        for (metrics, used) in [
            (json!({"usage": {"status": "pending", "qpu_charge_time_seconds": 0}, "timestamps": finished}), None),
            (json!({"usage": {"status": "complete", "qpu_charge_time_seconds": 3}}), Some(3)),
            (json!({"usage": {"status": "complete", "qpu_charge_time_seconds": 2.01}}), Some(3)),
            (json!({"usage": {"status": "complete"}}), Some(0)),
            (json!({"usage": {"quantum_seconds": 4, "seconds": 5}, "timestamps": finished}), Some(4)),
            (json!({"usage": {"quantum_seconds": 0}, "timestamps": {"finished": null}}), None),
            (json!({"bss": {"seconds": 7}, "timestamps": finished}), Some(7)),
            (json!({"timestamps": finished}), Some(0)),
            (json!({"usage": {"status": "complete", "qpu_charge_time_seconds": -1}}), Some(0)),
            (json!({}), None),
            (json!([]), None),
        ] {
            assert_eq!(used_by_job(&metrics), used, "{metrics}");
        }
        let session = |state: &str, mode: &str| json!({"state": state, "mode": mode, "elapsed_time": 1.5});
        assert_eq!(used_by_session(&session("active", "dedicated")), None);
        assert_eq!(used_by_session(&session("closed", "dedicated")), Some(2));
        assert_eq!(used_by_session(&session("closed", "batch")), Some(0));
    }

    #[test]
    fn nobody_is_named() {
        let mut jobs = json!({"jobs": [{"id": "j", "user_id": "IBMid-1", "params": {"user_id": "mine"}}], "count": 1});
        assert!(scrub(&mut jobs));
        assert_eq!(jobs, json!({"jobs": [{"id": "j", "params": {"user_id": "mine"}}], "count": 1}));
        assert!(!scrub(&mut jobs));
        let extensions = json!({"usage_allocation_seconds": 600});
        let item = |crn| json!({"crn": crn, "account_id": "a", "doc": {"extensions": extensions, "owner": "o"}});
        let mut found = json!({"items": [item("crn:1"), item("crn:2")], "search_cursor": "c", "token": "t"});
        reduce_search(&mut found, "crn:2");
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
        assert_eq!((&found["items"][0]["crn"], &found["search_cursor"]), (&json!("crn:2"), &json!("c")));
        assert!(!found.to_string().contains("owner") && !found.to_string().contains("600"));
    }
}
