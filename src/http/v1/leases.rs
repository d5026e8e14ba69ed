//! Leases: how a solver back end that talks to the hardware itself gets an organization's credential, once, for one job of
//! a member. Personal tokens have none.

use axum::Json;
use axum::body::{Body as AnswerBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authentication::LeaseToken;
use crate::authorization::Grant;
use crate::authorization::action::leases::{Create, List, Redeem, Report, Revoke};
use crate::broker::RedeemedLease;
use crate::domain::{Lease, LeaseId, Page, ProviderJobName, ProviderName, Purpose, QpuTokenId, Refusal};
use crate::http::gate::InBody;
use crate::http::input::{Body, Query, Violations};
use crate::http::page::PageQuery;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::{LeaseSeconds, Opaque, ReportedAmount};
use crate::repository::NewLease;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_leases))
        .route(route!(create_lease))
        .route(route!(revoke_lease))
        .route(route!(redeem_lease).never_kept())
        .route(route!(report_lease_usage))
}

/// List the leases of a QPU token
///
/// Newest first. Admins see all, everyone else their own.
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}/leases", tag = "leases",
    params(("organization" = Uuid, Path, description = "the id of the organization that owns the token"),
           ("token" = Uuid, Path, description = "the token's id"), PageQuery),
    responses((status = 200, description = "a page of leases", body = Page<Lease>)))]
async fn list_leases(
    grant: Grant<List>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Lease>>> {
    Ok(Json(state.repository.leases(&grant, token, query.page()).await?))
}

/// A lease to be made.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct CreateLease {
    /// What it is for; for the audit log and for whoever looks at the list.
    #[deserr(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    purpose: Option<Purpose>,
    /// How long a solver may take to redeem it, in seconds.
    #[deserr(default)]
    #[schema(value_type = u16, required = false, minimum = 10, maximum = 3600, default = 300)]
    expires_in_seconds: LeaseSeconds,
}

/// A new lease.
#[derive(Serialize, ToSchema)]
struct IssuedLease {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: LeaseId,
    /// What redeems it. Shown once: hand it to a solver.
    lease: String,
    /// It cannot be redeemed afterwards.
    expires_at: DateTime<Utc>,
    /// The token that it is for.
    #[schema(value_type = Uuid)]
    qpu_token_id: QpuTokenId,
}

/// Make a lease
///
/// For a member who may use the token, also one of an organization below if it is inherited. The lease lets a solver get the
/// token's credential once, for one job of this member, whose limits it counts against.
#[utoipa::path(post, path = "/v1/organizations/{organization}/qpu-tokens/{token}/leases", tag = "leases",
    params(("organization" = Uuid, Path, description = "the id of the organization that owns the token"),
           ("token" = Uuid, Path, description = "the token's id")), request_body = CreateLease,
    responses((status = 201, description = "the lease, with the text that redeems it", body = IssuedLease)))]
async fn create_lease(
    grant: Grant<Create>,
    State(state): State<AppState>,
    Path(qpu_token_id): Path<QpuTokenId>,
    Body(body): Body<CreateLease>,
) -> Result<(StatusCode, Json<IssuedLease>)> {
    let lease = LeaseToken::generate()?;
    let new = NewLease { digest: lease.digest(), purpose: body.purpose, lifetime: body.expires_in_seconds.0 };
    let (id, expires_at) = state.repository.create_lease(&grant, qpu_token_id, &new).await?;
    let lease = lease.into_text().to_string();
    Ok((StatusCode::CREATED, Json(IssuedLease { id, lease, expires_at, qpu_token_id })))
}

/// Take a lease back
///
/// Before it is redeemed: whoever made it, or an admin.
#[utoipa::path(delete, path = "/v1/organizations/{organization}/qpu-tokens/{token}/leases/{lease}", tag = "leases",
    params(("organization" = Uuid, Path, description = "the id of the organization that owns the token"),
           ("token" = Uuid, Path, description = "the token's id"),
           ("lease" = Uuid, Path, description = "the lease's id")),
    responses((status = 204, description = "the lease is gone")))]
async fn revoke_lease(
    grant: Grant<Revoke>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Path(lease): Path<LeaseId>,
) -> Result<StatusCode> {
    state.repository.revoke_lease(&grant, token, lease).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A lease to be redeemed.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct RedeemLease {
    /// The text that the member was given.
    #[schema(value_type = String)]
    lease: Opaque,
}

/// Redeem a lease
///
/// For a solver: whoever holds that role in the organization that owns the token, or above it, and has not made the lease.
/// The answer has the credential in it, this once: nothing of it is kept, so there is no `Idempotency-Key` here, and whoever
/// loses the answer needs a new lease. Before, it is checked that the member may still use the token, and room is reserved
/// in the limits: a lease that is refused for a limit is not spent.
#[utoipa::path(post, path = "/v1/leases/redeem", tag = "leases", request_body = RedeemLease,
    responses((status = 200, description = "the credential", body = RedeemedLease)))]
async fn redeem_lease(
    gate: InBody<Redeem>,
    State(state): State<AppState>,
    Body(body): Body<RedeemLease>,
) -> Result<Response> {
    let digest = LeaseToken::parse(&body.lease.0).map_err(|_| Refusal::InvalidLease)?.digest();
    let organization = state.repository.leased_in(&digest).await?.ok_or(Refusal::InvalidLease)?;
    let grant = gate.admit(&state, organization).await?;
    let estimate = |name: &ProviderName| state.settings.providers.estimate(name);
    let answer = state.broker.redeem(&grant, &digest, estimate).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    // Zeroed when the last of it has been handed to the connection.
    Ok((headers, AnswerBody::from(Bytes::from_owner(answer))).into_response())
}

/// What was used with a lease.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct ReportLeaseUsage {
    /// In the provider's native unit (see `GET /v1/providers`).
    #[schema(value_type = i64, minimum = 0, maximum = 1_000_000_000_000_000_u64)]
    used: ReportedAmount,
    /// The provider's own name for the job.
    #[deserr(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    job_id: Option<ProviderJobName>,
}

/// What is booked for a lease.
#[derive(Serialize, ToSchema)]
struct LeaseUsage {
    /// The lease.
    #[schema(value_type = Uuid)]
    lease_id: LeaseId,
    /// In the provider's native unit.
    used: i64,
}

/// Report what was used with a lease
///
/// For the solver who redeemed it, within 24 hours; afterwards what was reserved is booked. It is booked once: the same figure
/// again is no error, another one is.
#[utoipa::path(post, path = "/v1/leases/{lease}/usage", tag = "leases",
    params(("lease" = Uuid, Path, description = "the lease's id")), request_body = ReportLeaseUsage,
    responses((status = 200, description = "what is booked", body = LeaseUsage)))]
async fn report_lease_usage(
    grant: Grant<Report>,
    State(state): State<AppState>,
    Path(lease_id): Path<LeaseId>,
    Body(body): Body<ReportLeaseUsage>,
) -> Result<Json<LeaseUsage>> {
    let used = body.used.0;
    state.repository.report_usage(&grant, lease_id, used, body.job_id.as_ref()).await?;
    Ok(Json(LeaseUsage { lease_id, used }))
}
