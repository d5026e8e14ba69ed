//! The log-in of the oldest generation: the password form of OAuth 2 (RFC 6749 §4.3). Its client knows no refresh tokens;
//! when the access token has expired it logs in again.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::MethodFilter;
use deserr::Deserr;
use serde::Serialize;

use super::input::Form;
use crate::authentication::Password;
use crate::domain::EmailAddress;
use crate::http::gate::Public;
use crate::http::input::Violations;
use crate::http::problem::Result;
use crate::http::routing::{Api, GatedRoute};
use crate::http::state::AppState;
use crate::http::{login, origin};

/// Not below [`super::LOGIN_MOUNT`], unlike the rest.
pub const PATH: &str = "/accessToken";

pub fn routes(api: Api) -> Api {
    api.route(GatedRoute::undocumented(MethodFilter::POST, PATH, log_in))
}

/// Who logs in.
#[derive(Deserr)]
#[deserr(error = Violations)]
struct Credentials {
    username: EmailAddress,
    password: Password,
}

/// What the log-in gives.
#[derive(Serialize)]
struct LoggedIn {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
}

async fn log_in(
    _: Public,
    State(state): State<AppState>,
    origin::From(origin): origin::From,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Result<Json<LoggedIn>> {
    let login = login::log_in(&state, origin, &headers, &credentials.username, credentials.password).await?;
    Ok(Json(LoggedIn {
        access_token: state.access_tokens.issue(login.user, login.session, state.repository.clock().now())?,
        token_type: "Bearer",
        expires_in: state.access_tokens.lifetime().num_seconds(),
    }))
}
