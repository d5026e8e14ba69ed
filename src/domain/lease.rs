//! A right to let a solver use a token once.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::id::{LeaseId, QpuTokenId};
use super::usage::UserSummary;

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// Waits for a solver.
    Pending,
    /// A solver has got the credential.
    Redeemed,
    /// No solver came in time.
    Expired,
}

/// A lease. The text that redeems it is not among its members.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Lease {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: LeaseId,
    /// The token that it is for.
    #[schema(value_type = Uuid)]
    pub qpu_token_id: QpuTokenId,
    /// Who made it.
    pub user: UserSummary,
    /// What for.
    #[schema(required)]
    pub purpose: Option<String>,
    /// How far it is.
    pub state: LeaseState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// It cannot be redeemed afterwards.
    pub expires_at: DateTime<Utc>,
    /// When it was redeemed.
    #[schema(required)]
    pub redeemed_at: Option<DateTime<Utc>>,
    /// Who redeemed it.
    #[schema(required)]
    pub redeemed_by: Option<UserSummary>,
    /// What was promised to it, in the provider's native unit.
    #[schema(required)]
    pub reserved: Option<i64>,
    /// What the solver has reported.
    #[schema(required)]
    pub used: Option<i64>,
}
