//! The things of the model as a caller sees them. None of them can hold a secret.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::id::{ApiKeyId, AuditEventId, InvitationId, OrganizationId, QpuTokenId, SessionId, UserId};
use super::word::{KeyScope, MembershipStatus, Outcome, Role, UserStatus};

/// A node of the tree.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Organization {
    /// Stays the same when the organization is renamed or moved.
    #[schema(value_type = Uuid)]
    pub id: OrganizationId,
    /// Unique among siblings.
    pub name: String,
    /// `null` for the root.
    #[schema(value_type = Option<Uuid>, required)]
    pub parent_id: Option<OrganizationId>,
    /// Ids from the root down to this organization.
    pub path: Vec<Uuid>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last renamed or moved.
    pub updated_at: DateTime<Utc>,
    /// For the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// An organization, named: a step of a path.
#[derive(Debug, Clone, Serialize, serde::Deserialize, ToSchema)]
pub struct OrganizationSummary {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
}

/// A user in an organization.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    /// The account's id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Where mail reaches the user.
    pub email: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// `invited` until this organization's invitation is accepted; `disabled` when the account is.
    pub status: UserStatus,
    /// Roles held in this very organization.
    pub roles: Vec<Role>,
    /// The organization that this is about.
    #[schema(value_type = Uuid)]
    pub organization_id: OrganizationId,
    /// When the user was added.
    pub created_at: DateTime<Utc>,
    /// When the invitation was accepted.
    #[schema(required)]
    pub joined_at: Option<DateTime<Utc>>,
    /// For the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// The caller's own account.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Account {
    /// The account's id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Log-in name.
    pub email: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// State of the account.
    pub status: UserStatus,
    /// The organization that is meant where none is named.
    #[schema(value_type = Option<Uuid>, required)]
    pub home_organization_id: Option<OrganizationId>,
    /// Every organization that the account is in.
    pub memberships: Vec<AccountMembership>,
    /// When the account was created.
    pub created_at: DateTime<Utc>,
    /// For the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// One of the caller's memberships.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccountMembership {
    /// The organization.
    #[schema(value_type = Uuid)]
    pub organization_id: OrganizationId,
    /// Its name.
    pub name: String,
    /// From the root down to the organization.
    pub path: Vec<OrganizationSummary>,
    /// Whether the membership counts.
    pub status: MembershipStatus,
    /// Roles held in this very organization.
    pub roles: Vec<Role>,
    /// When the invitation was accepted.
    #[schema(required)]
    pub joined_at: Option<DateTime<Utc>>,
}

/// A pending invitation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Invitation {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: InvitationId,
    /// The invited user.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// Where the invitation goes.
    pub email: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// It cannot be accepted afterwards, only sent anew.
    pub expires_at: DateTime<Utc>,
}

/// A login.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// Address of the log-in.
    pub address: String,
    /// Program of the log-in, as it called itself.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// When the user logged in.
    pub created_at: DateTime<Utc>,
    /// When an access token was last fetched.
    pub last_used_at: DateTime<Utc>,
    /// When a new log-in is needed.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// An API key without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKeySummary {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scope: KeyScope,
    /// It works in this organization only.
    #[schema(value_type = Option<Uuid>, required)]
    pub organization_id: Option<OrganizationId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to about ten minutes.
    #[schema(required)]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Who owns a QPU token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOwner {
    /// An organization.
    Organization(OrganizationId),
    /// One user.
    User(UserId),
}

/// A QPU token's metadata. The credential is not among it and never will be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QpuToken {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: QpuTokenId,
    /// Unique per owner.
    pub name: String,
    /// The hardware provider.
    pub provider: String,
    /// The owning organization; `null` for a personal token.
    #[schema(value_type = Option<Uuid>, required)]
    pub organization_id: Option<OrganizationId>,
    /// Whether members of organizations below may use it.
    pub inherited: bool,
    /// Whether it can be used at all.
    pub enabled: bool,
    /// It cannot be used afterwards.
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Counts the rotations of the credential, from 1.
    pub secret_version: i32,
    /// When it was last used.
    #[schema(required)]
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// For the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// A limit on a token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Quota {
    /// The limit, in the provider's native unit.
    pub quota: i64,
    /// The token cannot be used before.
    pub start: DateTime<Utc>,
    /// The token cannot be used afterwards.
    pub end: DateTime<Utc>,
    /// How much of it the jobs that were submitted inside the window have used.
    pub quota_used: i64,
    /// How much of it is promised to those that are on their way.
    pub reserved: i64,
    /// For the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// An entry of the audit log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEvent {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: AuditEventId,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// `user`, `command` (the command line) or `anonymous` (somebody who is not logged in).
    pub actor_kind: String,
    /// The user who did it.
    #[schema(value_type = Option<Uuid>, required)]
    pub actor_id: Option<UserId>,
    /// E-mail address of the user at that time, or the command's name.
    pub actor_name: String,
    /// The session or API key that was used.
    #[schema(required)]
    pub credential_id: Option<Uuid>,
    /// What was done: the permission's name, such as `qpu-tokens:create`.
    pub action: String,
    /// What kind of thing it was done to.
    pub target_kind: String,
    /// Which one.
    #[schema(required)]
    pub target_id: Option<Uuid>,
    /// How it ended.
    pub outcome: Outcome,
    /// Where the request came from.
    #[schema(required)]
    pub address: Option<String>,
    /// The answer's `x-request-id`.
    #[schema(required)]
    pub request_id: Option<String>,
    /// What else is worth knowing; never a secret.
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
}
