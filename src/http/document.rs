//! `openapi.yaml`: everything that is not said at an operation itself.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Tag};
use utoipa::{Modify, OpenApi as _};

use super::problem::{Problem, Violation};
use super::{operations, routing::Api};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Luna Organizations",
        description = "Organizations of a quantum platform, the people in them, their roles, and the access tokens for \
                       quantum hardware that the organizations own. Members use the tokens; nobody reads them back.\n\n\
                       Errors are RFC 9457 problem documents with a stable `code`. Lists come in pages: pass \
                       `next_cursor` as `cursor`. Rows carry an `ETag`, and writes honour `If-Match`. An \
                       `Idempotency-Key` on a POST replays the first answer for 24 hours. `x-permission` names what a \
                       caller needs.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, Violation)),
    modifiers(&SecuritySchemes, &Tags),
)]
struct Base;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token from `POST /v1/sessions`. An API key is taken as well."))
            .build();
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
        let header = ApiKeyValue::with_description("Luna-API-Key", "An API key from `POST /v1/me/api-keys`.");
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
}

struct Tags;

impl Modify for Tags {
    fn modify(&self, document: &mut OpenApi) {
        let tags = [
            ("sessions", "Logging in and out"),
            ("me", "The caller's own account"),
            ("api-keys", "Keys for programs and notebooks"),
            ("organizations", "The tree"),
            ("users", "The people in an organization"),
            ("roles", "What people may do"),
            ("invitations", "From being added to being a member"),
            ("qpu-tokens", "Hardware access tokens, organizations' and one's own"),
            ("quotas", "Limits on an organization's tokens"),
            ("usage", "What was used of a token, by whom, and who may"),
            ("leases", "For solver back ends: a credential, once, for one job of a member"),
            ("audit-events", "Who did what"),
            ("providers", "Hardware providers"),
            ("operations", "For those who run the service"),
        ];
        let tag = |(name, description): (&str, &str)| {
            let mut tag = Tag::new(name);
            tag.description = Some(description.to_owned());
            tag
        };
        document.tags = Some(tags.into_iter().map(tag).collect());
    }
}

/// The document before any route is added.
pub fn base() -> OpenApi {
    Base::openapi()
}

/// The whole document; made without a database.
#[must_use]
pub fn document() -> OpenApi {
    operations::all(Api::documented_only(base())).into_parts().1
}
