//! Tokens of the generations with a key: by name.
//!
//! A name is looked up first, and what follows is done to the token that had it: a rename in between does not turn a
//! deletion against another token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::MethodFilter;

use super::input::Body;
use super::kind::{Kind, Private, Shared};
use super::token::{CreateToken, NamedToken, RenameToken};
use crate::authorization::{Action, Grant};
use crate::domain::{QpuTokenId, TokenName};
use crate::http::gate::AtHome;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, GatedRoute};
use crate::http::state::AppState;
use crate::repository::Precondition;

pub fn routes(api: Api, mount: &str) -> Api {
    routes_of::<Private>(routes_of::<Shared>(api, mount), mount)
}

fn routes_of<K: Kind>(api: Api, mount: &str) -> Api {
    let all = format!("{mount}/qpu-tokens/{}", K::WORD);
    let one = format!("{all}/{{name}}");
    api.route(GatedRoute::undocumented(MethodFilter::POST, &all, create::<K>))
        .route(GatedRoute::undocumented(MethodFilter::GET, &one, get::<K>))
        .route(GatedRoute::undocumented(MethodFilter::PATCH, &one, rename::<K>))
        .route(GatedRoute::undocumented(MethodFilter::DELETE, &one, delete::<K>))
}

async fn create<K: Kind>(
    AtHome(grant): AtHome<K::Create>,
    State(state): State<AppState>,
    Body(body): Body<CreateToken>,
) -> Result<(StatusCode, Json<NamedToken>)> {
    let new = body.accepted_by(&state.settings.providers, K::INHERITED)?;
    let token = state.repository.create_token(&grant, new).await?;
    Ok((StatusCode::CREATED, Json(token.into())))
}

async fn get<K: Kind>(
    AtHome(grant): AtHome<K::Read>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
) -> Result<Json<NamedToken>> {
    Ok(Json(state.repository.token_by_name(&grant, &name, true).await?.into()))
}

async fn rename<K: Kind>(
    AtHome(grant): AtHome<K::Update>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
    Body(body): Body<RenameToken>,
) -> Result<Json<NamedToken>> {
    let id = owned::<K, _>(&state, &grant, &name).await?;
    let token = state.repository.update_token(&grant, id, &body.into(), Precondition::default()).await?;
    Ok(Json(token.into()))
}

async fn delete<K: Kind>(
    AtHome(grant): AtHome<K::Delete>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
) -> Result<StatusCode> {
    let id = owned::<K, _>(&state, &grant, &name).await?;
    state.repository.delete_token(&grant, id, Precondition::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token of this name that is to be changed: never one that the organization only inherits.
pub async fn owned<K: Kind, A: Action>(state: &AppState, grant: &Grant<A>, name: &TokenName) -> Result<QpuTokenId> {
    let grant = grant.also::<K::Read>()?;
    Ok(state.repository.token_by_name(&grant, name, false).await?.id)
}
