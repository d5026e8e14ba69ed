//! Organizations' QPU tokens. No answer here, or anywhere, has a credential in it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deserr::Deserr;
use utoipa::ToSchema;

use super::token_view::TokenView;
use crate::authorization::Grant;
use crate::authorization::action::qpu_tokens::{Create, Delete, List, Read, Rotate, Update};
use crate::domain::{Page, ProviderName, Providers, QpuTokenId, TokenName};
use crate::http::etag::{Created, IfMatch, Tagged};
use crate::http::input::{Body, Query, Violations};
use crate::http::page::list_query;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::{Change, CredentialFields, Flag, Moment, Optional, QueryFlag};
use crate::repository::{NewToken, TokenChange, TokenFilter};

pub fn routes(api: Api) -> Api {
    api.route(route!(list_qpu_tokens))
        .route(route!(create_qpu_token))
        .route(route!(get_qpu_token))
        .route(route!(update_qpu_token))
        .route(route!(rotate_qpu_token))
        .route(route!(delete_qpu_token))
}

list_query! {
    /// Which tokens.
    struct ListQuery {
        /// Only this provider's.
        #[deserr(default)]
        #[param(value_type = Option<String>, pattern = "^[a-z][a-z0-9_-]{0,31}$")]
        provider: Option<ProviderName>,
        /// Only the one of this name.
        #[deserr(default)]
        #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
        name: Option<TokenName>,
        /// Also what the organization inherits from those above it.
        #[deserr(default)]
        #[param(value_type = Option<bool>, default = false)]
        inherited: Option<QueryFlag>,
    }
}

/// List an organization's QPU tokens
///
/// Metadata only. Members see all of them, members of organizations below those that are inherited.
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens", tag = "qpu-tokens",
    params(("organization" = Uuid, Path, description = "the organization's id"), ListQuery),
    responses((status = 200, description = "a page of tokens", body = Page<TokenView>)))]
async fn list_qpu_tokens(
    grant: Grant<List>,
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<TokenView>>> {
    let page = query.page();
    let with_inherited = query.inherited.is_some_and(|flag| flag.0);
    let filter = TokenFilter { provider: query.provider, name: query.name, with_inherited };
    let tokens = state.repository.tokens(&grant, &filter, page).await?;
    Ok(Json(tokens.map(|token| TokenView::new(token, &state.settings))))
}

/// A token to be stored.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct CreateQpuToken {
    /// Unique in the organization.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    name: TokenName,
    /// The hardware provider; see `GET /v1/providers`.
    #[schema(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,31}$")]
    provider: ProviderName,
    /// The provider's credential, field by field. It can be used and replaced, never read. A field's value has 4 to 16384
    /// visible ASCII characters, and perhaps spaces between them.
    #[schema(value_type = BTreeMap<String, String>)]
    credential: CredentialFields,
    /// Whether members of organizations below may use it.
    #[deserr(default = Flag(true))]
    #[schema(value_type = bool, required = false, default = true)]
    inherited: Flag,
    /// When it stops being usable; never, if left out.
    #[deserr(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Moment>,
}

/// Store a QPU token
#[utoipa::path(post, path = "/v1/organizations/{organization}/qpu-tokens", tag = "qpu-tokens",
    params(("organization" = Uuid, Path, description = "the organization's id")), request_body = CreateQpuToken,
    responses((status = 201, description = "the token's metadata", body = TokenView)))]
async fn create_qpu_token(
    grant: Grant<Create>,
    State(state): State<AppState>,
    Body(body): Body<CreateQpuToken>,
) -> Result<Created<TokenView>> {
    let inherited = body.inherited.0;
    let new =
        new_token(&state.settings.providers, body.name, body.provider, body.credential, inherited, body.expires_at)?;
    let token = state.repository.create_token(&grant, new).await?;
    let location = format!("/v1/organizations/{}/qpu-tokens/{}", grant.organization(), token.id);
    Ok(Created { location, version: token.version, body: TokenView::new(token, &state.settings) })
}

