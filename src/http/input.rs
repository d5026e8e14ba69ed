//! Reading what the client sends: bodies and queries, with one complaint per offending member.

use std::ops::ControlFlow;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, MergeWithError, ValuePointerRef};
use http_body_util::BodyExt;
use serde_json::Value;

use super::problem::{Problem, Result, Violation};
use super::state::AppState;

/// A JSON body; unknown members are refused.
pub struct Body<T>(pub T);

impl<T: Deserr<Violations>> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &AppState) -> Result<Self> {
        if !is_json(request.headers()) {
            let detail = "the body must be application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        read_json(&bytes(request).await?).and_then(parse).map(Self)
    }
}

/// A query string; unknown parameters are refused.
pub struct Query<T>(pub T);

impl<T: Deserr<Violations>> FromRequestParts<AppState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        parse(read_pairs(parts.uri.query().unwrap_or_default().as_bytes())?).map(Self)
    }
}

/// The body, which [`super::receive`] has read and bounded.
pub async fn bytes(request: Request) -> Result<Vec<u8>> {
    let body = request.into_body().collect().await.map_err(|_| Problem::internal())?;
    Ok(body.to_bytes().to_vec())
}

/// Any JSON document, or 400.
pub fn read_json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("not JSON: {error}")))
}

/// The document as a `T`, or 422 with everything that is wrong with it.
pub fn parse<T: Deserr<Violations>>(document: Value) -> Result<T> {
    deserr::deserialize(document).map_err(|Violations(errors)| Problem::invalid(errors))
}

/// The pairs of a query or a form as an object of strings, or 400.
pub fn read_pairs(encoded: &[u8]) -> Result<Value> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(encoded)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "malformed_query", "the query is not well-formed"))?;
    let mut object = serde_json::Map::new();
    for (name, value) in pairs {
        if object.insert(name.clone(), Value::String(value)).is_some() {
            let detail = "must be given once only".to_owned();
            return Err(Problem::invalid(vec![Violation { pointer: format!("/{name}"), detail }]));
        }
    }
    Ok(Value::Object(object))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// So many complaints help; more would only make a long answer to a bad request.
const MOST_VIOLATIONS: usize = 20;

/// Everything that is wrong with a document.
#[derive(Debug)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// One member that is wrong.
    pub fn one(location: ValuePointerRef, detail: impl Into<String>) -> Self {
        Self(vec![Violation { pointer: pointer(location), detail: detail.into() }])
    }
}

impl MergeWithError<Self> for Violations {
    fn merge(found: Option<Self>, other: Self, _: ValuePointerRef) -> ControlFlow<Self, Self> {
        let mut all = found.map(|violations| violations.0).unwrap_or_default();
        all.extend(other.0);
        if all.len() < MOST_VIOLATIONS { ControlFlow::Continue(Self(all)) } else { ControlFlow::Break(Self(all)) }
    }
}

impl DeserializeError for Violations {
    fn error<V: IntoValue>(
        found: Option<Self>,
        error: ErrorKind<V>,
        location: ValuePointerRef,
    ) -> ControlFlow<Self, Self> {
        let (location, detail) = match error {
            ErrorKind::IncorrectValueKind { accepted, .. } => {
                let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
                (location, format!("must be {}", accepted.join(" or ")))
            }
            ErrorKind::MissingField { field } => {
                return Self::merge(found, Self::one(location.push_key(field), "is missing"), location);
            }
            ErrorKind::UnknownKey { key, accepted } => {
                let detail = format!("is not known here; known are: {}", accepted.join(", "));
                return Self::merge(found, Self::one(location.push_key(key), detail), location);
            }
            ErrorKind::UnknownValue { accepted, .. } => (location, format!("must be one of: {}", accepted.join(" "))),
            ErrorKind::BadSequenceLen { expected, .. } => (location, format!("must have {expected} items")),
            ErrorKind::Unexpected { msg } => (location, msg),
        };
        Self::merge(found, Self::one(location, detail), location)
    }
}

/// RFC 6901.
fn pointer(location: ValuePointerRef) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Key { key, prev } => {
            format!("{}/{}", pointer(*prev), key.replace('~', "~0").replace('/', "~1"))
        }
        ValuePointerRef::Index { index, prev } => format!("{}/{index}", pointer(*prev)),
    }
}
