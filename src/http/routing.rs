//! Routes, each with the proof of its gate, each with its line in `openapi.yaml`.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Ref, RefOr, Required, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::credential;
use super::gate::{Gated, Guarded, guard};
use super::idempotency;
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
    kept: bool,
    served: Served,
}

enum Served {
    Documented(UtoipaMethodRouter<AppState>),
    Undocumented(Address, MethodRouter<AppState>),
}

/// What would stand in `openapi.yaml` of a route that is not ours to describe, for whoever lists all routes.
#[derive(Debug, Clone)]
pub struct Address {
    /// The method.
    pub method: Method,
    /// The path, with the names of what it names in braces.
    pub path: String,
    /// What a caller needs; `None` if nothing.
    pub permission: Option<&'static str>,
}

impl GatedRoute {
    /// For the macro [`route`] only.
    #[must_use]
    pub fn new(guarded: Guarded, documented: UtoipaMethodRouter<AppState>) -> Self {
        Self { guarded, kept: true, served: Served::Documented(documented) }
    }

    /// Of this route no answer is kept, whatever the client asks for: it has a credential in it.
    #[must_use]
    pub fn never_kept(self) -> Self {
        Self { kept: false, ..self }
    }

    /// A route of somebody else's API, which is not ours to describe. It has a gate like any other.
    pub fn undocumented<H, T>(method: MethodFilter, path: &str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: Gated + 'static,
    {
        let guarded = guard(&handler);
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let named = methods
            .into_iter()
            .find(|known| MethodFilter::try_from(known.clone()).is_ok_and(|filter| filter == method));
        let address =
            Address { method: named.unwrap_or_default(), path: path.to_owned(), permission: guarded.permission };
        Self { guarded, kept: true, served: Served::Undocumented(address, on(method, handler)) }
    }
}

/// A set of routes and their documentation.
pub struct Api {
    router: OpenApiRouter<AppState>,
    undocumented: Vec<Address>,
    state: Option<AppState>,
}

impl Api {
    /// No routes yet.
    #[must_use]
    pub fn new(document: OpenApi, state: AppState) -> Self {
        Self { state: Some(state), ..Self::documented_only(document) }
    }

    /// For the documentation alone: routes that are never served.
    #[must_use]
    pub fn documented_only(document: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), undocumented: Vec::new(), state: None }
    }

    /// Adds a route. Unless it is public, a layer in front of its gate turns away whoever presents no credential.
    #[must_use]
    pub fn route(mut self, route: GatedRoute) -> Self {
        let (permission, kept) = (route.guarded.permission, route.kept);
        let router = match route.served {
            Served::Documented((schemas, paths, methods)) => {
                let methods = self.behind_credential(permission, kept, methods);
                self.router.routes((schemas, describe(paths, permission, kept), methods))
            }
            Served::Undocumented(address, methods) => {
                let methods = self.behind_credential(permission, kept, methods);
                let router = self.router.route(&address.path, methods);
                self.undocumented.push(address);
                router
            }
        };
        Self { router, ..self }
    }

    /// What every route with a gate has in front of it.
    fn behind_credential(
        &self,
        permission: Option<&'static str>,
        kept: bool,
        methods: MethodRouter<AppState>,
    ) -> MethodRouter<AppState> {
        let (Some(_), Some(state)) = (permission, &self.state) else { return methods };
        let methods = if kept {
            methods.route_layer(from_fn_with_state(state.clone(), idempotency::replay))
        } else {
            methods.route_layer(from_fn(idempotency::refuse))
        };
        methods.route_layer(from_fn_with_state(state.clone(), credential::require))
    }

    /// The routes that the documentation does not have.
    pub fn into_undocumented(self) -> Vec<Address> {
        self.undocumented
    }

    /// The router and its documentation.
    pub fn into_parts(self) -> (Router<AppState>, OpenApi) {
        self.router.split_for_parts()
    }
}

/// Adds to an operation what follows from its gate and its form: permission, security, the idempotency header, and the
/// problems that a request to it can meet.
fn describe(mut paths: Paths, permission: Option<&'static str>, kept: bool) -> Paths {
    for (path, item) in &mut paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::PUT, &mut item.put),
            (Method::POST, &mut item.post),
            (Method::DELETE, &mut item.delete),
            (Method::PATCH, &mut item.patch),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let name = permission.unwrap_or("public");
            operation.extensions.get_or_insert_default().insert("x-permission".to_owned(), name.into());
            operation.security = Some(match permission {
                None => vec![SecurityRequirement::default()],
                Some(_) => SCHEMES.map(|scheme| SecurityRequirement::new(scheme, NO_SCOPES)).to_vec(),
            });
            if permission.is_some() && kept && method == Method::POST {
                operation.parameters.get_or_insert_default().push(idempotency_key().into());
            }
            for (status, description) in problems(path, &method, operation, permission.is_some()) {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                let response = ResponseBuilder::new().description(description);
                let response = response.content("application/problem+json", content).build();
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
            }
        }
    }
    paths
}

const SCHEMES: [&str; 2] = ["access_token", "api_key"];
const NO_SCOPES: [&str; 0] = [];

fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "1 to 200 visible ASCII characters; a repetition within 24 hours gets the first answer again",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,200}$")).build()))
        .build()
}

fn problems(
    path: &str,
    method: &Method,
    operation: &Operation,
    guarded: bool,
) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let inline = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => Some((parameter.parameter_in.clone(), parameter.name.clone())),
        RefOr::Ref(_) => None,
    };
    let parameters: Vec<_> = operation.parameters.iter().flatten().filter_map(inline).collect();
    let query = parameters.iter().any(|(place, _)| *place == ParameterIn::Query);
    let conditional = parameters.iter().any(|(_, name)| name == "If-Match");
    let body = operation.request_body.is_some();
    let writes = *method != Method::GET;
    let takes_password = path.ends_with("/sessions") || path.ends_with("/password") || path.ends_with("/accept");
    let all = [
        (body || query, "400", "the request cannot be understood"),
        (guarded || body, "401", "no credential, or one that does not work (any more)"),
        (guarded, "403", "known, but not allowed"),
        (guarded, "404", "not there, or not the caller's to know"),
        (body, "408", "the body took too long to arrive"),
        (guarded && writes, "409", "an invariant stands in the way; see `code`"),
        (conditional, "412", "the resource is not in the version that `If-Match` names"),
        (body, "413", "the body is too large"),
        (body, "415", "the body is not `application/json`"),
        (body || query || *method == Method::POST, "422", "the request is not as it should be; see `errors`"),
        (writes && takes_password, "429", "too many attempts; see `Retry-After`"),
        (path != "/healthz", "503", "the database is away; see `Retry-After`"),
    ];
    all.into_iter().filter(|(applies, ..)| *applies).map(|(_, status, description)| (status, description))
}
