//! What was used of a token: day by day, and job by job.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::id::{JobId, UserId};
use super::word::{JobKind, JobState};

/// A user, named.
#[derive(Debug, Clone, Serialize, serde::Deserialize, ToSchema)]
pub struct UserSummary {
    /// The account's id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Its e-mail address.
    pub email: String,
}

/// What was used, in the provider's native unit.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct Usage {
    /// Jobs that were submitted, redeemed leases among them; without those that came to nothing.
    pub jobs: i64,
    /// What they have used, as far as it is known.
    pub used: i64,
    /// What is promised to those that are on their way.
    pub reserved: i64,
}

impl Usage {
    /// Both together; at the end of numbers it stays there.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            jobs: self.jobs.saturating_add(other.jobs),
            used: self.used.saturating_add(other.used),
            reserved: self.reserved.saturating_add(other.reserved),
        }
    }
}

/// What one user used on one day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DailyUsage {
    /// Who.
    pub user: UserSummary,
    /// On which day, in UTC, the jobs were submitted.
    pub day: NaiveDate,
    /// Jobs that were submitted.
    pub jobs: i64,
    /// What they have used, as far as it is known.
    pub used: i64,
    /// What is promised to those that are on their way.
    pub reserved: i64,
}

impl DailyUsage {
    /// The figures alone.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { jobs: self.jobs, used: self.used, reserved: self.reserved }
    }
}

/// An entry of the ledger.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// The provider's own name for it; `null` until the provider, or the solver, has told it.
    #[schema(required)]
    pub provider_job_id: Option<String>,
    /// What it is.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Who submitted it.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// The version of the token's credential that it was submitted with.
    pub secret_version: i32,
    /// What was promised to it, in the provider's native unit.
    pub reserved: i64,
    /// What it used; `null` until that is known, and if nothing came of it.
    #[schema(required)]
    pub used: Option<i64>,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it was settled or given up.
    #[schema(required)]
    pub ended_at: Option<DateTime<Utc>>,
}
