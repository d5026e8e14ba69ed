//! IBM's token endpoint (`cloud.ibm.com/apidocs/iam-identity-token-api`), from both sides: what the broker answers to members,
//! and what it asks IBM for.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::super::{json_denial, keys};
use crate::authentication::{Passes, UseKey};
use crate::broker::adapter::Caller;
use crate::broker::denial::Denial;

const GRANT: &str = "urn:ibm:params:oauth:grant-type:apikey";

/// The request's content for an exchange.
pub(super) fn form(key: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("grant_type", GRANT), ("apikey", key), ("response_type", "cloud_iam")]).finish()
}

/// The member's key in such a request. A pass is no key: nobody lives on passes alone.
pub(super) fn key_in(content: &[u8]) -> Option<Result<UseKey, Denial>> {
    let mut fields = form_urlencoded::parse(content);
    let (_, key) = fields.find(|(name, _)| name == "apikey")?;
    let is_repeated = fields.any(|(name, _)| name == "apikey");
    let granted = form_urlencoded::parse(content).any(|(name, value)| name == "grant_type" && value == GRANT);
    (granted && !is_repeated).then(|| keys::parse(&key))
}

/// The answer to a member: a pass of our own. The client reads its `iat` and `exp`.
pub(super) fn token(passes: &Passes, caller: &Caller) -> Result<Response<Bytes>, Denial> {
    let pass = passes.issue(&caller.key, caller.token).map_err(|error| {
        tracing::error!(%error, "a pass could not be issued");
        Denial::internal()
    })?;
    let body = json!({
        "access_token": pass.text, "refresh_token": "not_supported", "token_type": "Bearer",
        "expires_in": Passes::LIFETIME.num_seconds(), "expiration": pass.expires_at.timestamp(), "scope": "ibm openid",
    });
    let mut response = Response::new(body.to_string().into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A denial as IAM says it: a wrong key is a bad request there.
pub(super) fn deny(denial: &Denial) -> Response<Bytes> {
    let (status, code) = match denial.status {
        StatusCode::UNAUTHORIZED => (StatusCode::BAD_REQUEST, "BXNIM0415E"),
        status if status.is_server_error() => (status, "BXNIM0512E"),
        status => (status, "BXNIM0109E"),
    };
    let denial = Denial { status, ..denial.clone() };
    let context = json!({"requestId": "", "requestType": "incoming.Identity_Token"});
    json_denial(&denial, &json!({"errorCode": code, "errorMessage": denial.message, "context": context}))
}
