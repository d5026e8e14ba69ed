//! Signature Version 4, made for the request that is sent: `docs.aws.amazon.com`, “Create a signed AWS API request”.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue, header};

use super::credential::Account;
use crate::broker::adapter::Outgoing;

/// For what a request is signed.
#[derive(Clone, Copy)]
pub(super) struct Purpose<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) time: SystemTime,
}

/// Signs a request that is otherwise ready: its host, its `Content-Type` and its `X-Amz-…`, and its body, which must have been
/// read. Other headers may be changed on the way. `None` if it cannot be signed.
#[must_use]
pub(super) fn signed(outgoing: &mut Outgoing, account: &Account<'_>, purpose: Purpose<'_>) -> Option<()> {
    let Purpose { service, region, time } = purpose;
    let mut settings = SigningSettings::default();
    if service == "s3" {
        // S3 takes the path as it is. All others take what was sent, encode it once more, and leave out what climbs.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let session_token = account.session_token.map(ToOwned::to_owned);
    let identity =
        Credentials::new(account.access_key_id, account.secret_access_key, session_token, None, "vault").into();
    let parameters = SigningParams::builder().identity(&identity).region(region).name(service).time(time);
    let parameters = parameters.settings(settings).build().ok()?.into();
    let is_signed = |name: &HeaderName| *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-");
    let headers = outgoing.headers.iter().filter(|(name, _)| is_signed(name));
    let headers: Vec<(&str, &str)> =
        headers.map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect::<Option<_>>()?;
    let body = SignableBody::Bytes(outgoing.body.as_deref().unwrap_or_default());
    let request = SignableRequest::new(outgoing.method.as_str(), &*outgoing.url, headers.into_iter(), body).ok()?;
    let (instructions, _) = sign(request, &parameters).ok()?.into_parts();
    for (name, value) in instructions.headers() {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        outgoing.headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use http::{HeaderMap, Method};

    use super::*;

    fn at(time: &str) -> SystemTime {
        DateTime::parse_from_rfc3339(time).unwrap().into()
    }

    fn outgoing(url: &str) -> Outgoing {
        Outgoing { method: Method::GET, url: url.to_owned(), headers: HeaderMap::new(), body: Some(Bytes::new()) }
    }

    fn signature(outgoing: &Outgoing) -> &str {
        outgoing.headers["authorization"].to_str().unwrap().split_once("Signature=").unwrap().1
    }

    /// “Examples: Signature Calculations”, docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
    #[test]
    fn what_s3_publishes_comes_out() {
        let account = Account {
            access_key_id: "AKIAIOSFODNN7EXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session_token: None,
            results_bucket: None,
        };
        let time = at("2013-05-24T00:00:00Z");
        let mut list = outgoing("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J");
        signed(&mut list, &account, Purpose { service: "s3", region: "us-east-1", time }).unwrap();
        assert_eq!(signature(&list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(list.headers["x-amz-content-sha256"], empty);
        let mut lifecycle = outgoing("https://examplebucket.s3.amazonaws.com/?lifecycle");
        signed(&mut lifecycle, &account, Purpose { service: "s3", region: "us-east-1", time }).unwrap();
        assert_eq!(signature(&lifecycle), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    }

    /// `get-vanilla` and `post-sts-token/post-sts-header-after` of AWS's test suite for this algorithm: here the session token is a
    /// part of what is signed, so that the second gives another signature than the suite's.
    #[test]
    fn what_the_test_suite_publishes_comes_out() {
        let account = Account {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session_token: None,
            results_bucket: None,
        };
        let purpose = Purpose { service: "service", region: "us-east-1", time: at("2015-08-30T12:36:00Z") };
        let mut vanilla = outgoing("https://example.amazonaws.com/");
        signed(&mut vanilla, &account, purpose).unwrap();
        assert_eq!(signature(&vanilla), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        let mut temporary = outgoing("https://example.amazonaws.com/");
        signed(&mut temporary, &Account { session_token: Some("SESSION"), ..account }, purpose).unwrap();
        assert_eq!(temporary.headers["x-amz-security-token"], "SESSION");
        let authorization = temporary.headers["authorization"].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"), "{authorization}");
        assert!(temporary.headers["authorization"].is_sensitive());
    }

    #[test]
    fn a_session_token_that_is_no_header_is_refused() {
        let account =
            Account { access_key_id: "A", secret_access_key: "B", session_token: Some("é\n"), results_bucket: None };
        let purpose = Purpose { service: "s3", region: "us-east-1", time: at("2015-08-30T12:36:00Z") };
        assert_eq!(signed(&mut outgoing("https://example.amazonaws.com/"), &account, purpose), None);
    }
}
