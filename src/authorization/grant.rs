//! The proof that somebody may do something, here. Its fields are private to this file; [`super::policy`] is the only
//! way to one for those who are signed in, and the three constructors at the end are the only other ones.

use std::sync::Arc;

use uuid::Uuid;

use super::action::{self, Action};
use super::place::{Console, Holder, InOrganization, OfToken, Own, TokenPlace, Verified};
use super::standing::{Authenticator, Relation, Standing};
use crate::authentication::PasswordVerified;
use crate::domain::{OrganizationId, QpuTokenId, Role, TokenOwner, UserId, UserReference};

/// May do `A`, in `A`'s place.
pub struct Grant<A: Action> {
    actor: Actor,
    origin: Origin,
    standing: Option<Arc<Standing>>,
    place: A::Place,
}

/// Who does it, as the audit log tells.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Somebody who is signed in, or has just proved the password.
    User {
        /// The account.
        id: UserId,
        /// Its e-mail address at this time.
        email: String,
        /// The session or API key.
        credential: Option<Uuid>,
    },
    /// A command at the server's console.
    Command(CommandLine),
    /// The holder of a one-time token, who is not signed in.
    Anonymous,
}

/// The commands that may change something, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandLine {
    /// `luna-organizations bootstrap`, also as the first step of `dev`.
    Bootstrap,
}

impl CommandLine {
    /// Its name in the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address.
    pub address: Option<String>,
    /// The answer's `x-request-id`.
    pub request_id: Option<String>,
}

impl<A: Action> Grant<A> {
    /// For [`super::policy`] only.
    pub(super) fn new(standing: Arc<Standing>, origin: Origin, place: A::Place) -> Self {
        let actor = Actor::User {
            id: standing.user,
            email: standing.email.clone(),
            credential: Some(standing.authenticator.id()),
        };
        Self { actor, origin, standing: Some(standing), place }
    }

    /// The facts that it was decided on; `None` for those who are not signed in.
    pub(super) fn standing(&self) -> Option<&Arc<Standing>> {
        self.standing.as_ref()
    }

    /// Who does it.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// From where.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl<A: Action<Place = InOrganization>> Grant<A> {
    /// The organization that it may be done in.
    #[must_use]
    pub fn organization(&self) -> OrganizationId {
        self.place.0
    }

    /// Whether the caller is an admin here.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.relation().is_some_and(|relation| relation.holds(Role::Admin))
    }

    /// Whether the caller is an admin of the tree's root.
    #[must_use]
    pub fn is_admin_of_root(&self) -> bool {
        self.relation().is_some_and(|relation| relation.admin_of_root)
    }
}

impl<A: Action> Grant<A> {
    /// The account that asks; `None` for commands and holders of one-time tokens.
    #[must_use]
    pub fn caller(&self) -> Option<UserId> {
        match &self.actor {
            Actor::User { id, .. } => Some(*id),
            Actor::Command(_) | Actor::Anonymous => None,
        }
    }

    /// Whether the caller is this user.
    #[must_use]
    pub fn is_by(&self, user: &UserReference) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.is_of(user))
    }

    fn relation(&self) -> Option<&Relation> {
        self.standing.as_ref().and_then(|standing| standing.relation.as_ref())
    }

    /// The caller's home organization: whose audit log tells of the own account.
    #[must_use]
    pub fn home(&self) -> Option<OrganizationId> {
        self.standing.as_ref().and_then(|standing| standing.home)
    }

    /// What the caller authenticated with.
    #[must_use]
    pub fn authenticator(&self) -> Option<&Authenticator> {
        self.standing.as_ref().map(|standing| &standing.authenticator)
    }
}

impl<A: Action<Place: TokenPlace>> Grant<A> {
    /// Whose tokens it is about.
    #[must_use]
    pub fn token_owner(&self) -> TokenOwner {
        self.place.owner()
    }

    /// Whether the caller sees what others use and how they are limited: an admin or auditor, with a credential that is good
    /// for that. On a personal token there are no others.
    #[must_use]
    pub fn oversees(&self) -> bool {
        let reads = self.authenticator().is_some_and(Authenticator::reads_of_others);
        let holds = |role| self.relation().is_some_and(|relation| relation.holds(role));
        match self.place.owner() {
            TokenOwner::User(_) => true,
            TokenOwner::Organization(_) => reads && (holds(Role::Admin) || holds(Role::Auditor)),
        }
    }

    /// Whether the caller sees inherited tokens only: a member of an organization below who is no admin here.
    #[must_use]
    pub fn sees_inherited_only(&self) -> bool {
        match self.place.owner() {
            TokenOwner::User(_) => false,
            TokenOwner::Organization(_) => {
                self.relation().is_none_or(|relation| !relation.member && !relation.holds(Role::Admin))
            }
        }
    }
}

impl<A: Action<Place = Own>> Grant<A> {
    /// The account that it may be done in.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.place.0
    }
}

impl<A: Action<Place = OfToken>> Grant<A> {
    /// The token that it may be done with, whose it is, and as whose member.
    #[must_use]
    pub fn of_token(&self) -> OfToken {
        self.place
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> QpuTokenId {
        self.place.token
    }

    /// Whether the caller uses it, and does not only look after others' jobs.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.place.member_of.is_some() || matches!(self.place.owner, TokenOwner::User(_))
    }

    /// The organization whose audit log tells of it: the token's, or its owner's home.
    #[must_use]
    pub fn audited_in(&self) -> Option<OrganizationId> {
        match self.place.owner {
            TokenOwner::Organization(id) => Some(id),
            TokenOwner::User(_) => self.home(),
        }
    }
}

impl Grant<action::sessions::Create> {
    /// After the account's password was verified.
    #[must_use]
    pub fn after_password(verified: &PasswordVerified, email: String, origin: Origin) -> Self {
        let user = verified.user();
        let actor = Actor::User { id: user, email, credential: None };
        Self { actor, origin, standing: None, place: Verified(user) }
    }

    /// The account whose password was verified.
    #[must_use]
    pub fn account(&self) -> UserId {
        self.place.0
    }
}

impl<Digest, A: Action<Place = Holder<Digest>>> Grant<A> {
    /// Whoever holds a one-time token may spend it; whether it is good, the repository finds out with the spending.
    #[must_use]
    pub fn holder(digest: Digest, origin: Origin) -> Self {
        Self { actor: Actor::Anonymous, origin, standing: None, place: Holder(digest) }
    }

    /// The digest of the token that is held.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.place.0
    }
}

impl Grant<action::organizations::Bootstrap> {
    /// Whoever can run commands at the server's console owns the installation.
    #[must_use]
    pub fn command_line() -> Self {
        let actor = Actor::Command(CommandLine::Bootstrap);
        Self { actor, origin: Origin::default(), standing: None, place: Console(()) }
    }
}
