//! Routes, each with the proof of its gate, each with its line in `openapi.yaml`.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Paths, Ref, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::credential;
use super::gate::{Gated, Guarded, guard};
use super::state::AppState;

/// Makes a [`GatedRoute`] of a handler and its documentation.
macro_rules! route {
    ($handler:path) => {
        $crate::http::routing::GatedRoute::new($crate::http::gate::guard(&$handler), utoipa_axum::routes!($handler))
    };
}

pub(crate) use route;

/// A handler at its path, with its gate.
pub struct GatedRoute {
    guarded: Guarded,
    served: Served,
}

enum Served {
    Documented(UtoipaMethodRouter<AppState>),
    Undocumented(String, MethodRouter<AppState>),
}

impl GatedRoute {
    /// For the macro [`route`] only.
    pub fn new(guarded: Guarded, documented: UtoipaMethodRouter<AppState>) -> Self {
        Self { guarded, served: Served::Documented(documented) }
    }

    /// A route of somebody else's API, which is not ours to describe. It has a gate like any other.
    pub fn undocumented<H, T>(method: MethodFilter, path: &str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: Gated + 'static,
    {
        let guarded = guard(&handler);
        Self { guarded, served: Served::Undocumented(path.to_owned(), on(method, handler)) }
    }
}

/// A set of routes and their documentation.
pub struct Api {
    router: OpenApiRouter<AppState>,
    state: Option<AppState>,
}

impl Api {
    /// No routes yet.
    pub fn new(document: OpenApi, state: AppState) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), state: Some(state) }
    }

    /// For the documentation alone: routes that are never served.
    pub fn documented_only(document: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), state: None }
    }

    /// Adds a route. Unless it is public, a layer in front of its gate turns away whoever presents no credential.
    #[must_use]
    pub fn route(self, route: GatedRoute) -> Self {
        let permission = route.guarded.permission;
        let router = match route.served {
            Served::Documented((schemas, paths, methods)) => {
                let methods = self.behind_credential(permission, methods);
                self.router.routes((schemas, describe(paths, permission), methods))
            }
            Served::Undocumented(path, methods) => {
                let methods = self.behind_credential(permission, methods);
                self.router.route(&path, methods)
            }
        };
        Self { router, state: self.state }
    }

    fn behind_credential(
        &self,
        permission: Option<&'static str>,
        methods: MethodRouter<AppState>,
    ) -> MethodRouter<AppState> {
        match (permission, &self.state) {
            (Some(_), Some(state)) => methods.route_layer(from_fn_with_state(state.clone(), credential::require)),
            _ => methods,
        }
    }

    /// The router and its documentation.
    pub fn into_parts(self) -> (Router<AppState>, OpenApi) {
        self.router.split_for_parts()
    }
}

/// Adds to an operation what follows from its gate: permission, security, and the problems that any request can meet.
fn describe(mut paths: Paths, permission: Option<&'static str>) -> Paths {
    for item in paths.paths.values_mut() {
        for operation in operations(item) {
            let name = permission.unwrap_or("public");
            operation.extensions.get_or_insert_default().insert("x-permission".to_owned(), name.into());
            operation.security = Some(match permission {
                None => vec![SecurityRequirement::default()],
                Some(_) => {
                    ["access_token", "api_key"].map(|scheme| SecurityRequirement::new(scheme, NO_SCOPES)).to_vec()
                }
            });
            for (status, description) in PROBLEMS {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                let response = ResponseBuilder::new().description(*description);
                let response = response.content("application/problem+json", content).build();
                operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| response.into());
            }
        }
    }
    paths
}

const NO_SCOPES: [&str; 0] = [];

const PROBLEMS: &[(&str, &str)] = &[
    ("400", "the request cannot be understood"),
    ("401", "no credential, or one that does not work (any more)"),
    ("403", "known, but not allowed"),
    ("404", "not there, or not the caller's to know"),
    ("409", "an invariant stands in the way; see `code`"),
    ("412", "the resource is not in the version that `If-Match` names"),
    ("413", "the body is too large"),
    ("415", "the body has the wrong media type"),
    ("422", "the request is not as it should be; see `errors`"),
    ("429", "too many attempts; see `Retry-After`"),
    ("503", "the database is away; see `Retry-After`"),
];

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}
