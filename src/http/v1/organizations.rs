//! The tree of organizations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deserr::Deserr;
use utoipa::ToSchema;

use crate::authorization::Grant;
use crate::authorization::action::organizations::{Create, Delete, List, Read, Update};
use crate::domain::{Organization, OrganizationId, OrganizationName, Page, Refusal};
use crate::http::etag::{Created, IfMatch, Tagged};
use crate::http::gate::{Caller, InBody, admit_to};
use crate::http::input::{Body, Query, Violations};
use crate::http::page::list_query;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::Optional;
use crate::repository::OrganizationChange;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_organizations))
        .route(route!(create_organization))
        .route(route!(get_organization))
        .route(route!(update_organization))
        .route(route!(delete_organization))
}

list_query! {
    /// Which organizations.
    struct ListQuery {
        /// Only those directly below this one.
        #[deserr(default)]
        #[param(value_type = Option<Uuid>)]
        parent_id: Option<OrganizationId>,
    }
}

/// List organizations
///
/// Those that the caller may see: the own ones, those above them, and everything below a role that the caller holds.
#[utoipa::path(get, path = "/v1/organizations", tag = "organizations", params(ListQuery),
    responses((status = 200, description = "a page of organizations", body = Page<Organization>)))]
async fn list_organizations(
    grant: Grant<List>,
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Organization>>> {
    Ok(Json(state.repository.organizations(&grant, query.parent_id, query.page()).await?))
}

/// An organization to be created.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct CreateOrganization {
    /// Unique among siblings.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    name: OrganizationName,
    /// Where in the tree.
    #[schema(value_type = Uuid)]
    parent_id: OrganizationId,
}

/// Create an organization
///
/// Admins of the parent may. The creator becomes the new organization's first member and admin.
#[utoipa::path(post, path = "/v1/organizations", tag = "organizations", request_body = CreateOrganization,
    responses((status = 201, description = "the organization", body = Organization)))]
async fn create_organization(
    gate: InBody<Create>,
    State(state): State<AppState>,
    Body(body): Body<CreateOrganization>,
) -> Result<Created<Organization>> {
    let grant = gate.admit(&state, body.parent_id).await?;
    let organization = state.repository.create_organization(&grant, &body.name).await?;
    let location = format!("/v1/organizations/{}", organization.id);
    Ok(Created { location, version: organization.version, body: organization })
}

/// View an organization
#[utoipa::path(get, path = "/v1/organizations/{organization}", tag = "organizations",
    params(("organization" = Uuid, Path, description = "the organization's id")),
    responses((status = 200, description = "the organization", body = Organization)))]
async fn get_organization(grant: Grant<Read>, State(state): State<AppState>) -> Result<Tagged<Organization>> {
    Ok(Tagged(state.repository.organization(&grant).await?))
}

/// What can be changed of an organization.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct UpdateOrganization {
    /// A new name.
    #[deserr(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Optional<OrganizationName>,
    /// A new place in the tree.
    #[deserr(default)]
    #[schema(value_type = Uuid, required = false)]
    parent_id: Optional<OrganizationId>,
}

/// Rename or move an organization
///
/// Moving needs the admin role at both ends: in the old parent and in the new one.
#[utoipa::path(patch, path = "/v1/organizations/{organization}", tag = "organizations",
    params(("organization" = Uuid, Path, description = "the organization's id"), IfMatch), request_body = UpdateOrganization,
    responses((status = 200, description = "the organization", body = Organization)))]
async fn update_organization(
    grant: Grant<Update>,
    caller: Caller,
    State(state): State<AppState>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<UpdateOrganization>,
) -> Result<Tagged<Organization>> {
    let parent = match body.parent_id.0 {
        None => None,
        Some(to) => {
            let present = state.repository.organization(&grant.also()?).await?;
            let from = present.parent_id.ok_or(Refusal::RootIsFixed)?;
            Some((admit_to(&caller, &state, from).await?, admit_to(&caller, &state, to).await?))
        }
    };
    let wanted = OrganizationChange { name: body.name.0, parent };
    Ok(Tagged(state.repository.update_organization(&grant, wanted, precondition).await?))
}

/// Delete an organization
///
/// One without others below it. Its tokens are destroyed, and accounts that were in no other organization are closed.
#[utoipa::path(delete, path = "/v1/organizations/{organization}", tag = "organizations",
    params(("organization" = Uuid, Path, description = "the organization's id"), IfMatch),
    responses((status = 204, description = "the organization is gone")))]
async fn delete_organization(
    grant: Grant<Delete>,
    State(state): State<AppState>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode> {
    state.repository.delete_organization(&grant, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
