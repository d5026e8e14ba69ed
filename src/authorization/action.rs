//! Everything that can be done, one type each, with who may do it. This table is the policy; nothing else decides.

use super::place::{Console, Holder, InOrganization, OfToken, Own, Place, TokenPlace, Verified};
use crate::authentication::{InvitationDigest, RefreshDigest};
use crate::domain::Role;

/// Something that can be done. Sealed: the list below is complete.
pub trait Action: sealed::Sealed + Send + Sync + 'static {
    /// Its name in the documentation, the audit log and `x-permission`.
    const PERMISSION: &'static str;
    /// Who may do it.
    const RULE: Rule;
    /// What an API key must be good for.
    const NEED: KeyNeed;
    /// What it is done in: an organization, the own account, or what the holder of a one-time token may reach.
    type Place: Place;
}

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anyone who is signed in, with a bound API key too.
    SignedIn,
    /// The account's owner.
    Owner,
    /// Anyone who may know the organization: its members, those of organizations below, holders of a role.
    Visible,
    /// Members of the organization or one below.
    Member,
    /// Members of the organization or one below, and admins.
    MemberOrAdmin,
    /// Members of the organization or one below, admins and auditors.
    MemberAdminOrAuditor,
    /// Admins and auditors.
    AdminOrAuditor,
    /// Admins and auditors; anyone about themselves.
    AdminAuditorOrSelf,
    /// Admins and auditors; members of the organization or one below about themselves.
    AdminAuditorOrUser,
    /// Admins.
    Admin,
    /// Solvers.
    Solver,
    /// Members of the organization that owns the token; where it is inherited, of those below; a personal token's owner.
    User,
    /// Whoever may use the token; admins of the organization that owns it, and of those above.
    UserOrAdmin,
    /// Whoever has proved it otherwise: with a password, a one-time token, or at the server's console.
    Proven,
}

impl Rule {
    /// Whether holding the role is enough.
    #[must_use]
    pub const fn allows(self, role: Role) -> bool {
        match self {
            Self::SignedIn | Self::Owner | Self::Visible => true,
            Self::AdminOrAuditor | Self::AdminAuditorOrSelf | Self::AdminAuditorOrUser | Self::MemberAdminOrAuditor => {
                matches!(role, Role::Admin | Role::Auditor)
            }
            Self::MemberOrAdmin | Self::UserOrAdmin | Self::Admin => matches!(role, Role::Admin),
            Self::Solver => matches!(role, Role::Solver),
            Self::Member | Self::User | Self::Proven => false,
        }
    }
}

/// What an API key must be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyNeed {
    /// Every scope will do.
    Any,
    /// `read` or `full`; about its own user, every scope.
    ReadOrOwn,
    /// `read` or `full`.
    Read,
    /// `use` or `full`.
    Use,
    /// `full`.
    Write,
    /// No API key will do, only a login session.
    Session,
}

/// An action, described.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    /// Its name.
    pub name: &'static str,
    /// Who may.
    pub rule: Rule,
}

/// The actions on tokens come in two kinds, for an organization's and for one's own, and are carried out the same way.
/// `Verb` tells them apart: a grant to read a token is none to delete it.
pub trait TokenAction<Verb>: Action<Place: TokenPlace> {}

/// What can be done with a token, whoever owns it.
pub mod token_verb {
    /// See them.
    #[derive(Debug)]
    pub struct Read;
    /// Store one.
    #[derive(Debug)]
    pub struct Create;
    /// Change its metadata.
    #[derive(Debug)]
    pub struct Update;
    /// Replace its credential.
    #[derive(Debug)]
    pub struct Rotate;
    /// Destroy it.
    #[derive(Debug)]
    pub struct Delete;
    /// See what was used of it.
    #[derive(Debug)]
    pub struct ReadUsage;
}

macro_rules! token_actions {
    ($($verb:ident: $($action:ident),*;)*) => {$($(
        impl TokenAction<token_verb::$verb> for qpu_tokens::$action {}
        impl TokenAction<token_verb::$verb> for personal_tokens::$action {}
    )*)*};
}

