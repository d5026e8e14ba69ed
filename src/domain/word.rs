//! Closed sets of words: states, roles, scopes. Each has one spelling, on the wire and in the database.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use super::text::InvalidText;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The one spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(InvalidText(concat!("must be one of:", $(" ", $word),*).to_owned())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

words! {
    /// State of an account, and of a person in an organization's directory.
    UserStatus {
        /// Added, but has not accepted the invitation.
        Invited = "invited",
        /// May log in.
        Active = "active",
        /// May not log in; sessions and keys are ended.
        Disabled = "disabled",
    }

    /// State of one membership.
    MembershipStatus {
        /// Waits for the invitation to be accepted; gives nothing.
        Invited = "invited",
        /// Counts.
        Active = "active",
    }

    /// A role held in an organization counts there and in everything below it.
    Role {
        /// Manages organizations below, users, roles, tokens and limits.
        Admin = "admin",
        /// Reads the audit log, usage and the directory.
        Auditor = "auditor",
        /// Redeems leases; given only by admins of the root.
        Solver = "solver",
    }

    /// What an API key is good for, at most: `full`, all that its user may do but for keys, password and sessions; `read`, looking;
    /// `use`, looking, using tokens, and making and redeeming leases.
    KeyScope {
        /// Everything that its user may do, except managing keys and sessions.
        Full = "full",
        /// Reading.
        Read = "read",
        /// Using QPU tokens, and reading what is needed for that.
        Use = "use",
    }

    /// What a member has at a provider.
    JobKind {
        /// A job.
        Job = "job",
        /// Data on its way, for jobs to come.
        Upload = "upload",
        /// A time in which the hardware is kept for its jobs.
        Session = "session",
        /// A use of the token by a solver, outside of the broker.
        Lease = "lease",
    }

    /// How far a job is, as the ledger sees it.
    JobState {
        /// The provider has not answered yet.
        Reserved = "reserved",
        /// With the provider; what it used is not known yet.
        Open = "open",
        /// What it used is booked.
        Settled = "settled",
        /// Nothing came of it, and nothing is booked.
        Expired = "expired",
    }

    /// How something ended.
    Outcome {
        /// It was done.
        Success = "success",
        /// It was not allowed.
        Refused = "refused",
    }
}
