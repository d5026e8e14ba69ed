//! Lists of tokens. What an organization inherits is listed with its own, for its members may use it.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use deserr::Deserr;
use serde::Serialize;

use super::input::Count;
use super::kind::{Kind, Private, Shared};
use super::token::{IdentifiedToken, ListedToken, NamedToken};
use super::version::Version;
use crate::authorization::action::{account, personal_tokens, qpu_tokens, quotas, token_verb};
use crate::authorization::{Grant, TokenAction};
use crate::domain::{ProviderName, QpuToken, QpuTokenId, Refusal, TokenName};
use crate::http::gate::AtHome;
use crate::http::input::{Query, Violations};
use crate::http::problem::Result;
use crate::http::routing::{Api, GatedRoute};
use crate::http::state::AppState;
use crate::repository::{TokenFilter, TokenLimit};

/// As many as a list has that does not ask for a number.
const DEFAULT_LIMIT: u32 = 10;

/// The generation with a password knows no pages. With more tokens than this its users filter.
const LOGIN_LIMIT: u32 = 1000;

pub fn routes_of_login(api: Api, mount: &str) -> Api {
    api.route(GatedRoute::undocumented(MethodFilter::GET, &format!("{mount}/qpu-tokens"), list_by_id))
}

pub fn routes_of_key(api: Api, mount: &str) -> Api {
    let both = format!("{mount}/qpu-tokens");
    let one_of = |word| format!("{both}/{word}");
    api.route(GatedRoute::undocumented(MethodFilter::GET, &both, list_by_name))
        .route(GatedRoute::undocumented(MethodFilter::GET, &one_of(Shared::WORD), list_one_kind::<Shared>))
        .route(GatedRoute::undocumented(MethodFilter::GET, &one_of(Private::WORD), list_one_kind::<Private>))
}

/// Which tokens. No version sends all of these.
#[derive(Deserr)]
#[deserr(error = Violations)]
struct ListQuery {
    #[deserr(default)]
    filter_provider: Option<ProviderName>,
    #[deserr(default)]
    name: Option<TokenName>,
    #[deserr(default)]
    token_type: Option<TokenType>,
    #[deserr(default)]
    limit: Option<Count<1, 1000>>,
    #[deserr(default)]
    offset: Option<Count<0, 1_000_000>>,
}

/// A kind, in a query.
#[derive(Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = Violations, rename_all = lowercase)]
enum TokenType {
    Shared,
    Private,
}

impl ListQuery {
    /// The tokens of one kind; none without a grant.
    async fn tokens<A: TokenAction<token_verb::Read>>(
        &self,
        state: &AppState,
        grant: Option<&Grant<A>>,
        default_limit: u32,
    ) -> Result<Vec<QpuToken>> {
        let Some(grant) = grant else { return Ok(Vec::new()) };
        let (provider, name) = (self.filter_provider.clone(), self.name.clone());
        let filter = TokenFilter { provider, name, with_inherited: true };
        let (limit, offset) = (Count::or(self.limit, default_limit), Count::or(self.offset, 0));
        Ok(state.repository.tokens_by_offset(grant, &filter, limit, offset).await?)
    }

    /// Who asks for both kinds gets those that there are: nothing shared without an organization, nothing private with a
    /// key that is bound to one. Who asks for one kind is told.
    fn grants(&self, grant: &Grant<account::Read>) -> Result<Grants> {
        let only = self.token_type;
        let shared = match grant.also() {
            _ if only == Some(TokenType::Private) => None,
            Err(Refusal::NotFound(_)) if only.is_none() && grant.home().is_none() => None,
            answer => Some(answer?),
        };
        let private = match grant.also() {
            _ if only == Some(TokenType::Shared) => None,
            Err(Refusal::KeyIsBound) if only.is_none() => None,
            answer => Some(answer?),
        };
        Ok((shared, private))
    }
}

type Grants = (Option<Grant<qpu_tokens::List>>, Option<Grant<personal_tokens::List>>);

/// Both kinds in the words of the generation with a password.
#[derive(Serialize)]
struct ByLogin {
    organization: Vec<IdentifiedToken>,
    personal: Vec<IdentifiedToken>,
}

async fn list_by_id(
    AtHome(grant): AtHome<account::Read>,
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ByLogin>> {
    let (shared, private) = query.grants(&grant)?;
    let organization = query.tokens(&state, shared.as_ref(), LOGIN_LIMIT).await?;
    let personal = query.tokens(&state, private.as_ref(), LOGIN_LIMIT).await?;
    let identified = |tokens: Vec<QpuToken>| tokens.into_iter().map(IdentifiedToken::from).collect();
    Ok(Json(ByLogin { organization: identified(organization), personal: identified(personal) }))
}

/// Both kinds in the words of the generations with a key.
#[derive(Serialize)]
struct ByKey {
    shared: Vec<ListedToken>,
    private: Vec<NamedToken>,
}

async fn list_by_name(
    AtHome(grant): AtHome<account::Read>,
    State(state): State<AppState>,
    version: Version,
    Query(query): Query<ListQuery>,
) -> Result<Json<ByKey>> {
    let (shared, private) = query.grants(&grant)?;
    let organization = query.tokens(&state, shared.as_ref(), DEFAULT_LIMIT).await?;
    let personal = query.tokens(&state, private.as_ref(), DEFAULT_LIMIT).await?;
    // A key of scope `use` may list tokens, but not their limits.
    let mut limits = match grant.also::<quotas::List>() {
        Ok(grant) if version.knows_quotas_in_lists() => limits_by_token(&state, &grant, &organization).await?,
        _ => HashMap::new(),
    };
    let shared = organization.into_iter().map(|token| {
        let limits = limits.remove(&token.id).unwrap_or_default();
        ListedToken::new(token, limits)
    });
    Ok(Json(ByKey { shared: shared.collect(), private: personal.into_iter().map(NamedToken::from).collect() }))
}

async fn limits_by_token(
    state: &AppState,
    grant: &Grant<quotas::List>,
    tokens: &[QpuToken],
) -> Result<HashMap<QpuTokenId, Vec<TokenLimit>>> {
    let ids: Vec<QpuTokenId> = tokens.iter().map(|token| token.id).collect();
    let mut by_token = HashMap::<_, Vec<_>>::new();
    for limit in state.repository.quotas(grant, &ids).await? {
        by_token.entry(limit.token).or_default().push(limit);
    }
    Ok(by_token)
}

/// Version 0.0.33 asks for each kind by itself.
async fn list_one_kind<K: Kind>(
    AtHome(grant): AtHome<K::List>,
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<NamedToken>>> {
    let tokens = query.tokens(&state, Some(&grant), DEFAULT_LIMIT).await?;
    Ok(Json(tokens.into_iter().map(NamedToken::from).collect()))
}
