//! The decision: facts and rule in, grant or refusal out.

use std::sync::Arc;

use super::action::{Action, KeyNeed, Rule};
use super::grant::{Grant, Origin};
use super::place::Place;
use super::standing::{Authenticator, Relation, Standing};
use crate::domain::{KeyScope, Refusal, Role, UserReference};

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
    key_reaches(A::NEED, A::RULE, &standing.authenticator)?;
    let about_self = subject.is_some_and(|subject| names(subject, &standing));
    if !may(A::RULE, standing.relation.as_ref(), about_self) {
        return Err(Refusal::Forbidden(needed(A::RULE)));
    }
    Ok(Grant::new(standing, origin, place))
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
        Rule::MemberOrAdmin => member || admin,
        Rule::AdminOrAuditor => admin || auditor,
        Rule::AdminAuditorOrSelf => admin || auditor || (relation.member && about_self),
        Rule::AdminOrSelf => admin || (member && about_self),
        Rule::Admin => admin,
        Rule::Proven => false,
    }
}

fn key_reaches(need: KeyNeed, rule: Rule, authenticator: &Authenticator) -> Result<(), Refusal> {
    let Authenticator::ApiKey { scope, bound_to, .. } = authenticator else { return Ok(()) };
    if need == KeyNeed::Session {
        return Err(Refusal::SessionRequired);
    }
    if rule == Rule::Owner && bound_to.is_some() {
        return Err(Refusal::KeyIsBound);
    }
    match (scope, need) {
        (KeyScope::Full, _) | (KeyScope::Read, KeyNeed::Read | KeyNeed::Any) | (KeyScope::Use, KeyNeed::Any) => Ok(()),
        (KeyScope::Read | KeyScope::Use, _) => Err(Refusal::InsufficientScope),
    }
}

fn names(subject: &UserReference, standing: &Standing) -> bool {
    match subject {
        UserReference::Id(id) => *id == standing.user,
        UserReference::Email(email) => email.key() == standing.email.to_lowercase(),
    }
}

const fn needed(rule: Rule) -> &'static str {
    match rule {
        Rule::SignedIn | Rule::Owner | Rule::Proven => "a login",
        Rule::Visible | Rule::MemberOrAdmin => "membership in this organization or one below it",
        Rule::AdminOrAuditor | Rule::AdminAuditorOrSelf => "the admin or auditor role in this organization or above it",
        Rule::AdminOrSelf | Rule::Admin => "the admin role in this organization or above it",
    }
}
