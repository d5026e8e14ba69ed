//! `Idempotency-Key` on POST: a repetition within a day gets the first answer again, and nothing is done twice.
//!
//! Only successes are kept: after a refusal, or a failure before anything was done, the request may be tried again with
//! the same key. Answers are forgotten when their user loses a role, a membership or the account.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};

use super::gate;
use super::input;
use super::problem::{Problem, Result, Violation};
use super::state::AppState;
use crate::repository::{Asked, Claim, PendingAnswer};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The headers that belong to an answer's content.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// What is kept of an answer.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Answers a repetition; lets everything else on.
pub async fn replay(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match key(&request) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => once(&state, &key, request, next).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

/// For answers that must not be kept: a client that wants one repeated is told so before anything is done.
pub async fn refuse(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let detail = "cannot be used here: this answer is not kept".to_owned();
    Problem::invalid(vec![Violation { pointer: "/Idempotency-Key".to_owned(), detail }]).into_response()
}

fn key(request: &Request) -> Result<Option<String>> {
    let Some(value) = request.headers().get(KEY).filter(|_| request.method() == Method::POST) else { return Ok(None) };
    let good = |key: &&str| (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(good).map(ToOwned::to_owned);
    let invalid = || {
        let detail = "must be 1 to 200 visible ASCII characters".to_owned();
        Problem::invalid(vec![Violation { pointer: "/Idempotency-Key".to_owned(), detail }])
    };
    key.map(Some).ok_or_else(invalid)
}

async fn once(state: &AppState, key: &str, request: Request, next: Next) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let caller = state.repository.standing(gate::presented(&parts)?, Asked::Nothing).await?;
    let body = input::bytes(Request::new(body)).await?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    // Where the path names no organization, this header does; see [`gate::AtHome`].
    let organization = parts.headers.get(gate::ORGANIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let identity = [parts.method.as_str().as_bytes(), target.as_bytes(), organization, &body];
    match state.repository.claim_answer(&caller, key, &identity).await? {
        Claim::Answered(stored) => repeat(&stored),
        Claim::First(pending) => {
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            keep(state, &pending, response).await
        }
    }
}

async fn keep(state: &AppState, pending: &PendingAnswer, response: Response) -> Result<Response> {
    if !response.status().is_success() {
        state.repository.release_answer(pending).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Problem::internal())?.to_bytes();
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: kept_headers(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let stored = serde_json::to_vec(&answer).map_err(|_| Problem::internal())?;
    // What was done is done: if the answer cannot be kept, a repetition is told that the first is still running.
    if let Err(error) = state.repository.keep_answer(pending, stored).await {
        tracing::warn!(%error, "an idempotent answer could not be kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |name: &HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()));
    KEPT.iter().filter_map(pair).collect()
}

fn repeat(stored: &[u8]) -> Result<Response> {
    let answer: Answer = serde_json::from_slice(stored).map_err(|_| Problem::internal())?;
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    let mut response = (status, answer.body).into_response();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(response)
}
