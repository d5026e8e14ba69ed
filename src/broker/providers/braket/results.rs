//! Results, which are in S3: every user has a place of the own below `luna/TOKEN/USER/` in the results bucket, and reaches nothing
//! else. The bucket has two names: its own, and the one that the Amazon Braket SDK makes up for the account that
//! `GetCallerIdentity` tells it, which is not the real one.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::broker::adapter::Caller;
use crate::broker::denial::Denial;
use crate::broker::head::segment;
use crate::broker::rule::Operation;

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

/// Where a user's results are, with a slash at the end.
fn home(caller: &Caller) -> String {
    format!("luna/{}/{}/", caller.token, caller.user)
}

/// The prefix that a user's task gets: what was wished for, in the user's place.
pub(super) fn own_prefix(caller: &Caller, wished: &str) -> Result<String, Denial> {
    let home = home(caller);
    let wished = wished.strip_prefix(&home).unwrap_or(wished).trim_matches('/');
    if !wished.is_empty() && segment(wished).is_none() {
        return Err(Denial::bad_request("outputS3KeyPrefix has parts that are empty, or dots, or other than text"));
    }
    Ok(format!("{home}{wished}").trim_end_matches('/').to_owned())
}

/// Whether what is to be read is in the user's place: an object by its key, a list by its prefix.
pub(super) fn check(operation: &Operation, caller: &Caller) -> Result<(), Denial> {
    let home = home(caller);
    let inside = match &*operation.rule.name {
        "results:read" => {
            operation.capture("object").is_some_and(|key| key.len() > home.len() && key.starts_with(&home))
        }
        "results:list" => operation.capture("prefix").is_some_and(|prefix| prefix.starts_with(&home)),
        _ => true,
    };
    if inside {
        return Ok(());
    }
    let message = format!("only the results of your own tasks can be read here, which are below {home}");
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
        let key = UseKey::parse(ApiKey::generate().text()).unwrap();
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
    fn a_prefix_stays_in_the_users_place() {
        let caller = caller();
        let home = home(&caller);
        for (wished, got) in [("tasks", "tasks"), ("/a/b/", "a/b"), ("", ""), (&*format!("{home}again"), "again")] {
            assert_eq!(own_prefix(&caller, wished).unwrap(), format!("{home}{got}").trim_end_matches('/'));
        }
        for hostile in ["..", "../x", "a/../..", "%2e%2e", "%252e%252e/x", "a//b", "a\\b", "a\nb", "a?b", "a#b", "."] {
            assert!(own_prefix(&caller, hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn only_the_own_place_is_read() {
        let caller = caller();
        let (home, other) = (home(&caller), home(&super::tests::caller()));
        let of_token = format!("luna/{}/", caller.token);
        let may = |name: &'static str, what: &str, value: &str| {
            let mut operation =
                Operation::own(Rule::new(Method::GET, "s3", "{bucket}", name), String::new(), "us-east-1");
            operation.captures.push((what.to_owned(), value.to_owned()));
            check(&operation, &caller).is_ok()
        };
        assert!(may("results:read", "object", &format!("{home}tasks/1/results.json")));
        assert!(may("results:list", "prefix", &home));
        for key in [&home, &other, &of_token, "", "tasks/1/results.json", "scripts/train.py"] {
            assert!(!may("results:read", "object", key), "{key}");
        }
        assert!(!may("results:read", "object", &format!("{other}tasks/1/results.json")));
        for prefix in ["", "luna/", &of_token, home.trim_end_matches('/'), &other] {
            assert!(!may("results:list", "prefix", prefix), "{prefix}");
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
