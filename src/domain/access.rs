//! Why somebody may use a token, or not.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::noun::{OrganizationSummary, Quota};
use super::refusal::Refusal;
use super::usage::UserSummary;
use super::word::Role;

/// The one reason that counts: of several that stand in the way, the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessReason {
    /// May: a member of the organization that owns the token.
    Member,
    /// May: a member of an organization below, which inherits the token.
    MemberBelow,
    /// The account is disabled.
    AccountDisabled,
    /// The token is not inherited, and the user is a member below only.
    NotInherited,
    /// The invitation has not been accepted.
    Invited,
    /// Not a member of the organization that owns the token, nor of one below. Roles above do not make a member.
    NotAMember,
    /// The token is switched off.
    TokenDisabled,
    /// The token's time is over.
    TokenExpired,
    /// The window of a limit that applies has not begun or is over.
    QuotaNotActive,
    /// A limit that applies has no room left.
    QuotaExhausted,
}

impl AccessReason {
    /// Whether it is one to let somebody.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Self::Member | Self::MemberBelow)
    }
}

/// What the broker refuses with, as a reason.
impl From<Refusal> for AccessReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TokenDisabled => Self::TokenDisabled,
            Refusal::TokenExpired => Self::TokenExpired,
            Refusal::QuotaNotActive => Self::QuotaNotActive,
            Refusal::QuotaExhausted => Self::QuotaExhausted,
            _ => Self::NotAMember,
        }
    }
}

/// Whom a limit limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LimitSubject {
    /// Everyone who uses the token.
    Organization,
    /// The user.
    User,
}

/// A limit that applies, and what is left of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccessLimit {
    /// Whom it limits.
    pub subject: LimitSubject,
    /// The limit, in the provider's native unit.
    pub quota: i64,
    /// How much of it is used.
    pub quota_used: i64,
    /// How much of it is promised to jobs on their way.
    pub reserved: i64,
    /// The token cannot be used before.
    pub start: DateTime<Utc>,
    /// The token cannot be used afterwards.
    pub end: DateTime<Utc>,
    /// What is left.
    pub remaining: i64,
}

impl AccessLimit {
    /// A limit for this subject.
    #[must_use]
    pub fn new(subject: LimitSubject, quota: &Quota) -> Self {
        let Quota { quota, quota_used, reserved, start, end, .. } = *quota;
        let remaining = quota.saturating_sub(quota_used).saturating_sub(reserved).max(0);
        Self { subject, quota, quota_used, reserved, start, end, remaining }
    }

    /// What is left of it now: nothing outside of its window.
    #[must_use]
    pub fn room(&self, now: DateTime<Utc>) -> i64 {
        if now < self.start || now > self.end { 0 } else { self.remaining }
    }
}

/// The token, as far as it decides.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccessToToken {
    /// Whether it can be used at all.
    pub enabled: bool,
    /// It cannot be used afterwards.
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether members of organizations below may use it.
    pub inherited: bool,
}

/// Why a user may use a token, or not.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Access {
    /// Whether a job would be let through at this moment, if its size fits the limits: what is left of each must be at least
    /// what is reserved for the job.
    pub allowed: bool,
    /// Why.
    pub reason: AccessReason,
    /// Who.
    pub user: UserSummary,
    /// The way through the tree, from the organization that owns the token down to the one whose member the user is;
    /// `null` if there is none.
    #[schema(required)]
    pub via: Option<Vec<OrganizationSummary>>,
    /// Roles that the user holds where the token is, or above. No role is needed to use a token, and none gives the right.
    pub roles: Vec<Role>,
    /// The token.
    pub token: AccessToToken,
    /// What is reserved for a job whose size is not known beforehand, in the provider's native unit. Where less than this is left
    /// of a limit, such a job is refused, though a smaller one of known size may be let through.
    pub estimate: i64,
    /// The limits that apply.
    pub limits: Vec<AccessLimit>,
    /// The one with the least room, if there is any.
    #[schema(required)]
    pub tightest: Option<AccessLimit>,
}
