//! Tokens of the generation with a password: looked up by name, changed by id.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::MethodFilter;

use super::input::Body;
use super::kind::{Kind, Private, Shared};
use super::token::{CreateToken, IdentifiedToken, RenameToken};
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
    let all = format!("{mount}/qpu-tokens/{}", K::LOGIN_WORD);
    let (named, one) = (format!("{all}/by_name/{{name}}"), format!("{all}/{{token}}"));
    api.route(GatedRoute::undocumented(MethodFilter::POST, &all, create::<K>))
        .route(GatedRoute::undocumented(MethodFilter::GET, &named, get_by_name::<K>))
        .route(GatedRoute::undocumented(MethodFilter::PUT, &one, rename::<K>))
        .route(GatedRoute::undocumented(MethodFilter::DELETE, &one, delete::<K>))
}

async fn create<K: Kind>(
    AtHome(grant): AtHome<K::Create>,
    State(state): State<AppState>,
    Body(body): Body<CreateToken>,
) -> Result<(StatusCode, Json<IdentifiedToken>)> {
    let new = body.accepted_by(&state.settings.providers, K::INHERITED)?;
    let token = state.repository.create_token(&grant, new).await?;
    Ok((StatusCode::CREATED, Json(token.into())))
}

async fn get_by_name<K: Kind>(
    AtHome(grant): AtHome<K::Read>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
) -> Result<Json<IdentifiedToken>> {
    Ok(Json(state.repository.token_by_name(&grant, &name, true).await?.into()))
}

async fn rename<K: Kind>(
    AtHome(grant): AtHome<K::Update>,
    State(state): State<AppState>,
    Path(id): Path<QpuTokenId>,
    Body(body): Body<RenameToken>,
) -> Result<Json<IdentifiedToken>> {
    let token = state.repository.update_token(&grant, id, &body.into(), Precondition::default()).await?;
    Ok(Json(token.into()))
}

async fn delete<K: Kind>(
    AtHome(grant): AtHome<K::Delete>,
    State(state): State<AppState>,
    Path(id): Path<QpuTokenId>,
) -> Result<StatusCode> {
    state.repository.delete_token(&grant, id, Precondition::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
