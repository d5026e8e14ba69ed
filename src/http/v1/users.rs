//! An organization's users.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use super::invitations::IssuedInvitation;
use crate::authentication::InvitationToken;
use crate::authorization::Grant;
use crate::authorization::action::users::{Create, Delete, List, Read, Update};
use crate::domain::{EmailAddress, Page, PersonName, Role, User, UserReference, UserStatus};
use crate::http::etag::{Created, IfMatch, Tagged};
use crate::http::input::{Body, Query, Violations};
use crate::http::page::list_query;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::Optional;
use crate::repository::{NewUser, UserChange, UserFilter};

pub fn routes(api: Api) -> Api {
    api.route(route!(list_users))
        .route(route!(add_user))
        .route(route!(get_user))
        .route(route!(update_user))
        .route(route!(remove_user))
}

list_query! {
    /// Which users.
    struct ListQuery {
        /// Only those in this state.
        #[deserr(default)]
        #[param(value_type = Option<UserStatus>)]
        status: Option<UserStatus>,
        /// Only those who hold this role here.
        #[deserr(default)]
        #[param(value_type = Option<Role>)]
        role: Option<Role>,
    }
}

/// View all users
#[utoipa::path(get, path = "/v1/organizations/{organization}/users", tag = "users",
    params(("organization" = Uuid, Path, description = "the organization's id"), ListQuery),
    responses((status = 200, description = "a page of users", body = Page<User>)))]
async fn list_users(
    grant: Grant<List>,
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<User>>> {
    let filter = UserFilter { status: query.status, role: query.role };
    Ok(Json(state.repository.users(&grant, &filter, query.page()).await?))
}

/// Somebody to be added.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct AddUser {
    /// Where the invitation goes, and the log-in name.
    #[schema(value_type = String, format = Email, max_length = 254)]
    email: EmailAddress,
    /// Given name.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    given_name: PersonName,
    /// Family name.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    family_name: PersonName,
}

/// A user who was added, and the invitation to be accepted.
#[derive(Serialize, ToSchema)]
struct AddedUser {
    #[serde(flatten)]
    user: User,
    /// Shown once.
    invitation: IssuedInvitation,
}

/// Add a user
///
/// The user is invited until the invitation is accepted. Somebody who has an account already keeps its name and password.
#[utoipa::path(post, path = "/v1/organizations/{organization}/users", tag = "users",
    params(("organization" = Uuid, Path, description = "the organization's id")), request_body = AddUser,
    responses((status = 201, description = "the user and the invitation", body = AddedUser)))]
async fn add_user(
    grant: Grant<Create>,
    State(state): State<AppState>,
    Body(body): Body<AddUser>,
) -> Result<Created<AddedUser>> {
    let token = InvitationToken::generate()?;
    let new = NewUser { email: body.email, given_name: body.given_name, family_name: body.family_name };
    let lifetime = state.settings.invitation_lifetime;
    let (user, invitation) = state.repository.add_user(&grant, &new, &token.digest(), lifetime).await?;
    let location = format!("/v1/organizations/{}/users/{}", user.organization_id, user.id);
    let invitation = IssuedInvitation::new(&invitation, token, &state.settings);
    Ok(Created { location, version: user.version, body: AddedUser { user, invitation } })
}

/// View a user
///
/// Admins and auditors see everyone; members see themselves.
#[utoipa::path(get, path = "/v1/organizations/{organization}/users/{user}", tag = "users",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("user" = String, Path, description = "the user's id or e-mail address")),
    responses((status = 200, description = "the user", body = User)))]
async fn get_user(
    grant: Grant<Read>,
    State(state): State<AppState>,
    Path(user): Path<UserReference>,
) -> Result<Tagged<User>> {
    Ok(Tagged(state.repository.user(&grant, &user).await?))
}

/// What can be changed of a user.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct UpdateUser {
    /// Given name.
    #[deserr(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    given_name: Optional<PersonName>,
    /// Family name.
    #[deserr(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    family_name: Optional<PersonName>,
    /// `disabled` ends all sessions and keys at once; `active` lets the user log in again.
    #[deserr(default)]
    #[schema(value_type = UserStatus, required = false)]
    status: Optional<UserStatus>,
}

/// Change a user
///
/// Name and status belong to the account, and so to the admins of the user's home organization and of those above it.
#[utoipa::path(patch, path = "/v1/organizations/{organization}/users/{user}", tag = "users",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"), IfMatch), request_body = UpdateUser,
    responses((status = 200, description = "the user", body = User)))]
async fn update_user(
    grant: Grant<Update>,
    State(state): State<AppState>,
    Path(user): Path<UserReference>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<UpdateUser>,
) -> Result<Tagged<User>> {
    let wanted = UserChange { given_name: body.given_name.0, family_name: body.family_name.0, status: body.status.0 };
    Ok(Tagged(state.repository.update_user(&grant, &user, &wanted, precondition).await?))
}

/// Remove a user
///
/// Works on the very next request. Removed from the last organization, the account is closed: sessions and keys end,
/// personal tokens are destroyed.
#[utoipa::path(delete, path = "/v1/organizations/{organization}/users/{user}", tag = "users",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("user" = String, Path, description = "the user's id or e-mail address"), IfMatch),
    responses((status = 204, description = "the user is removed")))]
async fn remove_user(
    grant: Grant<Delete>,
    State(state): State<AppState>,
    Path(user): Path<UserReference>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode> {
    state.repository.remove_user(&grant, &user, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
