//! Hardware providers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authorization::Grant;
use crate::authorization::action::providers::List;
use crate::broker::Broker;
use crate::domain::{Provider, ProviderName};
use crate::http::routing::{Api, route};
use crate::http::state::AppState;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_providers))
}

/// All providers.
#[derive(Serialize, ToSchema)]
struct ProviderList {
    /// The providers, by name.
    items: Vec<ListedProvider>,
}

/// A provider, and what can be done at it with a token of this service.
#[derive(Serialize, ToSchema)]
struct ListedProvider {
    #[serde(flatten)]
    provider: Provider,
    /// What is let through to it, and nothing else is; empty if its tokens can only be leased to solvers.
    operations: Vec<ProviderOperation>,
}

/// Something that a provider's client may do.
#[derive(Serialize, ToSchema)]
struct ProviderOperation {
    /// What it is called in the audit log.
    #[schema(example = "jobs:submit")]
    name: String,
    /// The HTTP method.
    #[schema(example = "GET")]
    method: String,
    /// The path below the token's `use_url`. `{job}`, `{session}` and `{upload}` must be the caller's own.
    #[schema(example = "/v0.4/jobs/{job}")]
    path: String,
}

/// List the hardware providers
///
/// With the fields of their credentials, the unit that their usage is counted in, and what their clients may do here.
#[utoipa::path(get, path = "/v1/providers", tag = "providers",
    responses((status = 200, description = "the providers", body = ProviderList)))]
async fn list_providers(_: Grant<List>, State(state): State<AppState>) -> Json<ProviderList> {
    let items = state.settings.providers.iter().map(|provider| ListedProvider {
        provider: provider.clone(),
        operations: operations(&state.broker, &provider.name),
    });
    Json(ProviderList { items: items.collect() })
}

fn operations(broker: &Broker, provider: &ProviderName) -> Vec<ProviderOperation> {
    let reachable = broker.providers().find(|(name, _)| *name == provider).map(|(_, reachable)| reachable);
    let rules = reachable.into_iter().flat_map(|reachable| reachable.adapter.allowed().rules());
    let operations = rules.map(|(prefix, rule)| ProviderOperation {
        name: rule.name.to_string(),
        method: rule.method.to_string(),
        path: if prefix.is_empty() { format!("/{}", rule.path) } else { format!("/{prefix}/{}", rule.path) },
    });
    operations.collect()
}
