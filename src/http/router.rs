//! All routes, and the layers around them.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::{Span, field};

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
        .merge(qpu::router())
        .layer(from_fn_with_state(state.clone(), qpu::by_host));
    around(router, state)
}

/// One token at the root of a listener of its own.
pub fn mounted(state: AppState, mount: Mount) -> Router {
    around(qpu::mounted(mount), state)
}

/// What everything has around it.
fn around(router: Router<AppState>, state: AppState) -> Router {
    router
        .layer(from_fn_with_state(state.clone(), origin::find))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(from_fn(measure))
        .layer(from_fn(protect))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_response(on_response).on_failure(()))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewRequestId))
        .layer(from_fn(vet_request_id))
        .with_state(state)
}

#[derive(Clone)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&uuid::Uuid::now_v7().to_string()).ok().map(RequestId::new)
    }
}

/// A client may bring an id of its own, as proxies do; one that is not like an id is replaced. It ends in the log and in
/// the audit log.
async fn vet_request_id(mut request: Request, next: Next) -> Response {
    let like_an_id = |id: &HeaderValue| {
        let id = id.as_bytes();
        (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    if !request.headers().get(REQUEST_ID).is_none_or(like_an_id) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// A request in the log: the route's pattern and never its values, which may be e-mail addresses; no headers, no query.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", id, method = method(request), route, status = field::Empty)
}

fn on_response(response: &Response, latency: std::time::Duration, span: &Span) {
    span.record("status", response.status().as_u16());
    tracing::info!(milliseconds = latency.as_secs_f64() * 1e3, "answered");
}

/// Ends a request that takes too long; what it has not committed never happened.
async fn bound_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(state.settings.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("the request took too long").into_response(),
    }
}

fn after_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request panicked");
    Problem::internal().into_response()
}

/// The method, if it is one that HTTP knows. Others are the client's own words: they could be anything, and without end.
fn method(request: &Request) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == request.method().as_str()).unwrap_or("-")
}

/// Counts and times by route, method and status.
async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = method(&request).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = [("route", route), ("method", method), ("status", status)];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(started.elapsed());
    response
}

/// What a page may do: load from this service, nothing else. (The API's documentation styles itself inline.)
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Answers are for the one who asked, and are what their type says.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
