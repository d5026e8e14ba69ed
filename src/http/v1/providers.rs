//! Hardware providers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authorization::Grant;
use crate::authorization::action::providers::List;
use crate::domain::Provider;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_providers))
}

/// All providers.
#[derive(Serialize, ToSchema)]
struct ProviderList {
    /// The providers, by name.
    items: Vec<Provider>,
}

/// List the hardware providers
///
/// With the fields of their credentials and the unit that their usage is counted in.
#[utoipa::path(get, path = "/v1/providers", tag = "providers",
    responses((status = 200, description = "the providers", body = ProviderList)))]
async fn list_providers(_: Grant<List>, State(state): State<AppState>) -> Json<ProviderList> {
    Json(ProviderList { items: state.settings.providers.iter().cloned().collect() })
}
