//! What a request of an AWS client says of itself: the service and the region that it is signed for, and what it asks for
//! below the token's address. The signature is not looked at: it was made with a key that means nothing.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::broker::head::Head;

/// Where Amazon Braket is: `AwsDevice.REGIONS` of the Amazon Braket SDK.
pub(super) const REGIONS: [&str; 5] = ["us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1"];

/// What stays as it is in a path or query: RFC 3986's unreserved characters, as AWS encodes for a signature.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same for keys of S3, which have slashes.
const ENCODED_KEY: &AsciiSet = &ENCODED.remove(b'/');

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Braket,
    S3,
    Sts,
}

impl Service {
    /// As it stands in a signature's scope, in front of paths, and as the upstream of rules.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Braket => "braket",
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Braket, Self::S3, Self::Sts].into_iter().find(|service| service.name() == name)
    }

    /// The service that a path is for, signed or not.
    pub(super) fn of(head: &Head<'_>) -> Self {
        let mounted = head.path.split('/').next().and_then(Self::named);
        mounted.or_else(|| Scope::of(head).map(|scope| scope.service)).unwrap_or(Self::Braket)
    }

    /// What is below the service's own prefix, or below the token's address where there is no prefix; nothing below the
    /// prefix of another service.
    pub(super) fn below(self, path: &str) -> Option<&str> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match Self::named(first) {
            Some(service) => (service == self).then_some(rest),
            None => Some(path),
        }
    }
}

/// What a request is signed for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) region: &'static str,
    pub(super) service: Service,
}

impl Scope {
    /// Only from the header `Authorization`: a signature in a query is for whoever has the link.
    pub(super) fn of(head: &Head<'_>) -> Option<Self> {
        let signed = head.authorization("AWS4-HMAC-SHA256")?;
        let credential = signed.split(',').find_map(|part| part.trim_ascii().strip_prefix("Credential="))?;
        let mut parts = credential.rsplit('/');
        let (end, service, region) = (parts.next()?, parts.next()?, parts.next()?);
        let region = REGIONS.into_iter().find(|known| *known == region)?;
        (end == "aws4_request").then_some(Self { region, service: Service::named(service)? })
    }
}

/// Encodes a name as one segment of a path, or a value of a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Encodes a key of S3.
pub(super) fn encoded_key(key: &str) -> String {
    utf8_percent_encode(key, ENCODED_KEY).to_string()
}

/// A bucket and the key in it as two segments, which is what rules are about.
pub(super) fn as_two_segments(path: &str) -> Cow<'_, str> {
    match path.split_once('/') {
        Some((bucket, key)) if key.contains('/') => Cow::Owned(format!("{bucket}/{}", key.replace('/', "%2F"))),
        _ => Cow::Borrowed(path),
    }
}

/// The query anew from its parameters, with the question mark; `None` if there is one that is not `known`, or one twice that is
/// not in `repeated`. What newer clients add to tell the operation is left out.
pub(super) fn query(head: &Head<'_>, known: &[&str], repeated: &[&str]) -> Option<(String, Vec<(String, String)>)> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, value) in head.parameters().filter(|(name, _)| name != "x-id") {
        let again = parameters.iter().any(|(other, _)| *other == name);
        if !known.contains(&&*name) || again && !repeated.contains(&&*name) {
            return None;
        }
        parameters.push((name.into_owned(), value.into_owned()));
    }
    let mut text = String::new();
    for (name, value) in &parameters {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.extend([&*encoded(name), "=", &*encoded(value)]);
    }
    Some((text, parameters))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, header};

    use super::*;

    fn scope(authorization: &'static str) -> Option<Scope> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(authorization));
        Scope::of(&Head { method: &Method::GET, path: "", query: None, headers: &headers })
    }

    #[test]
    fn the_scope_tells_service_and_region() {
        let signed =
            "AWS4-HMAC-SHA256 Credential=ANY/20261122/eu-north-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(scope(signed), Some(Scope { region: "eu-north-1", service: Service::S3 }));
        for other in [
            "AWS4-HMAC-SHA256 Credential=ANY/20261122/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 Credential=ANY/20261122/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 Credential=ANY/20261122/us-east-1.evil.example/s3/aws4_request, Signature=0",
            "AWS4-HMAC-SHA256 Credential=ANY/20261122/us-east-1/s3/aws4_other, SignedHeaders=host, Signature=0",
            "AWS4-ECDSA-P256-SHA256 Credential=ANY/20261122/s3/aws4_request, SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 SignedHeaders=host",
            "Bearer token",
        ] {
            assert_eq!(scope(other), None, "{other}");
        }
    }

    #[test]
    fn a_mount_belongs_to_its_service() {
        assert_eq!(Service::S3.below("s3/bucket/key"), Some("bucket/key"));
        assert_eq!(Service::S3.below("bucket/key"), Some("bucket/key"));
        assert_eq!(Service::Sts.below("sts"), Some(""));
        assert_eq!(Service::Sts.below(""), Some(""));
        assert_eq!(Service::S3.below("braket/quantum-task"), None);
        assert_eq!(Service::Braket.below("s3/bucket"), None);
    }
}
