//! What a caller is told when something cannot be done: a closed list with a stable code each.

/// A refusal that is the caller's to read. The code is part of the API; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No credential, or one that does not work (any more).
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The thing does not exist, or the caller may not know that it does.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The caller may see the thing but not do this.
    #[error("this needs {0}")]
    Forbidden(&'static str),
    /// The API key's scope does not cover this.
    #[error("this API key's scope does not allow this")]
    InsufficientScope,
    /// Keys and sessions are managed from a login session only.
    #[error("this can only be done from a login session, not with an API key")]
    SessionRequired,
    /// The API key is bound to an organization and this is outside of it.
    #[error("this API key is bound to an organization")]
    KeyIsBound,
    /// The e-mail address and the password do not belong together.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// Too many failed log-ins.
    #[error("too many failed attempts; try again later")]
    TooManyAttempts {
        /// Seconds after which another attempt is taken.
        retry_after: u64,
    },
    /// All hashing capacity is in use.
    #[error("too many log-ins at once; try again")]
    Busy,
    /// A one-time token that is unknown, used or expired.
    #[error("the invitation is unknown, used or expired")]
    InvalidInvitation,
    /// A lease that is unknown, used or expired, or whose maker may not use the token any more.
    #[error("the lease is unknown, used or expired")]
    InvalidLease,
    /// Members hand the leases that they make to somebody else.
    #[error("a lease is redeemed by somebody else than who made it")]
    OwnLease,
    /// What was redeemed cannot be taken back.
    #[error("the lease has been redeemed")]
    LeaseRedeemed,
    /// What was used is booked once.
    #[error("another figure has been reported already")]
    UsageReported,
    /// Nobody reported in time, and what was reserved was booked.
    #[error("the time to report has passed; what was reserved is booked")]
    UsageOverdue,
    /// A provider's job is booked once.
    #[error("this job has been reported with another lease")]
    JobReported,
    /// An organization keeps at least one active admin.
    #[error("{0:?} would lose its last active admin")]
    LastAdmin(String),
    /// A sibling has this name.
    #[error("an organization of this name exists in the same place")]
    OrganizationNameTaken,
    /// Deeper than eight levels.
    #[error("the tree of organizations is at most 8 levels deep")]
    TreeTooDeep,
    /// Below itself.
    #[error("an organization cannot be moved below itself")]
    TreeCycle,
    /// Children must go first.
    #[error("the organization has others below it: {0}")]
    HasChildren(String),
    /// The root stays where it is.
    #[error("the root of the tree can be neither moved nor deleted")]
    RootIsFixed,
    /// Bootstrap runs once.
    #[error("there is a root organization already")]
    RootExists,
    /// The user is in the organization already.
    #[error("this user is a member or invited already")]
    AlreadyMember,
    /// Names and status belong to the home organization's admins.
    #[error("only admins of the user's home organization can change the account")]
    NotHomeOrganization,
    /// A status that cannot be set from the present one.
    #[error("an invited user becomes active by accepting the invitation")]
    NotAccepted,
    /// The home organization must be one of the own.
    #[error("the home organization must be one that you are an active member of")]
    NotAMember,
    /// The owner has a token of this name.
    #[error("a QPU token of this name exists")]
    TokenNameTaken,
    /// No such provider is known or configured.
    #[error("the provider is not known here")]
    UnknownProvider,
    /// The credential's fields are not the provider's.
    #[error("{0}")]
    InvalidCredentialFields(String),
    /// The token is switched off.
    #[error("the QPU token is switched off")]
    TokenDisabled,
    /// The token's time is over.
    #[error("the QPU token has expired")]
    TokenExpired,
    /// A limit that applies has no room left.
    #[error("the limit on this QPU token is used up")]
    QuotaExhausted,
    /// A limit that applies has not begun or is over.
    #[error("the time window of the limit on this QPU token has not begun or is over")]
    QuotaNotActive,
    /// A quota's window ends before it starts.
    #[error("the window must not end before it starts")]
    InvalidWindow,
    /// More days than a report has.
    #[error("a report covers at most 366 days")]
    WindowTooLong,
    /// `POST` of a quota that is there.
    #[error("a quota is set already; change or delete it")]
    QuotaExists,
    /// `If-Match` names another version.
    #[error("the resource has changed since it was read")]
    PreconditionFailed,
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    IdempotencyKeyReused,
    /// The first request with this key has not been answered yet.
    #[error("a request with this Idempotency-Key is still running")]
    IdempotencyInProgress,
}

