//! The caller's API keys. Managed from a login session only: a key can never mint keys.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authentication::ApiKey;
use crate::authorization::Grant;
use crate::authorization::action::api_keys;
use crate::domain::{ApiKeyId, ApiKeySummary, KeyName, KeyScope, OrganizationId, Page};
use crate::http::gate::{Caller, admit_to};
use crate::http::input::{Body, Query, Violations};
use crate::http::page::PageQuery;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::Moment;
use crate::repository::NewApiKey;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_api_keys)).route(route!(create_api_key)).route(route!(delete_api_key))
}

/// List the own API keys
#[utoipa::path(get, path = "/v1/me/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, description = "the keys, without their secrets", body = Page<ApiKeySummary>)))]
async fn list_api_keys(
    grant: Grant<api_keys::List>,
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ApiKeySummary>>> {
    Ok(Json(state.repository.api_keys(&grant, query.page()).await?))
}

/// A key to be made.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct CreateApiKey {
    /// What it is for.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    name: KeyName,
    /// What it is good for at most.
    #[deserr(default = KeyScope::Full)]
    #[schema(required = false, default = "full")]
    scope: KeyScope,
    /// Binds the key to one organization.
    #[deserr(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
    /// When it stops working; never, if left out.
    #[deserr(default)]
    #[schema(value_type = Option<chrono::DateTime<chrono::Utc>>)]
    expires_at: Option<Moment>,
}

/// A key, with its only appearance.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    /// What can be seen of it later.
    #[serde(flatten)]
    summary: ApiKeySummary,
    /// The key itself. It is shown once, here.
    api_key: String,
}

/// Make an API key
///
/// Only from a login session. The key is in the answer and nowhere else.
#[utoipa::path(post, path = "/v1/me/api-keys", tag = "api-keys", request_body = CreateApiKey,
    responses((status = 201, description = "the key, shown once", body = CreatedApiKey)))]
async fn create_api_key(
    grant: Grant<api_keys::Create>,
    caller: Caller,
    State(state): State<AppState>,
    Body(body): Body<CreateApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>)> {
    let organization = match body.organization_id {
        Some(id) => Some(admit_to(&caller, &state, id).await?),
        None => None,
    };
    let key = ApiKey::generate()?;
    let expires_at = body.expires_at.map(|moment| moment.0);
    let new =
        NewApiKey { id: key.id(), digest: key.digest(), name: body.name, scope: body.scope, organization, expires_at };
    let summary = state.repository.create_api_key(&grant, &new).await?;
    Ok((StatusCode::CREATED, Json(CreatedApiKey { summary, api_key: key.into_text().to_string() })))
}

/// End an API key
#[utoipa::path(delete, path = "/v1/me/api-keys/{api_key}", tag = "api-keys",
    params(("api_key" = uuid::Uuid, Path, description = "the key's id")),
    responses((status = 204, description = "the key has ended")))]
async fn delete_api_key(
    grant: Grant<api_keys::Delete>,
    State(state): State<AppState>,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode> {
    state.repository.delete_api_key(&grant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