token_actions! {
    Read: List, Read;
    Create: Create;
    Update: Update;
    Rotate: Rotate;
    Delete: Delete;
    ReadUsage: ReadUsage;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! actions {
    ($($module:ident: $noun:literal { $($(#[$doc:meta])* $action:ident = $verb:literal, $place:ident $(<$held:ident>)?, $rule:ident, $need:ident;)* })*) => {
        $(
            #[doc = concat!("What can be done with ", $noun, ".")]
            pub mod $module {
                use super::{Action, KeyNeed, Rule};
                $(
                    $(#[$doc])*
                    #[derive(Debug)]
                    pub struct $action;
                    impl super::sealed::Sealed for $action {}
                    impl Action for $action {
                        const PERMISSION: &'static str = concat!($noun, ":", $verb);
                        const RULE: Rule = Rule::$rule;
                        const NEED: KeyNeed = KeyNeed::$need;
                        type Place = super::$place $(<super::$held>)?;
                    }
                )*
            }
        )*

        /// Every action there is.
        pub const ALL: &[Permission] = &[
            $($(Permission { name: $module::$action::PERMISSION, rule: $module::$action::RULE },)*)*
        ];
    };
}

actions! {
    account: "account" {
        /// See the own account and memberships.
        Read = "read", Own, SignedIn, Any;
        /// Change the own names and home organization.
        Update = "update", Own, Owner, Write;
        /// Change the own password.
        ChangePassword = "change-password", Own, Owner, Session;
    }
    sessions: "sessions" {
        /// Log in.
        Create = "create", Verified, Proven, Session;
        /// Go on with a refresh token.
        Refresh = "refresh", Holder<RefreshDigest>, Proven, Session;
        /// See the own logins.
        List = "list", Own, Owner, Session;
        /// End one of the own logins.
        Delete = "delete", Own, Owner, Session;
    }
    api_keys: "api-keys" {
        /// See the own keys, without their secrets.
        List = "list", Own, Owner, Session;
        /// Make a key.
        Create = "create", Own, Owner, Session;
        /// End a key.
        Delete = "delete", Own, Owner, Session;
    }
    personal_tokens: "personal-tokens" {
        /// See the own tokens' metadata.
        List = "list", Own, Owner, Any;
        /// See one.
        Read = "read", Own, Owner, Any;
        /// Store one.
        Create = "create", Own, Owner, Write;
        /// Rename, switch on or off, set expiry.
        Update = "update", Own, Owner, Write;
        /// Replace the credential.
        Rotate = "rotate", Own, Owner, Write;
        /// Destroy one.
        Delete = "delete", Own, Owner, Write;
        /// See what was used of one.
        ReadUsage = "read-usage", Own, Owner, Any;
    }
    organizations: "organizations" {
        /// Create the root, from the command line only.
        Bootstrap = "bootstrap", Console, Proven, Session;
        /// See the organizations that one may see.
        List = "list", Own, SignedIn, Any;
        /// Create one below this one.
        Create = "create", InOrganization, Admin, Write;
        /// See one.
        Read = "read", InOrganization, Visible, Any;
        /// Rename or move.
        Update = "update", InOrganization, Admin, Write;
        /// Take in one that is moved here.
        Adopt = "adopt", InOrganization, Admin, Write;
        /// Let one that is moved elsewhere go.
        Release = "release", InOrganization, Admin, Write;
        /// Delete.
        Delete = "delete", InOrganization, Admin, Write;
    }
    users: "users" {
        /// See the directory.
        List = "list", InOrganization, AdminOrAuditor, Read;
        /// See one user.
        Read = "read", InOrganization, AdminAuditorOrSelf, Read;
        /// Add a user.
        Create = "create", InOrganization, Admin, Write;
        /// Change names, disable and enable.
        Update = "update", InOrganization, Admin, Write;
        /// Remove a user.
        Delete = "delete", InOrganization, Admin, Write;
    }
    roles: "roles" {
        /// See the roles that there are.
        List = "list", Own, SignedIn, Any;
        /// Give a role.
        Assign = "assign", InOrganization, Admin, Write;
        /// Take a role.
        Revoke = "revoke", InOrganization, Admin, Write;
    }
    invitations: "invitations" {
        /// See what is pending.
        List = "list", InOrganization, Admin, Read;
        /// Make a new link; the old one stops working.
        Resend = "resend", InOrganization, Admin, Write;
        /// Withdraw.
        Delete = "delete", InOrganization, Admin, Write;
        /// Accept.
        Accept = "accept", Holder<InvitationDigest>, Proven, Session;
    }
    qpu_tokens: "qpu-tokens" {
        /// See the metadata of what one may use.
        List = "list", InOrganization, MemberOrAdmin, Any;
        /// See the metadata of one.
        Read = "read", InOrganization, MemberOrAdmin, Any;
        /// Store one.
        Create = "create", InOrganization, Admin, Write;
        /// Rename, switch on or off, set expiry and inheritance.
        Update = "update", InOrganization, Admin, Write;
        /// Replace the credential.
        Rotate = "rotate", InOrganization, Admin, Write;
        /// Destroy one.
        Delete = "delete", InOrganization, Admin, Write;
        /// See what was used of one: admins and auditors everyone's use, others their own.
        ReadUsage = "read-usage", InOrganization, MemberAdminOrAuditor, Any;
        /// See why somebody may use one or not: admins about everyone, others about themselves.
        ReadAccess = "read-access", InOrganization, MemberOrAdmin, Any;
    }
    jobs: "jobs" {
        /// Use a token at its provider, through the broker: see devices and come back to jobs.
        Use = "use", OfToken, UserOrAdmin, Use;
        /// Submit a job.
        Submit = "submit", OfToken, User, Use;
        /// Cancel or delete a job.
        Cancel = "cancel", OfToken, UserOrAdmin, Use;
    }
    quotas: "quotas" {
        /// See limits next to the tokens in a list: admins and auditors all, others their own.
        List = "list", InOrganization, MemberOrAdmin, Read;
        /// See the organization's limit on a token.
        Read = "read", InOrganization, AdminOrAuditor, Read;
        /// See a user's limit on a token.
        ReadUser = "read-user", InOrganization, AdminAuditorOrUser, ReadOrOwn;
        /// Set and change limits.
        Write = "write", InOrganization, Admin, Write;
        /// Lift a limit.
        Delete = "delete", InOrganization, Admin, Write;
    }
    leases: "leases" {
        /// See the leases of a token: admins all, others their own.
        List = "list", InOrganization, MemberOrAdmin, Any;
        /// Make one for a token that one may use.
        Create = "create", InOrganization, Member, Use;
        /// Take one back before it is redeemed: the own, admins any.
        Revoke = "revoke", InOrganization, MemberOrAdmin, Use;
        /// Get the credential for one, once; somebody else's only.
        Redeem = "redeem", InOrganization, Solver, Use;
        /// Say what was used with one that one has redeemed.
        Report = "report", Own, SignedIn, Use;
    }
    audit_events: "audit-events" {
        /// Read the audit log.
        List = "list", InOrganization, AdminOrAuditor, Read;
    }
    providers: "providers" {
        /// See the providers and what their credentials look like.
        List = "list", Own, SignedIn, Any;
    }
}
