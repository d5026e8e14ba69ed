//! For those who run the service: is it alive, is it ready, how is it doing, which keys sign its tokens.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;

use super::gate::Public;
use super::routing::{Api, route};
use super::state::AppState;
use crate::authentication::Jwks;

pub fn routes(api: Api) -> Api {
    api.route(route!(healthz)).route(route!(readyz)).route(route!(jwks))
}

/// A sign of life.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Is it alive?
///
/// Answers as long as the process does.
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "it is", body = Health)))]
async fn healthz(_: Public) -> Json<Health> {
    Json(Health { status: "ok" })
}

/// What is there and what is missing.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "independent checks, named on the wire")]
struct Checks {
    /// All of the below.
    ready: bool,
    /// The database answers.
    database: bool,
    /// Its schema is the one that this program needs.
    schema: bool,
    /// What is stored opens under the key ring.
    secrets: bool,
}

/// Is it ready?
///
/// Database reachable, schema current, stored secrets open under the key ring.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "it is", body = Checks),
              (status = 503, description = "something is missing", body = Checks)))]
async fn readyz(_: Public, State(state): State<AppState>) -> impl IntoResponse {
    let found = state.repository.readiness().await;
    let (database, schema, secrets) = (found.database, found.schema, found.secrets);
    let status = if found.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Checks { ready: found.ready(), database, schema, secrets }))
}

/// The keys that sign access tokens
///
/// A JSON Web Key Set (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "operations",
    responses((status = 200, description = "the public keys", body = Jwks)))]
async fn jwks(_: Public, State(state): State<AppState>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(state.access_tokens.jwks().clone()))
}

/// `/metrics`, for a listener of its own: its readers are not the API's.
pub fn metrics_router(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(async move || handle.render()))
}
