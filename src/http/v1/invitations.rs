//! Invitations: from being added to being a member.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authentication::{InvitationToken, NewPassword, Password};
use crate::authorization::Grant;
use crate::authorization::action::invitations::{Accept, Delete, List, Resend};
use crate::domain::{Invitation, InvitationId, Page, Refusal, User};
use crate::http::gate::Public;
use crate::http::input::{Body, Query, Violations};
use crate::http::login;
use crate::http::origin;
use crate::http::page::PageQuery;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::{AppState, Settings};
use crate::http::value::Opaque;
use crate::repository::Acceptance;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_invitations))
        .route(route!(resend_invitation))
        .route(route!(delete_invitation))
        .route(route!(accept_invitation))
}

/// An invitation with its one-time token.
#[derive(Serialize, ToSchema)]
pub struct IssuedInvitation {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: InvitationId,
    /// It cannot be accepted afterwards, only sent anew.
    expires_at: DateTime<Utc>,
    /// Where the invited person accepts. Shown once: hand it over yourself, no mail is sent.
    link: String,
    /// The token in the link, for `POST /v1/invitations/accept`. Shown once.
    token: String,
}

impl IssuedInvitation {
    /// Shows the token, once.
    pub fn new(invitation: &Invitation, token: InvitationToken, settings: &Settings) -> Self {
        let token = token.into_text().to_string();
        // In the fragment, which browsers do not send: it stays out of logs and of `Referer`.
        let link = format!("{}/accept-invitation#token={token}", settings.public_url);
        Self { id: invitation.id, expires_at: invitation.expires_at, link, token }
    }
}

/// List the pending invitations
#[utoipa::path(get, path = "/v1/organizations/{organization}/invitations", tag = "invitations",
    params(("organization" = Uuid, Path, description = "the organization's id"), PageQuery),
    responses((status = 200, description = "a page of invitations", body = Page<Invitation>)))]
async fn list_invitations(
    grant: Grant<List>,
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Invitation>>> {
    Ok(Json(state.repository.invitations(&grant, query.page()).await?))
}

/// Send an invitation anew
///
/// Makes a new link with a new expiry; the old one stops working.
#[utoipa::path(post, path = "/v1/organizations/{organization}/invitations/{invitation}/resend", tag = "invitations",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("invitation" = Uuid, Path, description = "the invitation's id")),
    responses((status = 200, description = "the invitation with its new link", body = IssuedInvitation)))]
async fn resend_invitation(
    grant: Grant<Resend>,
    State(state): State<AppState>,
    Path(id): Path<InvitationId>,
) -> Result<Json<IssuedInvitation>> {
    let token = InvitationToken::generate()?;
    let lifetime = state.settings.invitation_lifetime;
    let invitation = state.repository.resend_invitation(&grant, id, &token.digest(), lifetime).await?;
    Ok(Json(IssuedInvitation::new(&invitation, token, &state.settings)))
}

/// Withdraw an invitation
#[utoipa::path(delete, path = "/v1/organizations/{organization}/invitations/{invitation}", tag = "invitations",
    params(("organization" = Uuid, Path, description = "the organization's id"),
           ("invitation" = Uuid, Path, description = "the invitation's id")),
    responses((status = 204, description = "the invitation is gone, and the membership that waited for it")))]
async fn delete_invitation(
    grant: Grant<Delete>,
    State(state): State<AppState>,
    Path(id): Path<InvitationId>,
) -> Result<StatusCode> {
    state.repository.delete_invitation(&grant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation to be accepted.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct AcceptInvitation {
    /// The one-time token of the link.
    #[schema(value_type = String)]
    token: Opaque,
    /// A new account's first password (12 to 256 characters); for an account that is active already, its own.
    #[schema(value_type = String, format = Password)]
    password: Opaque,
}

/// Accept an invitation
///
/// Makes the membership active. A new account gets its password here; an account that exists must prove its own, so that
/// whoever adds somebody cannot take the account over.
#[utoipa::path(post, path = "/v1/invitations/accept", tag = "invitations", request_body = AcceptInvitation,
    responses((status = 200, description = "the user, now active", body = User)))]
async fn accept_invitation(
    _: Public,
    State(state): State<AppState>,
    origin::From(origin): origin::From,
    Body(body): Body<AcceptInvitation>,
) -> Result<Json<User>> {
    let token = InvitationToken::parse(&body.token.0).map_err(|_| Refusal::InvalidInvitation)?;
    let grant = Grant::<Accept>::holder(token.digest(), origin);
    let invitee = state.repository.invitee(&grant).await?;
    let acceptance = if invitee.active {
        let (_, own) = login::verify(&state, grant.origin(), &invitee.email, Password::new(body.password.0)).await?;
        Acceptance::OwnPassword(own)
    } else {
        Acceptance::NewPassword(state.passwords.hash(NewPassword::new(body.password.0)?).await?)
    };
    Ok(Json(state.repository.accept_invitation(&grant, &acceptance).await?))
}
