//! Who is asking: version 1 asks in its constructor, to try the key.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::Serialize;

use crate::authorization::Grant;
use crate::authorization::action::account;
use crate::domain::MembershipStatus;
use crate::http::problem::Result;
use crate::http::routing::{Api, GatedRoute};
use crate::http::state::AppState;

pub fn routes(api: Api, mount: &str) -> Api {
    api.route(GatedRoute::undocumented(MethodFilter::GET, &format!("{mount}/users/me"), me))
}

/// The caller.
#[derive(Serialize)]
struct Me {
    email: String,
    first_name: String,
    last_name: String,
    /// There is no such thing here, but the SDK wants the list.
    groups: [String; 0],
    /// Names of the organizations that the caller is an active member of.
    orgs: Vec<String>,
}

async fn me(grant: Grant<account::Read>, State(state): State<AppState>) -> Result<Json<Me>> {
    let account = state.repository.account(&grant).await?;
    let active = account.memberships.into_iter().filter(|membership| membership.status == MembershipStatus::Active);
    Ok(Json(Me {
        email: account.email,
        first_name: account.given_name,
        last_name: account.family_name,
        groups: [],
        orgs: active.map(|membership| membership.name).collect(),
    }))
}
