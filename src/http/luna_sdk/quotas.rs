//! Time quotas of the generations with a key: limits on the organization's own tokens, for all of it or for one user.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::MethodFilter;
use deserr::Deserr;

use super::input::{Body, Time};
use super::kind::Shared;
use super::token::TimeQuota;
use super::tokens_by_name::owned;
use crate::authorization::action::quotas::{Delete, Read, ReadUser, Write};
use crate::domain::{TokenName, UserReference};
use crate::http::gate::AtHome;
use crate::http::input::Violations;
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, GatedRoute};
use crate::http::state::AppState;
use crate::http::value::Amount;
use crate::repository::{Precondition, QuotaChange, QuotaSubject};

pub fn routes(api: Api, mount: &str) -> Api {
    let group = format!("{mount}/qpu-tokens/shared/quota/group/{{name}}");
    let user = format!("{mount}/qpu-tokens/shared/quota/user/{{name}}/{{user}}");
    let api = api
        .route(GatedRoute::undocumented(MethodFilter::GET, &group, get_of_group))
        .route(GatedRoute::undocumented(MethodFilter::GET, &user, get_of_user));
    writes_of::<OneUser>(writes_of::<Group>(api, &group), &user)
}

fn writes_of<S>(api: Api, path: &str) -> Api
where
    S: FromRequestParts<AppState> + Into<QuotaSubject> + Send + 'static,
{
    api.route(GatedRoute::undocumented(MethodFilter::POST, path, create::<S>))
        .route(GatedRoute::undocumented(MethodFilter::PATCH, path, update::<S>))
        .route(GatedRoute::undocumented(MethodFilter::DELETE, path, delete::<S>))
}

/// The whole organization is limited; the path names nobody.
struct Group;

/// The user that the path names is limited.
type OneUser = Path<UserReference>;

impl FromRequestParts<AppState> for Group {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl From<Group> for QuotaSubject {
    fn from(_: Group) -> Self {
        Self::Everyone
    }
}

impl From<OneUser> for QuotaSubject {
    fn from(Path(user): OneUser) -> Self {
        Self::User(user)
    }
}

/// A quota to be set. What is `null` takes its default.
#[derive(Deserr)]
#[deserr(error = Violations)]
struct CreateQuota {
    quota: Amount,
    #[deserr(default)]
    start: Option<Time>,
    #[deserr(default)]
    end: Option<Time>,
}

/// A change of a quota. What is `null` stays.
#[derive(Deserr)]
#[deserr(error = Violations)]
struct UpdateQuota {
    #[deserr(default)]
    quota: Option<Amount>,
    #[deserr(default)]
    start: Option<Time>,
    #[deserr(default)]
    end: Option<Time>,
}

impl From<CreateQuota> for QuotaChange {
    fn from(CreateQuota { quota, start, end }: CreateQuota) -> Self {
        UpdateQuota { quota: Some(quota), start, end }.into()
    }
}

impl From<UpdateQuota> for QuotaChange {
    fn from(body: UpdateQuota) -> Self {
        let (start, end) = (body.start.map(|time| time.0), body.end.map(|time| time.0));
        Self { quota: body.quota.map(|amount| amount.0), start, end }
    }
}

async fn get_of_group(
    AtHome(grant): AtHome<Read>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
) -> Result<Json<Option<TimeQuota>>> {
    let token = owned::<Shared, _>(&state, &grant, &name).await?;
    Ok(Json(state.repository.quota(&grant, token).await?.map(TimeQuota::from)))
}

async fn get_of_user(
    AtHome(grant): AtHome<ReadUser>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
    Path(user): OneUser,
) -> Result<Json<Option<TimeQuota>>> {
    let token = owned::<Shared, _>(&state, &grant, &name).await?;
    Ok(Json(state.repository.user_quota(&grant, token, &user).await?.map(TimeQuota::from)))
}

async fn create<S: Into<QuotaSubject>>(
    AtHome(grant): AtHome<Write>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
    subject: S,
    Body(body): Body<CreateQuota>,
) -> Result<(StatusCode, Json<TimeQuota>)> {
    let token = owned::<Shared, _>(&state, &grant, &name).await?;
    let quota = state.repository.create_quota(&grant, token, &subject.into(), &body.into()).await?;
    Ok((StatusCode::CREATED, Json(quota.into())))
}

async fn update<S: Into<QuotaSubject>>(
    AtHome(grant): AtHome<Write>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
    subject: S,
    Body(body): Body<UpdateQuota>,
) -> Result<Json<TimeQuota>> {
    let token = owned::<Shared, _>(&state, &grant, &name).await?;
    let anyway = Precondition::default();
    let quota = state.repository.update_quota(&grant, token, &subject.into(), &body.into(), anyway).await?;
    Ok(Json(quota.into()))
}

async fn delete<S: Into<QuotaSubject>>(
    AtHome(grant): AtHome<Delete>,
    State(state): State<AppState>,
    Path(name): Path<TokenName>,
    subject: S,
) -> Result<StatusCode> {
    let token = owned::<Shared, _>(&state, &grant, &name).await?;
    state.repository.delete_quota(&grant, token, &subject.into(), Precondition::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
