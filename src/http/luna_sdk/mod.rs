//! The Luna SDK wire: what the published `luna-quantum` packages send, and what they accept back. An unmodified SDK that is
//! pointed at this service works. The facts were read from the published `luna-quantum` wheels (0.0.16 to 1.3.1).
//!
//! There are three generations. The oldest logs in with e-mail and password and speaks of tokens by id, below `/api`; the
//! two younger ones carry an API key, speak of tokens by name, and differ in their package only. The handlers here decide
//! nothing: they read the SDK's words, call what `/v1` calls, and answer in the SDK's words.
//!
//! The organization that is meant is the caller's home, or the one of a `Luna-Organization: <id>` header.

mod access_token;
mod input;
mod kind;
mod lists;
mod problem;
mod quotas;
mod token;
mod tokens_by_id;
mod tokens_by_name;
mod users;
mod version;

use utoipa::openapi::OpenApi;

use super::routing::{Address, Api};

pub use problem::translate;

/// Where the generation with a password expects everything but the log-in.
const LOGIN_MOUNT: &str = "/api";

/// Where the generations with a key expect the same routes: one place per service, and one for none
/// (`LUNA_DISABLE_SUFFIX`).
const KEY_MOUNTS: [&str; 3] = ["/luna-solve/api/v1", "/luna-q/api/v1", "/api/v1"];

/// All routes of all generations. `openapi.yaml` has none of them: they are the SDK's to describe.
pub fn routes(api: Api) -> Api {
    let login = [lists::routes_of_login, tokens_by_id::routes];
    let key = [users::routes, lists::routes_of_key, tokens_by_name::routes, quotas::routes];
    let api = login.into_iter().fold(access_token::routes(api), |api, routes| routes(api, LOGIN_MOUNT));
    let places = KEY_MOUNTS.into_iter().flat_map(|mount| key.map(|routes| (mount, routes)));
    places.fold(api, |api, (mount, routes)| routes(api, mount))
}

/// Where all these routes are, and what their callers need.
#[must_use]
pub fn addresses() -> Vec<Address> {
    routes(Api::documented_only(OpenApi::default())).into_undocumented()
}
