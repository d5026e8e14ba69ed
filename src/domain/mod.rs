//! The nouns: ids, names, states and the errors that a caller may see. Pure: no database, no HTTP, no clock of its own.

mod clock;
mod id;

pub use clock::{Clock, Timestamp};
pub use id::{ApiKeyId, AuditEventId, InvitationId, OrganizationId, QpuTokenId, SessionId, UserId};