/// A token whose credential fits its provider.
pub fn new_token(
    providers: &Providers,
    name: TokenName,
    provider: ProviderName,
    CredentialFields(credential): CredentialFields,
    inherited: bool,
    expires_at: Option<Moment>,
) -> Result<NewToken> {
    providers.accept(&provider, credential.names())?;
    Ok(NewToken { name, provider, credential, inherited, expires_at: expires_at.map(|moment| moment.0) })
}

/// View a QPU token's metadata
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}", tag = "qpu-tokens",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id")),
    responses((status = 200, description = "the token's metadata", body = TokenView)))]
async fn get_qpu_token(
    grant: Grant<Read>,
    State(state): State<AppState>,
    Path(id): Path<QpuTokenId>,
) -> Result<Tagged<TokenView>> {
    let token = state.repository.token(&grant, id).await?;
    Ok(Tagged(TokenView::new(token, &state.settings)))
}

/// What can be changed of a token's metadata.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct UpdateQpuToken {
    /// A new name.
    #[deserr(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Optional<TokenName>,
    /// Whether members of organizations below may use it.
    #[deserr(default)]
    #[schema(value_type = bool, required = false)]
    inherited: Optional<Flag>,
    /// Whether it can be used at all.
    #[deserr(default)]
    #[schema(value_type = bool, required = false)]
    enabled: Optional<Flag>,
    /// A new expiry; `null` lifts it.
    #[deserr(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Change<Moment>,
}

/// Change a QPU token's metadata
///
/// Rename it, switch it on or off, let it expire, let organizations below use it or not.
#[utoipa::path(patch, path = "/v1/organizations/{organization}/qpu-tokens/{token}", tag = "qpu-tokens",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"), IfMatch), request_body = UpdateQpuToken,
    responses((status = 200, description = "the token's metadata", body = TokenView)))]
async fn update_qpu_token(
    grant: Grant<Update>,
    State(state): State<AppState>,
    Path(id): Path<QpuTokenId>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<UpdateQpuToken>,
) -> Result<Tagged<TokenView>> {
    let wanted = TokenChange {
        name: body.name.0,
        inherited: body.inherited.0.map(|flag| flag.0),
        enabled: body.enabled.0.map(|flag| flag.0),
        expires_at: body.expires_at.into(),
    };
    let token = state.repository.update_token(&grant, id, &wanted, precondition).await?;
    Ok(Tagged(TokenView::new(token, &state.settings)))
}

/// A new credential.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
pub struct RotateQpuToken {
    /// All fields of the provider's credential. It replaces the old one as a whole.
    #[schema(value_type = BTreeMap<String, String>)]
    pub credential: CredentialFields,
}

/// Replace a QPU token's credential
///
/// Makes a new secret version. The old one is destroyed: at once if no job needs it, else a week after the last job that was
/// submitted with it has ended.
#[utoipa::path(put, path = "/v1/organizations/{organization}/qpu-tokens/{token}/credential", tag = "qpu-tokens",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"), IfMatch), request_body = RotateQpuToken,
    responses((status = 200, description = "the token's metadata", body = TokenView)))]
async fn rotate_qpu_token(
    grant: Grant<Rotate>,
    State(state): State<AppState>,
    Path(id): Path<QpuTokenId>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<RotateQpuToken>,
) -> Result<Tagged<TokenView>> {
    let providers = &state.settings.providers;
    let credential = body.credential.0;
    let token = state.repository.rotate_token(&grant, id, credential, providers, precondition).await?;
    Ok(Tagged(TokenView::new(token, &state.settings)))
}

/// Delete a QPU token
///
/// Its data keys are destroyed with it: no backup of the key ring brings the credential back.
/// Its limits, leases and usage go, too, and its members' jobs cannot be reached through it any more: fetch the usage first, or
/// switch the token off (`enabled`) instead.
#[utoipa::path(delete, path = "/v1/organizations/{organization}/qpu-tokens/{token}", tag = "qpu-tokens",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"), IfMatch),
    responses((status = 204, description = "the token is gone")))]
async fn delete_qpu_token(
    grant: Grant<Delete>,
    State(state): State<AppState>,
    Path(id): Path<QpuTokenId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode> {
    state.repository.delete_token(&grant, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
