//! Bodies come in here, whole and bounded, before anything is decided. An answer that is given while the client still
//! sends would not reach it: the connection closes under its hands.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use super::problem::{Problem, Result};
use super::state::AppState;

/// How much of a body that is too large is read and thrown away so that its sender sees the answer, in bytes.
const DRAINED: usize = 8 * 1024 * 1024;

/// How long a client may take to send its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the body for everything that comes after.
pub async fn whole(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "the body took too long to arrive");
    match tokio::time::timeout(PATIENCE, read(body, state.settings.body_limit)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => slow().into_response(),
    }
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let (mut bytes, mut received) = (Vec::with_capacity(announced.min(limit)), 0);
    while announced.max(received) <= limit + DRAINED {
        let Some(frame) = body.frame().await else { break };
        let incomplete = |_| Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "the body ended early");
        let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
        received += data.len();
        if received <= limit {
            bytes.extend_from_slice(&data);
        }
    }
    if announced.max(received) > limit {
        let detail = format!("the body is larger than {limit} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
    }
    Ok(bytes.into())
}
