//! The native API: one file per noun, each a list of routes and their handlers. `openapi.yaml` is made from these.

mod access;
mod api_keys;
mod audit_events;
mod invitations;
mod leases;
mod me;
mod organizations;
mod personal_tokens;
mod providers;
mod qpu_tokens;
mod quotas;
mod roles;
mod sessions;
mod token_view;
mod usage;
mod users;

use super::routing::Api;

pub use qpu_tokens::new_token;

/// All routes of `/v1`.
pub fn routes(api: Api) -> Api {
    let nouns = [
        sessions::routes,
        me::routes,
        api_keys::routes,
        personal_tokens::routes,
        organizations::routes,
        users::routes,
        roles::routes,
        invitations::routes,
        qpu_tokens::routes,
        quotas::routes,
        usage::routes,
        access::routes,
        leases::routes,
        audit_events::routes,
        providers::routes,
    ];
    nouns.into_iter().fold(api, |api, routes| routes(api))
}
