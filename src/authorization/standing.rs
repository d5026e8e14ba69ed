//! The facts that a decision rests on, read from the database with every request and never kept.

use uuid::Uuid;

use crate::domain::{ApiKeyId, KeyScope, OrganizationId, Role, SessionId, UserId, UserReference};

/// Who is asking, with what, and what that user is in the organization that the request is about.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The account; active, or there would be no standing.
    pub user: UserId,
    /// Its e-mail address, for the audit log.
    pub email: String,
    /// The organization that is meant where none is named.
    pub home: Option<OrganizationId>,
    /// What the caller authenticated with.
    pub authenticator: Authenticator,
    /// `None` if the request names no organization, or one that does not exist or is out of the key's bounds.
    pub relation: Option<Relation>,
}

impl Standing {
    /// Whether it is this user's.
    #[must_use]
    pub fn is_of(&self, user: &UserReference) -> bool {
        match user {
            UserReference::Id(id) => *id == self.user,
            UserReference::Email(email) => email.key() == self.email.to_lowercase(),
        }
    }
}

/// What the caller authenticated with.
#[derive(Debug, Clone)]
pub enum Authenticator {
    /// A login.
    Session(SessionId),
    /// An API key.
    ApiKey {
        /// Its id.
        id: ApiKeyId,
        /// What it is good for at most.
        scope: KeyScope,
        /// The one organization that it works in.
        bound_to: Option<OrganizationId>,
    },
}

impl Authenticator {
    /// For the audit log.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match self {
            Self::Session(id) => id.uuid(),
            Self::ApiKey { id, .. } => id.uuid(),
        }
    }

    /// Whether it is good for reading what concerns others than its user: an API key of scope `use` is not.
    #[must_use]
    pub fn reads_of_others(&self) -> bool {
        !matches!(self, Self::ApiKey { scope: KeyScope::Use, .. })
    }

    /// The organization that an API key is bound to.
    #[must_use]
    pub fn bound_to(&self) -> Option<OrganizationId> {
        match self {
            Self::Session(_) => None,
            Self::ApiKey { bound_to, .. } => *bound_to,
        }
    }
}

/// What a user is in one organization.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The organization.
    pub organization: OrganizationId,
    /// An active member of it.
    pub member: bool,
    /// An active member of an organization below it.
    pub below: bool,
    /// Roles held in it or above it.
    pub roles: Vec<Role>,
    /// An admin of the tree's root: an operator.
    pub admin_of_root: bool,
}

impl Relation {
    /// Whether the user may know that the organization exists.
    #[must_use]
    pub fn visible(&self) -> bool {
        self.member || self.below || !self.roles.is_empty()
    }

    /// Whether the role is held here or above.
    #[must_use]
    pub fn holds(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
