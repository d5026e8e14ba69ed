//! Denials as the services put them: Braket in JSON, S3 and STS in XML. botocore repeats what has a 5xx or says that it is
//! throttled; nothing here does that says no.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::scope::Service;
use crate::broker::denial::Denial;
use crate::broker::providers::{json_denial, raw_denial};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A denial in the form of a service.
pub(super) fn denied(service: Service, denial: &Denial) -> Response<Bytes> {
    match service {
        Service::Braket => {
            let (status, name) = braket(denial);
            let mut response = json_denial(denial, &json!({"message": denial.message}));
            *response.status_mut() = status;
            response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(name));
            response
        }
        Service::S3 => {
            let body =
                format!("<Error><Code>{}</Code><Message>{}</Message></Error>", s3(denial), escaped(&denial.message));
            xml(denial, "application/xml", &body)
        }
        Service::Sts => {
            let (code, message) = (s3(denial), escaped(&denial.message));
            let body = format!(
                r#"<ErrorResponse xmlns="{STS}"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"#
            );
            xml(denial, "text/xml", &body)
        }
    }
}

/// The namespace of STS's answers.
pub(super) const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Text as it stands between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn xml(denial: &Denial, content_type: &'static str, body: &str) -> Response<Bytes> {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    let mut response = raw_denial(denial, content_type, body);
    *response.status_mut() = status(denial);
    response
}

/// AWS says 403 where HTTP says 401.
fn status(denial: &Denial) -> StatusCode {
    if denial.status == StatusCode::UNAUTHORIZED { StatusCode::FORBIDDEN } else { denial.status }
}

/// The exceptions of “Amazon Braket API Reference”, with their statuses.
fn braket(denial: &Denial) -> (StatusCode, &'static str) {
    match (denial.status, denial.code) {
        (StatusCode::UNAUTHORIZED, _) => (StatusCode::FORBIDDEN, "UnrecognizedClientException"),
        (_, "quota_exhausted" | "quota_not_active") => (StatusCode::PAYMENT_REQUIRED, "ServiceQuotaExceededException"),
        (StatusCode::NOT_FOUND, _) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
        (status @ (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE), _) => (status, "ValidationException"),
        (StatusCode::FORBIDDEN, _) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
        (status, _) => (status, "InternalServiceException"),
    }
}

/// Codes that S3 has; STS has those that are needed here too.
fn s3(denial: &Denial) -> &'static str {
    match denial.status {
        StatusCode::UNAUTHORIZED => "InvalidClientTokenId",
        StatusCode::NOT_FOUND => "NoSuchKey",
        StatusCode::BAD_REQUEST => "InvalidRequest",
        StatusCode::FORBIDDEN => "AccessDenied",
        _ => "InternalError",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_form() {
        let denial = Denial::new(StatusCode::FORBIDDEN, "quota_exhausted", "no <more>");
        let json = denied(Service::Braket, &denial);
        assert_eq!(
            (json.status(), &json.headers()[ERROR_TYPE]),
            (StatusCode::PAYMENT_REQUIRED, &HeaderValue::from_static("ServiceQuotaExceededException"))
        );
        assert_eq!(json.body().as_ref(), br#"{"message":"no <more>"}"#);
        let xml = denied(Service::S3, &Denial::no_key());
        assert_eq!(xml.status(), StatusCode::FORBIDDEN);
        assert!(String::from_utf8_lossy(xml.body()).contains("<Code>InvalidClientTokenId</Code>"));
        let xml = denied(Service::Sts, &denial);
        assert!(
            String::from_utf8_lossy(xml.body()).contains("<Message>no &lt;more&gt;</Message></Error></ErrorResponse>")
        );
    }
}