/// The families of refusals; each has one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// 401
    Unauthenticated,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 412
    Precondition,
    /// 422
    Invalid,
    /// 429
    TooMany,
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.class().1
    }

    /// The family.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.class().0
    }

    const fn class(&self) -> (RefusalKind, &'static str) {
        use RefusalKind::{Conflict, Forbidden, Invalid, NotFound, Precondition, TooMany, Unauthenticated};
        match self {
            Self::Unauthenticated(_) => (Unauthenticated, "unauthenticated"),
            Self::InvalidCredentials => (Unauthenticated, "invalid_credentials"),
            Self::NotFound(_) => (NotFound, "not_found"),
            Self::Forbidden(_) => (Forbidden, "forbidden"),
            Self::InsufficientScope => (Forbidden, "insufficient_scope"),
            Self::SessionRequired => (Forbidden, "session_required"),
            Self::KeyIsBound => (Forbidden, "key_is_bound"),
            Self::OwnLease => (Forbidden, "own_lease"),
            Self::NotHomeOrganization => (Forbidden, "not_home_organization"),
            Self::TokenDisabled => (Forbidden, "token_disabled"),
            Self::TokenExpired => (Forbidden, "token_expired"),
            Self::QuotaExhausted => (Forbidden, "quota_exhausted"),
            Self::QuotaNotActive => (Forbidden, "quota_not_active"),
            Self::TooManyAttempts { .. } => (TooMany, "too_many_attempts"),
            Self::Busy => (TooMany, "busy"),
            Self::LastAdmin(_) => (Conflict, "last_admin"),
            Self::OrganizationNameTaken => (Conflict, "organization_name_taken"),
            Self::TreeTooDeep => (Conflict, "tree_too_deep"),
            Self::TreeCycle => (Conflict, "tree_cycle"),
            Self::HasChildren(_) => (Conflict, "has_children"),
            Self::RootIsFixed => (Conflict, "root_is_fixed"),
            Self::RootExists => (Conflict, "root_exists"),
            Self::AlreadyMember => (Conflict, "already_member"),
            Self::NotAccepted => (Conflict, "not_accepted"),
            Self::NotAMember => (Conflict, "not_a_member"),
            Self::TokenNameTaken => (Conflict, "token_name_taken"),
            Self::QuotaExists => (Conflict, "quota_exists"),
            Self::LeaseRedeemed => (Conflict, "lease_redeemed"),
            Self::UsageReported => (Conflict, "usage_reported"),
            Self::UsageOverdue => (Conflict, "usage_overdue"),
            Self::JobReported => (Conflict, "job_reported"),
            Self::IdempotencyInProgress => (Conflict, "idempotency_in_progress"),
            Self::PreconditionFailed => (Precondition, "precondition_failed"),
            Self::InvalidInvitation => (Invalid, "invalid_invitation"),
            Self::InvalidLease => (Invalid, "invalid_lease"),
            Self::UnknownProvider => (Invalid, "unknown_provider"),
            Self::InvalidCredentialFields(_) => (Invalid, "invalid_credential_fields"),
            Self::InvalidWindow => (Invalid, "invalid_window"),
            Self::WindowTooLong => (Invalid, "window_too_long"),
            Self::IdempotencyKeyReused => (Invalid, "idempotency_key_reused"),
        }
    }
}
