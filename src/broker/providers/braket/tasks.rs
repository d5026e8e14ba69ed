//! Quantum tasks: what may be submitted, and what a task has used.

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::results;
use crate::broker::adapter::Caller;
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::rule::{Estimate, Operation};

/// What a task may be made of. Not `jobToken`, which makes it part of a hybrid job, and not `associations`, which spends a
/// reservation of the account's.
const MEMBERS: [&str; 9] = [
    "action",
    "clientToken",
    "deviceArn",
    "deviceParameters",
    "experimentalCapabilities",
    "outputS3Bucket",
    "outputS3KeyPrefix",
    "shots",
    "tags",
];

/// More shots than this are a mistake: devices take up to a million.
const MOST_SHOTS: i64 = 1_000_000_000;

/// Checks and changes `CreateQuantumTask`. The bucket is named when the credential is there to tell which one it is.
pub(super) fn prepare(operation: &mut Operation, caller: &Caller, content: &mut Content) -> Result<(), Denial> {
    let Value::Object(mut task) = content.json()? else { return Err(Denial::bad_request("a task is a JSON object")) };
    if let Some(name) = task.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Denial::bad_request(&format!("{name:?} of a task is not available through Luna Organizations")));
    }
    let shots = match task.get("shots") {
        None => None,
        Some(shots) => {
            let shots = shots.as_i64().filter(|shots| (0..=MOST_SHOTS).contains(shots));
            Some(shots.ok_or_else(|| Denial::bad_request("shots must be a whole number of shots"))?)
        }
    };
    operation.estimates = vec![shots.map_or(Estimate::Unknown, |shots| Estimate::Known(counted(shots)))];
    match task.get_mut("clientToken") {
        None => {}
        Some(Value::String(token)) => *token = bound(token, caller),
        Some(_) => return Err(Denial::bad_request("clientToken must be a text")),
    }
    task.insert("outputS3KeyPrefix".to_owned(), results::prefix(caller).into());
    content.replace(&Value::Object(task));
    Ok(())
}

/// A client's token, which AWS answers with the task that it was first used for, whoever asks: only the same user of the same
/// token gets that task again.
fn bound(client_token: &str, caller: &Caller) -> String {
    let digest = Sha256::new()
        .chain_update(b"luna-organizations: clientToken of Amazon Braket\0")
        .chain_update(caller.token.uuid())
        .chain_update(caller.user.uuid())
        .chain_update(client_token)
        .finalize();
    // 64 characters, the most that are allowed.
    HEXLOWER.encode(&digest)
}

/// Puts the results bucket into a task that is ready otherwise; `None` if the task names another one.
pub(super) fn with_bucket(task: &[u8], names: &results::Bucket) -> Option<Value> {
    let mut task: Value = serde_json::from_slice(task).ok()?;
    let members = task.as_object_mut()?;
    if let Some(named) = members.get("outputS3Bucket")
        && !names.is_meant_by(named.as_str()?)
    {
        return None;
    }
    members.insert("outputS3Bucket".to_owned(), names.real.clone().into());
    Some(task)
}

/// What of a task is looked at.
pub(super) const TELLS: &[&str] = &["/status", "/numSuccessfulShots", "/shots"];

/// An exact simulation has no shots. Amazon bills it by the time, and it counts as one.
fn counted(shots: i64) -> i64 {
    shots.max(1)
}

