//! No route without a gate: a handler's first argument says who may call it, and [`super::routing::Api`] takes no other.
//!
//! ```compile_fail,E0277
//! use luna_organizations::http::gate::guard;
//! async fn open_to_all() -> &'static str { "everything" }
//! fn register() { let _ = guard(&open_to_all); }
//! ```
//!
//! A gate in any other place does not count:
//!
//! ```compile_fail,E0277
//! use luna_organizations::authorization::{Grant, action::organizations};
//! use luna_organizations::http::gate::guard;
//! async fn late(_: axum::http::Method, _: Grant<organizations::Read>) -> &'static str { "too late" }
//! fn register() { let _ = guard(&late); }
//! ```
//!
//! With a gate in front, the same handlers are taken, and the gate says what is needed:
//!
//! ```
//! use luna_organizations::authorization::{Grant, action::organizations};
//! use luna_organizations::http::gate::{Public, guard};
//! async fn guarded(_: Grant<organizations::Read>, _: axum::http::Method) -> &'static str { "for some" }
//! async fn open(_: Public) -> &'static str { "for all" }
//! assert_eq!(guard(&guarded).permission, Some("organizations:read"));
//! assert_eq!(guard(&open).permission, None);
//! ```

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::handler::Handler;
use axum::http::request::Parts;

use super::origin;
use super::problem::{Problem, Result};
use super::state::AppState;
use crate::authentication::Presented;
use crate::authorization::action::{jobs, organizations};
use crate::authorization::{Action, Grant, InOrganization, decide};
use crate::domain::{OrganizationId, Refusal, UserReference};
use crate::repository::Asked;

/// The first argument of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a gate",
    label = "the first argument of a handler must be a `Grant<Action>`, `AtHome<Action>`, `InBody<Action>` or `Public`"
)]
pub trait Gate: FromRequestParts<AppState> {
    /// What a caller needs; `None` if nothing.
    const PERMISSION: Option<&'static str>;
}

/// Open to everyone. Each use is listed in `tests/it/authorization.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Public;

impl Gate for Public {
    const PERMISSION: Option<&'static str> = None;
}

impl FromRequestParts<AppState> for Public {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

/// The door of the broker, which admits by itself: the key is where a provider's client puts its token, and the grant comes
/// with the sealed credential from one statement (`broker/admit.rs`).
#[derive(Debug, Clone, Copy)]
pub struct Admitting;

impl Gate for Admitting {
    const PERMISSION: Option<&'static str> = Some(jobs::Use::PERMISSION);
}

impl FromRequestParts<AppState> for Admitting {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl<A: Action> Gate for Grant<A> {
    const PERMISSION: Option<&'static str> = Some(A::PERMISSION);
}

/// Reads who is asking, what that user is in the organization of the path, and decides: one statement.
impl<A: Action> FromRequestParts<AppState> for Grant<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let named = parameter(parts, state, "organization").await;
        let asked = match named.map(|text| text.parse::<OrganizationId>()) {
            None => Asked::Nothing,
            Some(Ok(id)) => Asked::Organization(id),
            // Looked up all the same: who is not signed in is told so first.
            Some(Err(_)) => Asked::Organization(uuid::Uuid::nil().into()),
        };
        admit(parts, state, asked).await
    }
}

/// The header that names an organization where the path does not.
pub(super) const ORGANIZATION: &str = "luna-organization";

/// The gate of the Luna SDK wire, whose paths name no organization: the one of the `Luna-Organization` header is meant,
/// or the caller's home. An action in the own account is that all the same, and knows the organization for the next
/// question ([`Grant::also`]).
pub struct AtHome<A: Action>(pub Grant<A>);

impl<A: Action> Gate for AtHome<A> {
    const PERMISSION: Option<&'static str> = Some(A::PERMISSION);
}

impl<A: Action> FromRequestParts<AppState> for AtHome<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let named = parts.headers.get(ORGANIZATION).map(|value| value.to_str().unwrap_or_default().to_owned());
        let asked = match named.map(|text| text.parse::<OrganizationId>()) {
            None => Asked::Home,
            Some(Ok(id)) => Asked::Organization(id),
            Some(Err(_)) => Asked::Organization(uuid::Uuid::nil().into()),
        };
        admit(parts, state, asked).await.map(Self)
    }
}

