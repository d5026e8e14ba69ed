//! Limits on an organization's tokens.

use axum::extract::State;
use axum::http::StatusCode;
use deserr::Deserr;
use utoipa::ToSchema;

use crate::authorization::Grant;
use crate::authorization::action::quotas::{Delete, Read, ReadUser, Write};
use crate::domain::{QpuTokenId, Quota, Refusal, UserReference};
use crate::http::etag::{IfMatch, Tagged};
use crate::http::input::{Body, Violations};
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::{Amount, Moment, Optional};
use crate::repository::{QuotaChange, QuotaSubject};

const NO_QUOTA: Refusal = Refusal::NotFound("quota");

pub fn routes(api: Api) -> Api {
    api.route(route!(get_quota))
        .route(route!(put_quota))
        .route(route!(update_quota))
        .route(route!(delete_quota))
        .route(route!(get_user_quota))
        .route(route!(put_user_quota))
        .route(route!(update_user_quota))
        .route(route!(delete_user_quota))
}

/// A quota to be set.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct PutQuota {
    /// The limit, in the provider's native unit (see `GET /v1/providers`).
    #[schema(value_type = i64, minimum = 0)]
    quota: Amount,
    /// The token cannot be used before; now, if left out.
    #[deserr(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    start: Option<Moment>,
    /// The token cannot be used afterwards; 365 days after the start, if left out.
    #[deserr(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    end: Option<Moment>,
}

/// What can be changed of a quota; what is left out stays.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct UpdateQuota {
    /// The limit, in the provider's native unit.
    #[deserr(default)]
    #[schema(value_type = i64, required = false, minimum = 0)]
    quota: Optional<Amount>,
    /// The token cannot be used before.
    #[deserr(default)]
    #[schema(value_type = DateTime<Utc>, required = false)]
    start: Optional<Moment>,
    /// The token cannot be used afterwards.
    #[deserr(default)]
    #[schema(value_type = DateTime<Utc>, required = false)]
    end: Optional<Moment>,
}

impl From<PutQuota> for QuotaChange {
    fn from(body: PutQuota) -> Self {
        let (start, end) = (body.start.map(|moment| moment.0), body.end.map(|moment| moment.0));
        Self { quota: Some(body.quota.0), start, end }
    }
}

impl From<UpdateQuota> for QuotaChange {
    fn from(body: UpdateQuota) -> Self {
        let (start, end) = (body.start.0.map(|moment| moment.0), body.end.0.map(|moment| moment.0));
        Self { quota: body.quota.0.map(|amount| amount.0), start, end }
    }
}

/// View the organization's limit on a token
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id")),
    responses((status = 200, description = "the limit", body = Quota)))]
async fn get_quota(
    grant: Grant<Read>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
) -> Result<Tagged<Quota>> {
    Ok(Tagged(state.repository.quota(&grant, token).await?.ok_or(NO_QUOTA)?))
}

/// Set the organization's limit on a token
///
/// Replaces one that is set. Whatever was submitted inside the new window counts, also what was before the limit was set.
/// Without `start`, the window begins now, and what was used earlier does not count: to change the amount alone, use PATCH.
#[utoipa::path(put, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"), IfMatch), request_body = PutQuota,
    responses((status = 200, description = "the limit", body = Quota)))]
async fn put_quota(
    grant: Grant<Write>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<PutQuota>,
) -> Result<Tagged<Quota>> {
    let everyone = QuotaSubject::Everyone;
    Ok(Tagged(state.repository.put_quota(&grant, token, &everyone, &body.into(), precondition).await?))
}

/// Change the organization's limit on a token
///
/// What is left out stays as it is, with what was used.
#[utoipa::path(patch, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"), IfMatch), request_body = UpdateQuota,
    responses((status = 200, description = "the limit", body = Quota)))]
async fn update_quota(
    grant: Grant<Write>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<UpdateQuota>,
) -> Result<Tagged<Quota>> {
    let everyone = QuotaSubject::Everyone;
    Ok(Tagged(state.repository.update_quota(&grant, token, &everyone, &body.into(), precondition).await?))
}

/// Lift the organization's limit on a token
#[utoipa::path(delete, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"), IfMatch),
    responses((status = 204, description = "there is no limit any more")))]
async fn delete_quota(
    grant: Grant<Delete>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode> {
    state.repository.delete_quota(&grant, token, &QuotaSubject::Everyone, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// View a user's limit on a token
///
/// Admins see everyone's, users their own.
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota/users/{user}", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"),
           ("user" = String, Path, description = "the user's id or e-mail address")),
    responses((status = 200, description = "the limit", body = Quota)))]
async fn get_user_quota(
    grant: Grant<ReadUser>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Path(user): Path<UserReference>,
) -> Result<Tagged<Quota>> {
    Ok(Tagged(state.repository.user_quota(&grant, token, &user).await?.ok_or(NO_QUOTA)?))
}

/// Set a user's limit on a token
///
/// Replaces one that is set. Whatever was submitted inside the new window counts, also what was before the limit was set.
/// Without `start`, the window begins now, and what was used earlier does not count: to change the amount alone, use PATCH.
#[utoipa::path(put, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota/users/{user}", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"), IfMatch), request_body = PutQuota,
    responses((status = 200, description = "the limit", body = Quota)))]
async fn put_user_quota(
    grant: Grant<Write>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Path(user): Path<UserReference>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<PutQuota>,
) -> Result<Tagged<Quota>> {
    let user = QuotaSubject::User(user);
    Ok(Tagged(state.repository.put_quota(&grant, token, &user, &body.into(), precondition).await?))
}

/// Change a user's limit on a token
///
/// What is left out stays as it is, with what was used.
#[utoipa::path(patch, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota/users/{user}", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"), IfMatch), request_body = UpdateQuota,
    responses((status = 200, description = "the limit", body = Quota)))]
async fn update_user_quota(
    grant: Grant<Write>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Path(user): Path<UserReference>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<UpdateQuota>,
) -> Result<Tagged<Quota>> {
    let user = QuotaSubject::User(user);
    Ok(Tagged(state.repository.update_quota(&grant, token, &user, &body.into(), precondition).await?))
}

/// Lift a user's limit on a token
#[utoipa::path(delete, path = "/v1/organizations/{organization}/qpu-tokens/{token}/quota/users/{user}", tag = "quotas",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("token" = Uuid, Path, description = "the token's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"), IfMatch),
    responses((status = 204, description = "there is no limit any more")))]
async fn delete_user_quota(
    grant: Grant<Delete>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Path(user): Path<UserReference>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode> {
    state.repository.delete_quota(&grant, token, &QuotaSubject::User(user), precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
