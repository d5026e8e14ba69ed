//! Results, which are in S3: below `luna/TOKEN/USER/TASK/` in the results bucket. Nothing else is reached, and a task's folder by
//! those who may see the task: it is in the ledger with the task. The bucket has two names: its own, and the one that the Amazon
//! Braket SDK makes up for the account that `GetCallerIdentity` tells it, which is not the real one.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::broker::adapter::Caller;
use crate::broker::denial::Denial;
use crate::broker::rule::Operation;
use crate::domain::JobReference;

/// The account that clients see.
pub(super) const ACCOUNT: &str = "000000000000";

/// The results bucket of a region.
pub(super) struct Bucket {
    pub(super) real: String,
    default: String,
}

impl Bucket {
    /// From the bucket's name, in which `{region}` stands for the region. `None` if that makes no name of a bucket.
    pub(super) fn new(name: &str, region: &str) -> Option<Self> {
        let real = name.replace("{region}", region);
        let is_name = (3..=63).contains(&real.len())
            && real
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
            && real.starts_with(|first: char| first.is_ascii_alphanumeric());
        is_name.then(|| Self { real, default: default_bucket(region) })
    }

    /// Whether a client that names this bucket means it.
    pub(super) fn is_meant_by(&self, name: &str) -> bool {
        name == self.real || name == self.default
    }
}

/// As `AwsSession.default_bucket` of the Amazon Braket SDK makes it up.
pub(super) fn default_bucket(region: &str) -> String {
    format!("amazon-braket-{region}-{ACCOUNT}")
}

/// Where a user's results are put, each task's in a folder that has the task's own id. For people who look into the bucket; who may
/// read what is in a folder, the ledger tells.
pub(super) fn prefix(caller: &Caller) -> String {
    format!("luna/{}/{}", caller.token, caller.user)
}

/// The folder of a task, as the ledger knows it: `arn:aws:braket:REGION:ACCOUNT:quantum-task/ID`.
pub(super) fn folder(task: &str) -> Option<JobReference> {
    Some(JobReference::upload(task.rsplit_once(":quantum-task/")?.1))
}

/// The folder that an object is in, or all that is listed.
pub(super) fn task(operation: &Operation) -> Option<JobReference> {
    let key = match &*operation.rule.name {
        "results:read" => operation.capture("object")?,
        "results:list" => operation.capture("prefix")?,
        _ => return None,
    };
    let mut parts = key.split('/');
    let (root, _, _, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (root == "luna").then(|| JobReference::upload(id))
}

/// Whether what is to be read is in the folder of a task, which was then looked up in the ledger of this token.
pub(super) fn check(operation: &Operation, caller: &Caller) -> Result<(), Denial> {
    let of_token = format!("luna/{}/", caller.token);
    let inside = match &*operation.rule.name {
        "results:read" => operation.capture("object").is_some_and(|key| key.starts_with(&of_token)),
        "results:list" => operation.capture("prefix").is_some_and(|prefix| prefix.starts_with(&of_token)),
        _ => return Ok(()),
    };
    if inside && task(operation).is_some_and(|folder| operation.jobs.contains(&folder)) {
        return Ok(());
    }
    let message = format!("only results of tasks can be read here: what is below {of_token}USER/TASK/");
    Err(Denial::new(StatusCode::FORBIDDEN, "operation_not_allowed", message))
}

/// Answers `CreateBucket`, by which the SDK makes sure that its default bucket is there: that one is, all others are not made.
pub(super) fn created(named: &str, bucket: Option<&Bucket>, region: &str) -> Result<Response<Bytes>, Denial> {
    if named != default_bucket(region) && !bucket.is_some_and(|bucket| bucket.is_meant_by(named)) {
        let message = "buckets cannot be made through Luna Organizations; leave out where results go";
        return Err(Denial::new(StatusCode::FORBIDDEN, "operation_not_allowed", message));
    }
    let mut response = Response::new(Bytes::new());
    let location = HeaderValue::from_str(&format!("/{named}")).map_err(|_| Denial::internal())?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::authentication::{ApiKey, UseKey};
    use crate::broker::rule::Rule;
    use crate::domain::{Clock, QpuTokenId, UserId};

    fn caller() -> Caller {
        let key = UseKey::parse(&ApiKey::generate().unwrap().into_text()).unwrap();
        Caller {
            user: UserId::new(),
            token: QpuTokenId::new(),
            key,
            address: String::new(),
            now: Clock::default().now(),
        }
    }

    #[test]
    fn a_bucket_has_two_names() {
        let bucket = Bucket::new("results-{region}", "eu-north-1").unwrap();
        assert_eq!(bucket.real, "results-eu-north-1");
        assert!(
            bucket.is_meant_by("results-eu-north-1") && bucket.is_meant_by("amazon-braket-eu-north-1-000000000000")
        );
        assert!(
            !bucket.is_meant_by("results-us-east-1") && !bucket.is_meant_by("amazon-braket-us-east-1-000000000000")
        );
        for wrong in ["", "ab", "Upper", "a/b/c", "bucket?acl", "-bucket", "a b c", "..", "x%2f"] {
            assert!(Bucket::new(wrong, "us-east-1").is_none(), "{wrong}");
        }
    }

    #[test]
    fn only_folders_of_tasks_are_read() {
        let caller = caller();
        let home = format!("{}/", prefix(&caller));
        let may = |name: &'static str, what: &str, value: &str| {
            let mut operation =
                Operation::own(Rule::new(Method::GET, "s3", "{bucket}", name), String::new(), "us-east-1");
            operation.captures.push((what.to_owned(), value.to_owned()));
            operation.jobs.extend(task(&operation));
            check(&operation, &caller).is_ok().then(|| operation.jobs.into_iter().next().unwrap().id)
        };
        let folder = folder("arn:aws:braket:us-east-1:123456789012:quantum-task/7f").unwrap();
        assert_eq!(may("results:read", "object", &format!("{home}7f/results.json")), Some(folder.id));
        assert_eq!(may("results:read", "object", &format!("{home}7f/programs/0/results.json")), Some("7f".to_owned()));
        assert_eq!(may("results:list", "prefix", &format!("{home}7f")), Some("7f".to_owned()));
        // Never a part of the name of a folder: all of it is looked up.
        assert_eq!(may("results:list", "prefix", &format!("{home}7")), Some("7".to_owned()));
        assert_eq!(may("results:list", "prefix", &home), Some(String::new()));
        let of_token = format!("luna/{}/", caller.token);
        let other = format!("luna/{}/{}/7f/results.json", QpuTokenId::new(), caller.user);
        for key in [
            &of_token,
            &other,
            "",
            "luna",
            "luna/",
            "tasks/1/2/7f/results.json",
            "scripts/train.py",
            home.trim_end_matches('/'),
        ] {
            assert_eq!(may("results:read", "object", key), None, "{key}");
            assert_eq!(may("results:list", "prefix", key), None, "{key}");
        }
    }

    #[test]
    fn no_bucket_is_made() {
        let bucket = Bucket::new("mine", "us-east-1");
        for known in ["mine", "amazon-braket-us-east-1-000000000000"] {
            assert_eq!(created(known, bucket.as_ref(), "us-east-1").unwrap().status(), StatusCode::OK);
        }
        for other in ["other", "amazon-braket-eu-west-2-000000000000"] {
            assert!(created(other, bucket.as_ref(), "us-east-1").is_err(), "{other}");
        }
    }
}
