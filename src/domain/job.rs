//! What a member has at a hardware provider, by the provider's own name for it.

use super::word::JobKind;

/// Most that one job can be promised or have used, in a provider's native unit. No hardware runs for so long (in nanoseconds, it is
/// eleven days), and thousands of such figures are still a number together.
pub const MOST_USED: i64 = 1_000_000_000_000_000;

/// A job, upload or session as its provider calls it; unique for one token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobReference {
    /// What it is.
    pub kind: JobKind,
    /// The provider's id.
    pub id: String,
}

impl JobReference {
    /// Longest id of a provider's that is taken note of, in bytes.
    pub const LONGEST_ID: usize = 512;
}

/// What became of something that was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The provider has taken it, and calls it so.
    Named(String),
    /// The provider has taken it, and nobody knows as what. Perhaps it runs.
    Unnamed,
    /// The provider has not taken it.
    Refused,
}

impl Created {
    /// What a success says that has an id, or should have.
    #[must_use]
    pub fn with(id: Option<&str>) -> Self {
        id.map_or(Self::Unnamed, |id| Self::Named(id.to_owned()))
    }
}

impl JobReference {
    /// A job.
    #[must_use]
    pub fn job(id: impl Into<String>) -> Self {
        Self { kind: JobKind::Job, id: id.into() }
    }

    /// An upload.
    #[must_use]
    pub fn upload(id: impl Into<String>) -> Self {
        Self { kind: JobKind::Upload, id: id.into() }
    }

    /// A session.
    #[must_use]
    pub fn session(id: impl Into<String>) -> Self {
        Self { kind: JobKind::Session, id: id.into() }
    }
}
