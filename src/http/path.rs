//! Names in paths. One that cannot be understood names nothing: 404.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::problem::{Problem, Result};
use super::state::AppState;
use crate::domain::{
    ApiKeyId, InvitationId, LeaseId, OrganizationId, QpuTokenId, Refusal, Role, SessionId, TokenName, UserReference,
};

/// Something that a path can name.
pub trait Named: Sized + Send {
    /// The parameter's name in the route.
    const PARAMETER: &'static str;
    /// The noun of the 404.
    const NOUN: &'static str;
    /// The thing, if the text can name one.
    fn read(text: &str) -> Option<Self>;
}

/// The thing that the path names.
pub struct Path<T>(pub T);

impl<T: Named> FromRequestParts<AppState> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        let named = parameters
            .iter()
            .flat_map(RawPathParams::iter)
            .find(|(key, _)| *key == T::PARAMETER)
            .and_then(|(_, text)| T::read(text));
        named.map(Self).ok_or_else(|| Refusal::NotFound(T::NOUN).into())
    }
}

macro_rules! named {
    ($($type:ty: $parameter:literal, $noun:literal;)*) => {$(
        impl Named for $type {
            const PARAMETER: &'static str = $parameter;
            const NOUN: &'static str = $noun;

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

named! {
    ApiKeyId: "api_key", "API key";
    InvitationId: "invitation", "invitation";
    LeaseId: "lease", "lease";
    OrganizationId: "organization", "organization";
    QpuTokenId: "token", "QPU token";
    Role: "role", "role";
    TokenName: "name", "QPU token";
    UserReference: "user", "user";
}

/// A login, or the one that asks.
pub struct SessionReference(pub Option<SessionId>);

impl Named for SessionReference {
    const PARAMETER: &'static str = "session";
    const NOUN: &'static str = "session";

    fn read(text: &str) -> Option<Self> {
        match text {
            "current" => Some(Self(None)),
            id => id.parse().ok().map(|id| Self(Some(id))),
        }
    }
}
