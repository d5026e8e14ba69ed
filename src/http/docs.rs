//! Pages for people: the API's documentation, and accepting an invitation. Self-contained: nothing is loaded from elsewhere.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::document::document;
use super::state::AppState;

/// What the page may do: run its own script and style, and talk to this service.
const PAGE_POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'";

/// Pages and the document. They show nothing that is not in this repository.
pub fn router() -> Router<AppState> {
    // The document is made of constants, so that it can be written is shown by the test that compares it.
    let yaml = document().to_yaml().unwrap_or_default();
    Router::new()
        .merge(SwaggerUi::new("/docs").config(Config::from("/openapi.yaml")))
        .route("/openapi.yaml", get(async move || ([(header::CONTENT_TYPE, "application/yaml")], yaml)))
        .route("/accept-invitation", get(accept_invitation))
        .route("/accept-invitation.js", get(async || asset("text/javascript", include_str!("accept_invitation.js"))))
        .route("/accept-invitation.css", get(async || asset("text/css", include_str!("accept_invitation.css"))))
}

async fn accept_invitation() -> impl IntoResponse {
    let policy = (HeaderName::from_static("content-security-policy"), PAGE_POLICY);
    ([policy], Html(include_str!("accept_invitation.html")))
}

fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type)], text)
}
