//! Reading the audit log. It is written by [`super::change`] only.

use uuid::Uuid;

use super::{Repository, Result};
use crate::authorization::Grant;
use crate::authorization::action::audit_events::List;
use crate::domain::{AuditEvent, OrganizationId, Outcome, Page, PageRequest, Timestamp, UserId};

/// Which events to list.
#[derive(Debug, Default)]
pub struct AuditFilter {
    /// Instead of the grant's organization, one that was below it when the event happened; it may be gone by now.
    pub organization: Option<OrganizationId>,
    /// Only what this user did.
    pub actor: Option<UserId>,
    /// Only this action, such as `qpu-tokens:create`, or all of a noun's: `qpu-tokens`.
    pub action: Option<String>,
    /// Only what was done to this.
    pub target: Option<Uuid>,
    /// Only what happened at this time or later.
    pub since: Option<Timestamp>,
    /// Only what happened before this time.
    pub until: Option<Timestamp>,
}

impl Repository {
    /// The organization's events, newest first.
    pub async fn audit_events(
        &self,
        grant: &Grant<List>,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let events = sqlx::query_as!(
            AuditEvent,
            r#"SELECT id, occurred_at, actor_kind, actor_id AS "actor_id: UserId", actor_name, credential_id, action,
                      target_kind, target_id, outcome AS "outcome: Outcome", address, request_id, details
                 FROM audit_events
                WHERE organization_id = coalesce($9::uuid, $1::uuid) AND ($9::uuid IS NULL OR $1 = ANY (path))
                  AND ($2::uuid IS NULL OR id < $2)
                  AND ($3::uuid IS NULL OR actor_id = $3)
                  AND ($4::text IS NULL OR action = $4 OR split_part(action, ':', 1) = $4)
                  AND ($5::uuid IS NULL OR target_id = $5)
                  AND ($6::timestamptz IS NULL OR occurred_at >= $6)
                  AND ($7::timestamptz IS NULL OR occurred_at < $7)
                ORDER BY id DESC LIMIT $8"#,
            grant.organization().uuid(),
            page.after,
            filter.actor.map(UserId::uuid),
            filter.action,
            filter.target,
            filter.since,
            filter.until,
            page.fetch(),
            filter.organization.map(OrganizationId::uuid),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Page::new(events, page, |event| event.id.uuid()))
    }
}
