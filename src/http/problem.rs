//! Errors on the wire: RFC 9457 problem documents with a stable `code`. The one place where an error becomes an answer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authentication::AuthenticationError;
use crate::domain::{Refusal, RefusalKind};
use crate::repository;

/// A result of a handler.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// Seconds after which it makes sense to ask again when the database is away.
const DATABASE_RETRY: u64 = 2;

/// An error as the client reads it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is, and `code` which one.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// Which problem; part of the API.
    code: &'static str,
    /// What happened, for people.
    detail: String,
    /// For bad input: one entry per offending member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Violation>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// A member of the request that is not as it should be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the member of the body; for a query parameter, `/` and its name.
    pub pointer: String,
    /// What it should be.
    pub detail: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem of this status and code.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status, code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// Bad input, member by member.
    pub fn invalid(errors: Vec<Violation>) -> Self {
        let detail = "the request is not as it should be; see errors";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail) }
    }

    /// A fault of ours: the client learns nothing about it.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong; it has been logged")
    }

    /// The service cannot answer now, but soon may.
    pub fn unavailable(detail: &str) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after: Some(DATABASE_RETRY), ..problem }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What happened, and what is wrong with each offending member, in one line.
    pub fn summary(&self) -> String {
        let one = |error: &Violation| match error.pointer.trim_start_matches('/') {
            "" => format!("the body {}", error.detail),
            member => format!("{member} {}", error.detail),
        };
        let each: Vec<String> = self.errors.iter().map(one).collect();
        if each.is_empty() { self.detail.clone() } else { each.join("; ") }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind() {
            RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Precondition => StatusCode::PRECONDITION_FAILED,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        let retry_after = match refusal {
            Refusal::TooManyAttempts { retry_after } => Some(retry_after),
            Refusal::Busy | Refusal::IdempotencyInProgress => Some(1),
            _ => None,
        };
        Self { retry_after, ..Self::new(status, refusal.code(), refusal.to_string()) }
    }
}

impl From<repository::Error> for Problem {
    fn from(error: repository::Error) -> Self {
        match error {
            repository::Error::Refused(refusal) => refusal.into(),
            repository::Error::Unavailable(_) => {
                tracing::warn!(%error, "the database is not available");
                Self::unavailable("the database is not available at the moment")
            }
            repository::Error::Vault(_) | repository::Error::Stored(_) | repository::Error::Database(_) => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl From<AuthenticationError> for Problem {
    fn from(error: AuthenticationError) -> Self {
        use AuthenticationError as E;
        let unauthenticated = |reason| Refusal::Unauthenticated(reason).into();
        match error {
            E::Busy => Refusal::Busy.into(),
            E::WrongPassword => Refusal::InvalidCredentials.into(),
            E::Malformed => unauthenticated("the API key is malformed"),
            E::InvalidAccessToken => unauthenticated("the access token is not valid"),
            E::ExpiredAccessToken => unauthenticated("the access token has expired"),
            E::InvalidPass => unauthenticated("the pass is not valid"),
            E::Conflicting => unauthenticated("Authorization and Luna-API-Key carry different credentials"),
            E::UnknownScheme => unauthenticated("Authorization must be \"Bearer\" and a token"),
            E::UnfitPassword(detail) => {
                let detail = detail.to_owned();
                Self::invalid(vec![Violation { pointer: "/password".to_owned(), detail }])
            }
            E::StoredHash | E::SigningKey | E::Setting(_) | E::NoRandomness | E::Failed => {
                tracing::error!(%error, "authentication failed for a reason of our own");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // Whoever answers in another shape (the Luna SDK wire) finds the problem here.
        response.extensions_mut().insert(self);
        response
    }
}
