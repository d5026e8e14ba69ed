//! A change: one transaction that begins with a grant and ends with an audit event.

use std::ops::{Deref, DerefMut};

use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::error::is_lost;
use super::{Repository, Result};
use crate::authorization::{Action, Actor, Grant, Origin};
use crate::domain::{AuditEventId, OrganizationId, Outcome, Refusal, Timestamp, UserId};

/// What a caller insists on (`If-Match`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// That there is a row.
    Exists,
    /// That the row has this version.
    Version(i64),
}

impl Precondition {
    /// # Errors
    /// [`Refusal::PreconditionFailed`] if the row has another version.
    pub fn check(self, version: i64) -> Result<(), Refusal> {
        match self {
            Self::Version(wanted) if wanted != version => Err(Refusal::PreconditionFailed),
            Self::None | Self::Exists | Self::Version(_) => Ok(()),
        }
    }

    /// # Errors
    /// [`Refusal::PreconditionFailed`] if a row was insisted on.
    pub fn check_absent(self) -> Result<(), Refusal> {
        if self == Self::None { Ok(()) } else { Err(Refusal::PreconditionFailed) }
    }
}

/// What the audit log says a change was done to.
#[derive(Clone)]
pub(super) struct Target {
    organization: Option<OrganizationId>,
    kind: &'static str,
    id: Uuid,
    details: Value,
}

impl Target {
    pub(super) fn new(organization: impl Into<Option<OrganizationId>>, kind: &'static str, id: Uuid) -> Self {
        Self { organization: organization.into(), kind, id, details: Value::Object(serde_json::Map::new()) }
    }

    /// Adds what else is worth knowing. Never a secret.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(details) = &mut self.details {
            details.insert(key.to_owned(), value.into());
        }
        self
    }
}

/// A transaction in which something is being changed. Dropped without [`Change::commit`], it never happened.
pub(super) struct Change {
    transaction: Transaction<'static, Postgres>,
    event: Event,
    pub(super) now: Timestamp,
}

/// The half of an audit event that is known before what it was done to: who, what, from where, when.
pub(super) struct Event {
    pub(super) actor: Actor,
    pub(super) action: &'static str,
    pub(super) origin: Origin,
    pub(super) at: Timestamp,
}

impl Event {
    /// Writes it. The only `INSERT` into the log.
    pub(super) async fn write(&self, connection: &mut PgConnection, target: &Target, outcome: Outcome) -> Result<()> {
        let (kind, actor, name, credential) = match &self.actor {
            Actor::User { id, email, credential } => ("user", Some(id.uuid()), email.as_str(), *credential),
            Actor::Command(command) => ("command", None, command.name(), None),
            Actor::Anonymous => ("anonymous", None, "", None),
        };
        sqlx::query!(
            "INSERT INTO audit_events (id, organization_id, path, occurred_at, actor_kind, actor_id, actor_name,
                                       credential_id, action, target_kind, target_id, outcome, address, request_id,
                                       details)
             VALUES ($1, $2, coalesce((SELECT path FROM organizations WHERE id = $2), '{}'), $3, $4, $5, $6, $7, $8, $9,
                     $10, $11, $12, $13, $14)",
            AuditEventId::new().uuid(),
            target.organization.map(OrganizationId::uuid),
            self.at,
            kind,
            actor,
            name,
            credential,
            self.action,
            target.kind,
            target.id,
            outcome.as_str(),
            self.origin.address,
            self.origin.request_id,
            target.details,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Repository {
    /// Begins a change that `grant` allows.
    pub(super) async fn change<A: Action>(&self, grant: &Grant<A>) -> Result<Change> {
        let now = self.now();
        let (actor, origin) = (grant.actor().clone(), grant.origin().clone());
        let event = Event { actor, action: A::PERMISSION, origin, at: now };
        Ok(Change { transaction: self.begin().await?, event, now })
    }

    /// A transaction. The pool does not test connections before it hands them out (that costs a tenth of the throughput),
    /// so one that died in the meantime shows here, where trying again is safe: nothing has been done yet.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        let mut tries = self.pool.size();
        loop {
            // Not to be given up half-way, whatever becomes of the request: sqlx would take the connection back with the
            // transaction that was just begun. Once there is a `Transaction`, dropping it rolls back.
            let pool = self.pool.clone();
            let begun = tokio::spawn(async move { pool.begin().await }).await;
            match begun.unwrap_or(Err(sqlx::Error::WorkerCrashed)) {
                Err(error) if tries > 0 && is_lost(&error) => tries -= 1,
                outcome => return Ok(outcome?),
            }
        }
    }
}

impl Change {
    /// Names the actor once it is known: the holder of a one-time token turns out to be somebody.
    pub(super) fn acted_by(&mut self, id: UserId, email: String) {
        self.event.actor = Actor::User { id, email, credential: None };
    }

    /// Records an event in another organization's log as well; the change goes on.
    pub(super) async fn record(&mut self, target: &Target) -> Result<()> {
        self.event.write(&mut self.transaction, target, Outcome::Success).await
    }

    /// As [`Change::record`], for what was refused.
    pub(super) async fn record_refusal(&mut self, target: &Target) -> Result<()> {
        self.event.write(&mut self.transaction, target, Outcome::Refused).await
    }

    /// Commits a change whose events have all been recorded, one for each thing that it was done to.
    pub(super) async fn commit_recorded(self) -> Result<()> {
        self.transaction.commit().await?;
        Ok(())
    }

    /// Records the event and commits both.
    pub(super) async fn commit(self, target: Target) -> Result<()> {
        self.end(target, Outcome::Success).await
    }

    /// As [`Change::commit`], for what was refused but must be remembered.
    pub(super) async fn commit_refusal(self, target: Target) -> Result<()> {
        self.end(target, Outcome::Refused).await
    }

    async fn end(mut self, target: Target, outcome: Outcome) -> Result<()> {
        self.event.write(&mut self.transaction, &target, outcome).await?;
        self.transaction.commit().await?;
        Ok(())
    }
}

impl Deref for Change {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