/// The gate of a handler whose body names the organization. Whoever is signed in has the body read; the right to do `A`
/// comes with [`Self::admit`], and without it nothing can be changed.
pub struct InBody<A: Action> {
    caller: Caller,
    action: PhantomData<fn() -> A>,
}

impl<A: Action<Place = InOrganization>> Gate for InBody<A> {
    const PERMISSION: Option<&'static str> = Some(A::PERMISSION);
}

impl<A: Action<Place = InOrganization>> FromRequestParts<AppState> for InBody<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        signed_in(parts, state).await?;
        Ok(Self { caller: Caller::from_request_parts(parts, state).await?, action: PhantomData })
    }
}

impl<A: Action<Place = InOrganization>> InBody<A> {
    /// Admits the caller in the organization that the body names.
    pub async fn admit(&self, state: &AppState, organization: OrganizationId) -> Result<Grant<A>> {
        admit_to(&self.caller, state, organization).await
    }
}

/// Whether the caller is anybody at all; what the caller may do waits for the body.
async fn signed_in(parts: &mut Parts, state: &AppState) -> Result<()> {
    admit::<organizations::List>(parts, state, Asked::Nothing).await.map(drop)
}

/// Admits the caller to `A` in an organization that the path does not name: the body does.
pub async fn admit_to<A: Action>(caller: &Caller, state: &AppState, organization: OrganizationId) -> Result<Grant<A>> {
    let standing = state.repository.standing(&caller.presented, Asked::Organization(organization)).await?;
    Ok(decide(Arc::new(standing), caller.origin.clone(), None)?)
}

/// What a request presents, for handlers that ask [`admit_to`] a second time.
pub struct Caller {
    presented: Presented,
    origin: crate::authorization::Origin,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        Ok(Self { presented: *presented(parts)?, origin: origin::of(parts) })
    }
}

async fn admit<A: Action>(parts: &mut Parts, state: &AppState, asked: Asked) -> Result<Grant<A>> {
    let subject = parameter(parts, state, "user").await.and_then(|text| text.parse::<UserReference>().ok());
    let standing = state.repository.standing(presented(parts)?, asked).await?;
    Ok(decide(Arc::new(standing), origin::of(parts), subject.as_ref())?)
}

/// Put there by [`super::credential::require`], without which no guarded route is reached.
pub(super) fn presented(parts: &Parts) -> Result<&Presented> {
    let missing = || Refusal::Unauthenticated("a credential is needed").into();
    parts.extensions.get::<Presented>().ok_or_else(missing)
}

async fn parameter(parts: &mut Parts, state: &AppState, name: &str) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok()?;
    parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Handlers whose argument list starts with a gate. (Axum shows the list as a tuple behind a marker of its own.)
#[diagnostic::on_unimplemented(
    message = "a handler needs a gate as its first argument",
    label = "start its arguments with a `Grant<Action>`, `AtHome<Action>`, `InBody<Action>` or `Public`"
)]
pub trait Gated: sealed::Sealed {
    /// What a caller needs; `None` if nothing.
    const PERMISSION: Option<&'static str>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! gated {
    ($(($($rest:ident),*))*) => {$(
        impl<M, G: Gate, $($rest),*> sealed::Sealed for (M, G, $($rest,)*) {}
        impl<M, G: Gate, $($rest),*> Gated for (M, G, $($rest,)*) {
            const PERMISSION: Option<&'static str> = G::PERMISSION;
        }
    )*};
}

gated! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, H) }

/// The proof that a handler has a gate; [`super::routing::Api`] asks for one per route.
#[derive(Debug, Clone, Copy)]
pub struct Guarded {
    /// What a caller needs; `None` if nothing.
    pub permission: Option<&'static str>,
}

/// Proves that the handler has a gate, or does not compile.
pub fn guard<H, T>(_: &H) -> Guarded
where
    H: Handler<T, AppState>,
    T: Gated,
{
    Guarded { permission: T::PERMISSION }
}
