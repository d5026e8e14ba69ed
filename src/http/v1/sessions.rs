//! Logging in and out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authentication::{Password, RefreshToken};
use crate::authorization::Grant;
use crate::authorization::action::sessions;
use crate::domain::{EmailAddress, Page, Refusal, Session, SessionId, UserId};
use crate::http::gate::Public;
use crate::http::input::{Body, Query, Violations};
use crate::http::page::PageQuery;
use crate::http::path::{Path, SessionReference};
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::Opaque;
use crate::http::{login, origin};

pub fn routes(api: Api) -> Api {
    api.route(route!(create_session))
        .route(route!(refresh_session))
        .route(route!(list_sessions))
        .route(route!(delete_session))
}

/// Who logs in.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct Credentials {
    /// Log-in name.
    #[schema(value_type = String, format = Email, max_length = 254)]
    email: EmailAddress,
    /// The account's password.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// A refresh token to be spent.
#[derive(Deserr, ToSchema)]
#[deserr(error = Violations, deny_unknown_fields)]
struct Refresh {
    /// The newest one of the session. One that was spent before ends the session.
    #[schema(value_type = String)]
    refresh_token: Opaque,
}

/// What a log-in gives.
#[derive(Serialize, ToSchema)]
struct Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: i64,
    /// For `POST /v1/sessions/refresh`, once.
    refresh_token: String,
}

/// Log in
///
/// Opens a session. Failed attempts are limited per account and address; an address from which the account was logged in
/// to before is not affected by failures elsewhere.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = Credentials,
    responses((status = 200, description = "the session's tokens", body = Tokens)))]
async fn create_session(
    _: Public,
    State(state): State<AppState>,
    origin::From(origin): origin::From,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<Json<Tokens>> {
    let login = login::log_in(&state, origin, &headers, &credentials.email, credentials.password).await?;
    tokens(&state, login.user, login.session, login.refresh).map(Json)
}

/// Go on with a session
///
/// Spends the refresh token for a new pair of tokens.
#[utoipa::path(post, path = "/v1/sessions/refresh", tag = "sessions", request_body = Refresh,
    responses((status = 200, description = "the session's new tokens", body = Tokens)))]
async fn refresh_session(
    _: Public,
    State(state): State<AppState>,
    origin::From(origin): origin::From,
    Body(body): Body<Refresh>,
) -> Result<Json<Tokens>> {
    let held = RefreshToken::parse(&body.refresh_token.0)
        .map_err(|_| Refusal::Unauthenticated("the refresh token is unknown, used or expired"))?;
    let next = RefreshToken::generate()?;
    let grant = Grant::<sessions::Refresh>::holder(held.digest(), origin);
    let refreshed = state.repository.refresh_session(&grant, &next.digest()).await?;
    tokens(&state, refreshed.user, refreshed.session, next).map(Json)
}

fn tokens(state: &AppState, user: UserId, session: SessionId, refresh: RefreshToken) -> Result<Tokens> {
    Ok(Tokens {
        access_token: state.access_tokens.issue(user, session, state.repository.clock().now())?,
        token_type: "Bearer",
        expires_in: state.access_tokens.lifetime().num_seconds(),
        refresh_token: refresh.into_text().to_string(),
    })
}

/// List the own sessions
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(PageQuery),
    responses((status = 200, description = "the account's live sessions", body = Page<Session>)))]
async fn list_sessions(
    grant: Grant<sessions::List>,
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Session>>> {
    Ok(Json(state.repository.sessions(&grant, query.page()).await?))
}

/// Log out
///
/// Ends a session at once; `current` names the one that asks.
#[utoipa::path(delete, path = "/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path, description = "the session's id, or `current`")),
    responses((status = 204, description = "the session has ended")))]
async fn delete_session(
    grant: Grant<sessions::Delete>,
    State(state): State<AppState>,
    Path(SessionReference(session)): Path<SessionReference>,
) -> Result<StatusCode> {
    state.repository.delete_session(&grant, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
