//! Why somebody may use a token, or not.

use axum::Json;
use axum::extract::State;
use deserr::Deserr;
use utoipa::IntoParams;

use crate::authorization::Grant;
use crate::authorization::action::qpu_tokens::ReadAccess;
use crate::domain::{Access, ProviderName, QpuTokenId, UserReference};
use crate::http::input::{Query, Violations};
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;

pub fn routes(api: Api) -> Api {
    api.route(route!(get_qpu_token_access))
}

/// About whom.
#[derive(Deserr, IntoParams)]
#[deserr(error = Violations, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AccessQuery {
    /// A user's id or e-mail address; oneself, if left out. Others are for admins to ask about.
    #[deserr(default)]
    #[param(value_type = Option<String>)]
    user: Option<UserReference>,
}

/// Explain who may use a QPU token
///
/// Whether a user may use the token right now, and why: the way through the tree, what stands in the way, and what is left
/// of the limits. It is decided as where the token is used. A job that is larger than what is left is refused all the same, and so is
/// one of unknown size where less than the `estimate` is left.
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}/access", tag = "usage",
    params(("organization" = Uuid, Path, description = "the id of the organization that owns the token"),
           ("token" = Uuid, Path, description = "the token's id"), AccessQuery),
    responses((status = 200, description = "whether, and why", body = Access)))]
async fn get_qpu_token_access(
    grant: Grant<ReadAccess>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Query(query): Query<AccessQuery>,
) -> Result<Json<Access>> {
    let estimate = |name: &ProviderName| state.settings.providers.estimate(name);
    Ok(Json(state.repository.access(&grant, token, query.user.as_ref(), estimate).await?))
}
