//! The decision: facts and rule in, grant or refusal out.

use std::sync::Arc;

use super::action::{Action, KeyNeed, Rule};
use super::grant::{Grant, Origin};
use super::place::{OfToken, Place};
use super::reach::Reach;
use super::standing::{Authenticator, Relation, Standing};
use crate::domain::{KeyScope, Refusal, Role, Timestamp, UserReference};

/// Decides whether the caller may do `A`. `subject` is the user that the request is about, if it is about one.
///
/// # Errors
/// *Not found* where the caller may not even know the place, *forbidden* where it is known but this is not allowed.
pub fn decide<A: Action>(
    standing: Arc<Standing>,
    origin: Origin,
    subject: Option<&UserReference>,
) -> Result<Grant<A>, Refusal> {
    let place = A::Place::of(&standing).ok_or(Refusal::NotFound("organization"))?;
    let about_self = subject.is_some_and(|subject| standing.is_of(subject));
    key_reaches(A::NEED, A::RULE, &standing.authenticator, about_self)?;
    if !may(A::RULE, standing.relation.as_ref(), about_self) {
        return Err(Refusal::Forbidden(needed(A::RULE)));
    }
    Ok(Grant::new(standing, origin, place))
}

/// Decides whether the caller may do `A` with a token. `of_own` says that the request is about nothing but jobs that the caller
/// has already: they can be read and cancelled also when the window of a limit has passed.
///
/// # Errors
/// *Not found* for whoever may not know the token, *forbidden* with the reason for whoever may.
pub fn decide_use<A: Action<Place = OfToken>>(
    reach: &Reach,
    standing: Arc<Standing>,
    origin: Origin,
    now: Timestamp,
    of_own: bool,
) -> Result<Grant<A>, Refusal> {
    if !reach.user && !reach.admin {
        return Err(Refusal::NotFound("QPU token"));
    }
    key_reaches(A::NEED, A::RULE, &standing.authenticator, false)?;
    if !reach.user && A::RULE != Rule::UserOrAdmin {
        return Err(Refusal::Forbidden(needed(A::RULE)));
    }
    match usable(reach, now) {
        Err(Refusal::QuotaNotActive) if of_own => {}
        answer => answer?,
    }
    Ok(Grant::new(standing, origin, reach.token))
}

/// Whether a token can be used at this time, by those who may.
///
/// # Errors
/// [`Refusal::TokenDisabled`], [`Refusal::TokenExpired`] or [`Refusal::QuotaNotActive`].
pub fn usable(reach: &Reach, now: Timestamp) -> Result<(), Refusal> {
    if !reach.enabled {
        return Err(Refusal::TokenDisabled);
    }
    if reach.expires_at.is_some_and(|end| end <= now) {
        return Err(Refusal::TokenExpired);
    }
    if reach.outside_window { Err(Refusal::QuotaNotActive) } else { Ok(()) }
}

impl Grant<super::action::leases::Create> {
    /// The same caller, a job with this token: whoever may submit one may have a solver do it.
    ///
    /// # Errors
    /// What [`decide_use`] says.
    pub fn for_job(&self, reach: &Reach, now: Timestamp) -> Result<Grant<super::action::jobs::Submit>, Refusal> {
        let standing = self.standing().ok_or(Refusal::Forbidden("a login"))?;
        decide_use(reach, Arc::clone(standing), self.origin().clone(), now, false)
    }
}

impl Grant<super::action::jobs::Use> {
    /// The same caller, a job with the same token.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if the caller may look after others' jobs only.
    pub fn with_job<A: Action<Place = OfToken>>(&self) -> Result<Grant<A>, Refusal> {
        let standing = self.standing().ok_or(Refusal::Forbidden("a login"))?;
        if A::RULE == Rule::User && !self.is_user() {
            return Err(Refusal::Forbidden(needed(A::RULE)));
        }
        Ok(Grant::new(Arc::clone(standing), self.origin().clone(), self.of_token()))
    }
}

impl<A: Action> Grant<A> {
    /// The same caller, another action in the same place: decided anew, on the same facts.
    ///
    /// # Errors
    /// What [`decide`] says.
    pub fn also<B: Action>(&self) -> Result<Grant<B>, Refusal> {
        let standing = self.standing().ok_or(Refusal::Forbidden("a login"))?;
        decide(Arc::clone(standing), self.origin().clone(), None)
    }
}

/// Whether the rule lets somebody with this relation through.
#[must_use]
pub fn may(rule: Rule, relation: Option<&Relation>, about_self: bool) -> bool {
    if matches!(rule, Rule::SignedIn | Rule::Owner) {
        return true;
    }
    let Some(relation) = relation else { return false };
    let member = relation.member || relation.below;
    let (admin, auditor) = (relation.holds(Role::Admin), relation.holds(Role::Auditor));
    match rule {
        Rule::SignedIn | Rule::Owner => true,
        Rule::Visible => relation.visible(),
        Rule::Member => member,
        Rule::MemberOrAdmin => member || admin,
        Rule::MemberAdminOrAuditor => member || admin || auditor,
        Rule::AdminOrAuditor => admin || auditor,
        Rule::AdminAuditorOrSelf => admin || auditor || (relation.member && about_self),
        Rule::AdminAuditorOrUser => admin || auditor || (member && about_self),
        Rule::Admin => admin,
        Rule::Solver => relation.holds(Role::Solver),
        // What is asked about a token, `decide_use` answers.
        Rule::User | Rule::UserOrAdmin | Rule::Proven => false,
    }
}

fn key_reaches(need: KeyNeed, rule: Rule, authenticator: &Authenticator, about_self: bool) -> Result<(), Refusal> {
    let Authenticator::ApiKey { scope, bound_to, .. } = authenticator else { return Ok(()) };
    if need == KeyNeed::Session {
        return Err(Refusal::SessionRequired);
    }
    if rule == Rule::Owner && bound_to.is_some() {
        return Err(Refusal::KeyIsBound);
    }
    match (scope, need) {
        (KeyScope::Full, _)
        | (KeyScope::Read, KeyNeed::Read | KeyNeed::ReadOrOwn | KeyNeed::Any)
        | (KeyScope::Use, KeyNeed::Use | KeyNeed::Any) => Ok(()),
        (KeyScope::Use, KeyNeed::ReadOrOwn) if about_self => Ok(()),
        (KeyScope::Read | KeyScope::Use, _) => Err(Refusal::InsufficientScope),
    }
}

/// Whom one needs to be to see what concerns others.
pub const OVERSEER: &str = "the admin or auditor role in this organization or above it";

const fn needed(rule: Rule) -> &'static str {
    match rule {
        Rule::SignedIn | Rule::Owner | Rule::Proven => "a login",
        Rule::User | Rule::UserOrAdmin => "membership in the organization that owns the token",
        Rule::Visible | Rule::Member | Rule::MemberOrAdmin | Rule::MemberAdminOrAuditor => {
            "membership in this organization or one below it"
        }
        Rule::AdminOrAuditor | Rule::AdminAuditorOrSelf | Rule::AdminAuditorOrUser => OVERSEER,
        Rule::Admin => "the admin role in this organization or above it",
        Rule::Solver => "the solver role in the organization that owns the token, or above it",
    }
}
