//! Roles: what there are, who holds them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authorization::Grant;
use crate::authorization::action::{self, roles};
use crate::domain::{Role, User, UserReference};
use crate::http::etag::{IfMatch, Tagged};
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_roles)).route(route!(assign_role)).route(route!(revoke_role))
}

/// A role and what it lets its holder do.
#[derive(Serialize, ToSchema)]
struct RoleDescription {
    /// The role.
    role: Role,
    /// What it is for.
    description: &'static str,
    /// What it lets its holder do, in the organization where it is held and in everything below it.
    permissions: Vec<&'static str>,
}

/// All roles.
#[derive(Serialize, ToSchema)]
struct RoleList {
    /// The roles.
    items: Vec<RoleDescription>,
}

const fn description(role: Role) -> &'static str {
    match role {
        Role::Admin => "manages organizations below, users, roles, tokens and limits",
        Role::Auditor => "reads the audit log, usage and the directory",
        Role::Solver => "redeems leases; given only by admins of the root",
    }
}

/// List the roles
///
/// The built-in roles and what each may do. A role counts where it is held and in everything below.
#[utoipa::path(get, path = "/v1/roles", tag = "roles",
    responses((status = 200, description = "the roles", body = RoleList)))]
async fn list_roles(_: Grant<roles::List>) -> Json<RoleList> {
    let describe = |role: &Role| RoleDescription {
        role: *role,
        description: description(*role),
        permissions: action::ALL
            .iter()
            .filter(|permission| permission.rule.allows(*role))
            .map(|permission| permission.name)
            .collect(),
    };
    Json(RoleList { items: Role::ALL.iter().map(describe).collect() })
}

/// Assign a role
///
/// Again has no further effect. `solver` may be given by admins of the root only.
#[utoipa::path(put, path = "/v1/organizations/{organization}/users/{user}/roles/{role}", tag = "roles",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"),
           ("role" = Role, Path, description = "the role"), IfMatch),
    responses((status = 200, description = "the user, with the roles that are held now", body = User)))]
async fn assign_role(
    grant: Grant<roles::Assign>,
    State(state): State<AppState>,
    Path(user): Path<UserReference>,
    Path(role): Path<Role>,
    IfMatch(precondition): IfMatch,
) -> Result<Tagged<User>> {
    Ok(Tagged(state.repository.assign_role(&grant, &user, role, precondition).await?))
}

/// Revoke a role
///
/// Works on the very next request; again has no further effect. The last active admin of an organization stays.
#[utoipa::path(delete, path = "/v1/organizations/{organization}/users/{user}/roles/{role}", tag = "roles",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"),
           ("role" = Role, Path, description = "the role"), IfMatch),
    responses((status = 204, description = "the role is not held any more")))]
async fn revoke_role(
    grant: Grant<roles::Revoke>,
    State(state): State<AppState>,
    Path(user): Path<UserReference>,
    Path(role): Path<Role>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode> {
    state.repository.revoke_role(&grant, &user, role, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
