//! Versions: a row's `ETag` on the way out, `If-Match` on the way in (RFC 9110 §8.8.3, §13.1.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::problem::{Problem, Result};
use super::state::AppState;
use crate::domain::{Account, Organization, Quota, Refusal, User};
use crate::repository::Precondition;

/// Something with a version.
pub trait Versioned {
    /// Grows with every change.
    fn version(&self) -> i64;
}

macro_rules! versioned {
    ($($noun:ty),*) => {$(
        impl Versioned for $noun {
            fn version(&self) -> i64 {
                self.version
            }
        }
    )*};
}

versioned!(Account, Organization, Quota, User);

/// An answer that carries its row's `ETag`.
pub struct Tagged<T>(pub T);

impl<T: Versioned + Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = tag(self.0.version());
        ([(header::ETAG, tag)], axum::Json(self.0)).into_response()
    }
}

/// A new thing, where it is, and its `ETag`.
pub struct Created<T> {
    /// Its address, relative to the service.
    pub location: String,
    /// Its version.
    pub version: i64,
    /// What is answered.
    pub body: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let headers = [(header::ETAG, tag(self.version)), (header::LOCATION, header_value(&self.location))];
        (StatusCode::CREATED, headers, axum::Json(self.body)).into_response()
    }
}

fn tag(version: i64) -> HeaderValue {
    header_value(&format!("\"{version}\""))
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// `If-Match`: none, `*`, or the one `ETag` that the row must have.
pub struct IfMatch(pub Precondition);

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("the `ETag` that the resource must have; `*` for any"))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()));
        vec![parameter.build()]
    }
}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(Precondition::default())) };
        match value.to_str().unwrap_or_default().trim() {
            "*" => Ok(Self(Precondition::Exists)),
            // Not one of ours, so not the row's.
            text => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map(str::parse) {
                Some(Ok(version)) => Ok(Self(Precondition::Version(version))),
                _ => Err(Refusal::PreconditionFailed.into()),
            },
        }
    }
}
