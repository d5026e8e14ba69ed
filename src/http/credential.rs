//! The net under the gates: a request to a guarded route without a well-formed credential goes no further.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::state::AppState;
use crate::authentication::Presented;
use crate::domain::Refusal;

/// Lets a request on if its credential is well-formed (signature or checksum); whether it still works, the gate finds out.
pub async fn require(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    match presented(request.headers(), &state) {
        Ok(presented) => {
            request.extensions_mut().insert(presented);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn presented(headers: &HeaderMap, state: &AppState) -> Result<Presented, Problem> {
    let now = state.repository.clock().now();
    let authorization = single(headers, header::AUTHORIZATION.as_str())?;
    let api_key = single(headers, "luna-api-key")?;
    let found = Presented::parse(authorization, api_key, &state.access_tokens, now);
    match found {
        Ok(Some(presented)) => Ok(presented),
        Ok(None) => Err(Refusal::Unauthenticated("a credential is needed").into()),
        Err(error) => Err(error.into()),
    }
}

/// A header that is there once, as text.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let refused = || Problem::from(Refusal::Unauthenticated("the credential's header is malformed"));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refused()),
        (Some(_), Some(_)) => Err(refused()),
    }
}
