//! The broker's door: `/v1/qpu/{token}/…`, for hardware providers' own clients, which say in their own ways who they are. It
//! streams both ways and decides nothing.

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http_body_util::BodyExt;

use super::gate::{Admitting, guard};
use super::origin;
use super::problem::Problem;
use super::state::{AppState, Mount};
use crate::broker::Door;
use crate::domain::QpuTokenId;

/// Where the broker is, below the service's own address.
const PATH: &str = "/v1/qpu/";

/// Marks an answer of the broker's.
#[derive(Clone, Copy)]
pub struct Brokered;

/// Every token at its address.
pub fn router() -> Router<AppState> {
    let _ = guard(&by_path);
    Router::new().route("/v1/qpu/{token}", any(by_path)).route("/v1/qpu/{token}/{*path}", any(by_path))
}

/// One token at the root.
pub fn mounted(mount: Mount) -> Router<AppState> {
    let serve_mounted = move |_: Admitting, State(state): State<AppState>, request: Request| {
        let mount = mount.clone();
        async move { at_root(&state, &mount, request).await }
    };
    let _ = guard(&serve_mounted);
    Router::new().fallback(serve_mounted)
}

/// Leads requests for a host name that a token has for itself to that token.
pub async fn by_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mount = host.and_then(|host| state.settings.mounts.iter().find(|mount| mount.has_host(host)));
    match mount {
        Some(mount) => at_root(&state, mount, request).await,
        None => next.run(request).await,
    }
}

async fn by_path(_: Admitting, State(state): State<AppState>, request: Request) -> Response {
    // Raw: what is encoded in a path stays as it is.
    let raw = request.uri().path().to_owned();
    let named = raw.strip_prefix(PATH).unwrap_or_default();
    let (token, below) = named.split_once('/').unwrap_or((named, ""));
    let Ok(token) = token.parse::<QpuTokenId>() else {
        return Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such QPU token").into_response();
    };
    let address = format!("{}{PATH}{token}", state.settings.public_url);
    serve(&state, token, address, below, request).await
}

async fn at_root(state: &AppState, mount: &Mount, request: Request) -> Response {
    let raw = request.uri().path().to_owned();
    serve(state, mount.token, mount.address.clone(), raw.trim_start_matches('/'), request).await
}

async fn serve(state: &AppState, token: QpuTokenId, address: String, path: &str, request: Request) -> Response {
    let mut response = pass(state, token, address, path, request).await;
    response.extensions_mut().insert(Brokered);
    response
}

async fn pass(state: &AppState, token: QpuTokenId, address: String, path: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() { crate::broker::full("") } else { body.map_err(Into::into).boxed_unsync() };
    let door = Door { token, address, path, origin: origin::of(&parts) };
    state.broker.serve(door, Request::from_parts(parts, body)).await.map(Body::new)
}