/// What a task has used, in shots, if it is over. Amazon bills the shots of completed tasks; of others, those that succeeded
/// before they ended, if it tells of any. Of either, never more than were submitted, or can have been.
pub(super) fn used(task: &Value) -> Option<i64> {
    let told = |name| task.get(name).and_then(Value::as_i64).filter(|shots| (0..=MOST_SHOTS).contains(shots));
    let submitted = told("shots");
    let succeeded = told("numSuccessfulShots").map(|shots| shots.min(submitted.unwrap_or(shots)));
    match task.get("status")?.as_str()? {
        "COMPLETED" if submitted == Some(0) => Some(counted(0)),
        "COMPLETED" => succeeded.or(submitted),
        "FAILED" | "CANCELLED" => Some(succeeded.unwrap_or_default()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::authentication::ApiKey;
    use crate::authentication::UseKey;
    use crate::broker::rule::Rule;
    use crate::domain::{Clock, QpuTokenId, UserId};

    fn caller(user: UserId, token: QpuTokenId) -> Caller {
        let key = UseKey::parse(&ApiKey::generate().unwrap().into_text()).unwrap();
        Caller { user, token, key, address: String::new(), now: Clock::default().now() }
    }

    fn prepared(caller: &Caller, task: &Value) -> Result<(Value, Estimate), Denial> {
        let rule = Rule::new(http::Method::POST, "braket", "quantum-task", "tasks:submit");
        let mut operation = Operation::own(rule, "quantum-task".to_owned(), "us-east-1");
        let mut content = Content::new(task.to_string().into(), "identity");
        prepare(&mut operation, caller, &mut content)?;
        Ok((serde_json::from_slice(&content.into_bytes().0).unwrap(), operation.estimates[0]))
    }

    #[test]
    fn a_client_token_is_good_for_one_user_of_one_token() {
        let (user, token) = (UserId::new(), QpuTokenId::new());
        let task = json!({"clientToken": "guessed", "shots": 7, "outputS3KeyPrefix": "../tasks"});
        let (first, estimate) = prepared(&caller(user, token), &task).unwrap();
        assert_eq!(estimate, Estimate::Known(7));
        let estimate = |task| prepared(&caller(user, token), &task).unwrap().1;
        assert_eq!(estimate(json!({"shots": 0})), Estimate::Known(1), "an exact simulation");
        assert_eq!(estimate(json!({})), Estimate::Unknown);
        assert_eq!(first["clientToken"].as_str().unwrap().len(), 64);
        assert_eq!(first["outputS3KeyPrefix"], format!("luna/{token}/{user}"));
        assert_eq!(prepared(&caller(user, token), &task).unwrap().0, first);
        for other in [caller(UserId::new(), token), caller(user, QpuTokenId::new())] {
            assert_ne!(prepared(&other, &task).unwrap().0["clientToken"], first["clientToken"]);
        }
    }

    #[test]
    fn nothing_unknown_is_submitted() {
        let caller = caller(UserId::new(), QpuTokenId::new());
        for task in [
            json!({"jobToken": "x"}),
            json!({"associations": []}),
            json!({"roleArn": "x"}),
            json!({"shots": "7"}),
            json!({"shots": -1}),
            json!({"shots": i64::MAX}),
            json!({"shots": 1.5}),
            json!({"clientToken": 7}),
            json!([]),
        ] {
            assert!(prepared(&caller, &task).is_err(), "{task}");
        }
    }

    #[test]
    fn shots_that_were_done_are_counted() {
        assert_eq!(used(&json!({"status": "RUNNING", "shots": 10})), None);
        assert_eq!(used(&json!({"status": "CANCELLING", "shots": 10})), None);
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 10, "numSuccessfulShots": 9})), Some(9));
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 10})), Some(10));
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 10, "numSuccessfulShots": 0})), Some(0));
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 0, "numSuccessfulShots": 0})), Some(1));
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 0})), Some(1));
        assert_eq!(used(&json!({"status": "CANCELLED", "shots": 0})), Some(0));
        assert_eq!(used(&json!({"status": "CANCELLED", "shots": 10})), Some(0));
        assert_eq!(used(&json!({"status": "FAILED", "shots": 10, "numSuccessfulShots": 3})), Some(3));
        // Not more than was submitted, or can have been.
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 10, "numSuccessfulShots": 11})), Some(10));
        assert_eq!(used(&json!({"status": "FAILED", "numSuccessfulShots": i64::MAX})), Some(0));
        assert_eq!(used(&json!({"status": "COMPLETED", "shots": 10, "numSuccessfulShots": i64::MAX})), Some(10));
    }
}
