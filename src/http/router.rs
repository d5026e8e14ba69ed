//! All routes, and the layers around them.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{Instrument, Span};

use super::origin::RequestId;
use super::problem::Problem;
use super::routing::Api;
use super::state::AppState;
use super::state::Mount;
use super::{docs, document, luna_sdk, operations, origin, qpu, receive};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The service as one router. A request meets the last layer first.
pub fn router(state: AppState) -> Router {
    let api = luna_sdk::routes(operations::all(Api::new(document::base(), state.clone())));
    let (router, _) = api.into_parts();
    let router = router
        .merge(docs::router())
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "route_not_found", "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take this method")
        })
        .layer(from_fn_with_state(state.clone(), receive::whole))
        .layer(from_fn_with_state(state.clone(), bound_time))
        .layer(from_fn(luna_sdk::translate))
        // Streams both ways, for as long as they take.
        .merge(qpu::router());
    let router = match state.settings.mounts.as_slice() {
        [] => router,
        _ => router.layer(from_fn_with_state(state.clone(), qpu::by_host)),
    };
    around(router, state)
}

/// One token at the root of a listener of its own.
pub fn mounted(state: AppState, mount: Mount) -> Router {
    around(qpu::mounted(mount), state)
}

/// What everything has around it: one layer, because a router copies each of them for every request, with all that is inside.
fn around(router: Router<AppState>, state: AppState) -> Router {
    router.layer(from_fn_with_state(state.clone(), outermost)).with_state(state)
}

/// Names the request for the log and the audit log, finds out where it comes from, and sees to it that whatever becomes of
/// it is an answer, protected, logged and counted.
async fn outermost(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = name(&mut request);
    let (route, method) = (request.extensions().get::<MatchedPath>().cloned(), method(&request));
    // Without one, where there is no such route.
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let span = span(&id, method, route);
    origin::find(&state, &mut request);
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = span.in_scope(|| answered.unwrap_or_else(|_| after_panic()));
    protect(&mut response);
    response.headers_mut().insert(REQUEST_ID, id);
    span.in_scope(|| log(&response, started));
    measure(route, method, &response, started);
    response
}

/// Tells of an answer. A job is polled many times, which the audit log counts: what went well at the broker is told to whoever asks.
fn log(response: &Response, started: Instant) {
    let (status, milliseconds) = (response.status().as_u16(), started.elapsed().as_secs_f64() * 1e3);
    // The broker's own word: a provider's answer has none that gets here.
    let code = response.headers().get("luna-error").and_then(|code| code.to_str().ok());
    if response.extensions().get::<qpu::Brokered>().is_some() && response.status().is_success() {
        tracing::debug!(status, milliseconds, "answered");
    } else {
        tracing::info!(status, milliseconds, code, "answered");
    }
}

/// A client may bring an id of its own, as proxies do; one that is not like an id is replaced. It ends in the log and in
/// the audit log.
fn name(request: &mut Request) -> HeaderValue {
    let like_an_id = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let id = request.headers().get(REQUEST_ID).filter(like_an_id).cloned();
    let id = id.unwrap_or_else(|| {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
    });
    request.extensions_mut().insert(RequestId(id.clone()));
    id
}

/// A request in the log: the route's pattern and never its values, which may be e-mail addresses; no headers, no query.
fn span(id: &HeaderValue, method: &str, route: &str) -> Span {
    let id = id.to_str().unwrap_or_default();
    tracing::info_span!("request", id, method, route)
}

/// Ends a request that takes too long; what it has not committed never happened.
async fn bound_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(state.settings.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("the request took too long").into_response(),
    }
}

fn after_panic() -> Response {
    tracing::error!("a request panicked");
    Problem::internal().into_response()
}

/// The method, if it is one that HTTP knows. Others are the client's own words: they could be anything, and without end.
fn method(request: &Request) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == request.method().as_str()).unwrap_or("-")
}

/// Counts and times by route, method and status.
fn measure(route: &str, method: &'static str, response: &Response, started: Instant) {
    let status = response.status().as_str().to_owned();
    let labels = [("route", route.to_owned()), ("method", method.to_owned()), ("status", status)];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(started.elapsed());
}

/// What a page may do: load from this service, nothing else. (The API's documentation styles itself inline.)
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Answers are for the one who asked, and are what their type says.
fn protect(response: &mut Response) {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
