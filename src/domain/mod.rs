//! The nouns: ids, names, states and the refusals that a caller may see. Pure: no database, no HTTP.

mod access;
mod clock;
mod email;
mod id;
mod job;
mod lease;
mod noun;
mod page;
mod provider;
mod refusal;
mod text;
mod usage;
mod user_reference;
mod word;

pub use access::{Access, AccessLimit, AccessReason, AccessToToken, LimitSubject};
pub use clock::{Clock, Timestamp};
pub use email::EmailAddress;
pub use id::{ApiKeyId, AuditEventId, InvitationId, JobId, LeaseId, OrganizationId, QpuTokenId, SessionId, UserId};
pub use job::{Created, JobReference, MOST_USED};
pub use lease::{Lease, LeaseState};
pub use noun::{
    Account, AccountMembership, ApiKeySummary, AuditEvent, Invitation, Organization, OrganizationSummary, QpuToken,
    Quota, Session, TokenOwner, User,
};
pub use page::{Page, PageRequest};
pub use provider::{CredentialForm, Provider, Providers};
pub use refusal::{Refusal, RefusalKind};
pub use text::{
    FieldName, InvalidText, KeyName, OrganizationName, PersonName, ProviderJobName, ProviderName, Purpose, TokenName,
};
pub use usage::{DailyUsage, Job, Usage, UserSummary};
pub use user_reference::UserReference;
pub use word::{JobKind, JobState, KeyScope, MembershipStatus, Outcome, Role, UserStatus};
