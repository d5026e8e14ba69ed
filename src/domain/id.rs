//! Identifiers: one type per noun, so that a user's id can never stand where an organization's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier; `UUIDv7` (RFC 9562), so that ids sort by the time of their creation.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The plain UUID, for the database and for associated data.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// A node of the tree of organizations.
    OrganizationId;
    /// An account: one per e-mail address.
    UserId;
    /// A login.
    SessionId;
    /// The public part of an API key.
    ApiKeyId;
    /// A hardware access token, an organization's or a user's own.
    QpuTokenId;
    /// An invitation into an organization.
    InvitationId;
    /// An entry of the audit log.
    AuditEventId;
    /// A job at a provider, or what belongs to one; the ledger's entry.
    JobId;
    /// A right to let a solver use a token once.
    LeaseId;
}
