//! Why the broker did not do it, before it takes the shape that the provider's client understands.

use http::StatusCode;

use crate::domain::{Refusal, RefusalKind};
use crate::repository;

/// A refusal or failure of the broker's own.
#[derive(Debug, Clone)]
pub struct Denial {
    /// The HTTP status. 5xx only as long as nothing was submitted: clients repeat what ends so.
    pub status: StatusCode,
    /// The stable code, as on `/v1`.
    pub code: &'static str,
    /// What happened, for people.
    pub message: String,
}

impl Denial {
    /// A denial.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// What no rule allows.
    #[must_use]
    pub fn not_allowed() -> Self {
        let message = "this operation is not available through Luna Organizations";
        Self::new(StatusCode::FORBIDDEN, "operation_not_allowed", message)
    }

    /// Something of the request cannot be understood.
    #[must_use]
    pub fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// A key is missing.
    #[must_use]
    pub fn no_key() -> Self {
        let message = "a Luna API key is needed where the provider's token would be";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// Too much that is large, or slow to come, is under way already, of the caller or of all.
    #[must_use]
    pub fn crowded() -> Self {
        let message = "too many requests at the same time whose content is large or slow to come; send the next one when some of them are over";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_large_requests", message)
    }

    /// A fault of ours.
    #[must_use]
    pub fn internal() -> Self {
        let message = "something went wrong in Luna Organizations; it has been logged";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// A fault of ours has stopped the request in the middle. What others share is left as it should be: it stands behind locks
    /// that are held for no longer than a change takes.
    #[must_use]
    pub fn after_panic() -> Self {
        tracing::error!("a request to the broker panicked");
        Self::internal()
    }

    /// The database is not there.
    #[must_use]
    pub fn unavailable() -> Self {
        let message = "Luna Organizations cannot reach its database at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// The same after something may have been submitted: nothing that would make a client repeat it.
    #[must_use]
    pub fn after_submission(self) -> Self {
        if self.status.is_server_error() { Self { status: StatusCode::FAILED_DEPENDENCY, ..self } } else { self }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind() {
            RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::FORBIDDEN,
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl From<repository::Error> for Denial {
    fn from(error: repository::Error) -> Self {
        match error {
            repository::Error::Refused(refusal) => refusal.into(),
            repository::Error::Unavailable(_) => {
                tracing::warn!(%error, "the database is not available");
                Self::unavailable()
            }
            _ => {
                tracing::error!(%error, "a request to the broker failed");
                Self::internal()
            }
        }
    }
}
