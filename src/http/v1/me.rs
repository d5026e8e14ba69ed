//! The caller's own account.

use axum::extract::State;
use axum::http::StatusCode;
use deserr::Deserr;
use utoipa::ToSchema;

use crate::authentication::{NewPassword, Password};
use crate::authorization::action::account;
use crate::authorization::{Authenticator, Grant};
use crate::domain::{Account, OrganizationId, PersonName};
use crate::http::etag::{IfMatch, Tagged};
use crate::http::input::{Body, Violations};
use crate::http::login;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::Optional;
use crate::repository::AccountChange;

pub fn routes(api: Api) -> Api {
    api.route(route!(get_me)).route(route!(update_me)).route(route!(change_password))
}

/// View the own account
#[utoipa::path(get, path = "/v1/me", tag = "me",
    responses((status = 200, description = "account, memberships with roles and tree path", body = Account)))]
async fn get_me(grant: Grant<account::Read>, State(state): State<AppState>) -> Result<Tagged<Account>> {
    Ok(Tagged(state.repository.account(&grant).await?))
}

/// What can be changed of the own account.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct UpdateMe {
    /// Given name.
    #[deserr(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    given_name: Optional<PersonName>,
    /// Family name.
    #[deserr(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    family_name: Optional<PersonName>,
    /// One of the own organizations.
    #[deserr(default)]
    #[schema(value_type = uuid::Uuid, required = false)]
    home_organization_id: Optional<OrganizationId>,
}

/// Change the own account
///
/// Names, and the organization that is meant where none is named.
#[utoipa::path(patch, path = "/v1/me", tag = "me", params(IfMatch), request_body = UpdateMe,
    responses((status = 200, description = "the account", body = Account)))]
async fn update_me(
    grant: Grant<account::Update>,
    State(state): State<AppState>,
    IfMatch(precondition): IfMatch,
    Body(body): Body<UpdateMe>,
) -> Result<Tagged<Account>> {
    let wanted = AccountChange {
        given_name: body.given_name.0,
        family_name: body.family_name.0,
        home_organization: body.home_organization_id.0,
    };
    Ok(Tagged(state.repository.update_account(&grant, &wanted, precondition).await?))
}

/// Old and new password.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct ChangePassword {
    /// The present one.
    #[schema(value_type = String, format = Password)]
    current_password: Password,
    /// The next one: 12 to 256 characters.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    new_password: NewPassword,
}

/// Change the own password
///
/// All other sessions end. Attempts with a wrong present password are limited like log-ins.
#[utoipa::path(put, path = "/v1/me/password", tag = "me", request_body = ChangePassword,
    responses((status = 204, description = "the password is changed")))]
async fn change_password(
    grant: Grant<account::ChangePassword>,
    State(state): State<AppState>,
    Body(body): Body<ChangePassword>,
) -> Result<StatusCode> {
    let email = state.repository.account(&grant.also()?).await?.email;
    login::verify(&state, grant.origin(), &email, body.current_password).await?;
    let password = state.passwords.hash(body.new_password).await?;
    let keep = match grant.authenticator() {
        Some(Authenticator::Session(id)) => Some(*id),
        _ => None,
    };
    state.repository.change_password(&grant, &password, keep).await?;
    Ok(StatusCode::NO_CONTENT)
}
