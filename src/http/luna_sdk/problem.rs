//! Errors as the SDK reads them. Every problem that leaves by one of its addresses is put into the SDK's words here, also
//! those of gates, fallbacks and time limits.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{KEY_MOUNTS, LOGIN_MOUNT, access_token};
use crate::http::problem::Problem;

/// What the SDK turns into its own exception.
#[derive(Serialize)]
struct ErrorMessage {
    /// The problem's stable code, the same as on `/v1`.
    internal_code: &'static str,
    message: String,
}

/// What the SDK must not recognise: with a key, only a 401 of another shape becomes its `LunaApiKeyInvalidError`.
#[derive(Serialize)]
struct Detail {
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    Login,
    Key,
}

impl Generation {
    fn of(path: &str) -> Option<Self> {
        let below = |mount: &str| path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'));
        if KEY_MOUNTS.into_iter().any(below) {
            return Some(Self::Key);
        }
        (path == access_token::PATH || below(LOGIN_MOUNT)).then_some(Self::Login)
    }
}

/// Puts a problem into the words of the generation that asked.
pub async fn translate(request: Request, next: Next) -> Response {
    let generation = Generation::of(request.uri().path());
    let response = next.run(request).await;
    match (generation, response.extensions().get::<Problem>().cloned()) {
        (Some(generation), Some(problem)) => in_words_of(generation, &problem, response),
        _ => response,
    }
}

/// Keeps status and headers (`Retry-After`, `WWW-Authenticate`, …) but those that describe the old body.
fn in_words_of(generation: Generation, problem: &Problem, response: Response) -> Response {
    let unauthenticated = problem.status() == StatusCode::UNAUTHORIZED;
    let answer = if generation == Generation::Key && unauthenticated {
        Json(Detail { detail: problem.summary() }).into_response()
    } else {
        Json(ErrorMessage { internal_code: problem.code(), message: problem.summary() }).into_response()
    };
    let (mut parts, _): (_, Body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, answer.into_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_key(path: &str) -> Option<bool> {
        Generation::of(path).map(|generation| generation == Generation::Key)
    }

    #[test]
    fn an_address_tells_the_generation() {
        for path in ["/luna-solve/api/v1/users/me", "/luna-q/api/v1/qpu-tokens", "/api/v1/nothing/here"] {
            assert_eq!(is_key(path), Some(true), "{path}");
        }
        for path in ["/accessToken", "/api/qpu-tokens", "/api/qpu-tokens/users/by_name/x", "/api/v1x/y"] {
            assert_eq!(is_key(path), Some(false), "{path}");
        }
        for path in ["/", "/v1/me", "/apis/v1/x", "/accessToken/x", "/luna-solve"] {
            assert_eq!(is_key(path), None, "{path}");
        }
    }
}
