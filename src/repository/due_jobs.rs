//! Jobs of which it is time to ask what they have used, and how they end if nobody can tell.

use chrono::TimeDelta;

use super::change::{Event, Target};
use super::columns::sealed_credential;
use super::{Repository, Result};
use crate::authorization::{Actor, Origin};
use crate::domain::{
    JobId, JobKind, JobReference, JobState, OrganizationId, Outcome, ProviderName, QpuTokenId, TokenOwner, UserId,
};
use crate::vault::{Binding, SealedCredential, VaultError};

/// How long an open job is asked about before it is given up.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(30);

/// Which of the jobs that are due.
pub struct Due<'a> {
    /// Those that this provider is asked about. `None` for those about which nobody is: what was never submitted, what a lease was
    /// for, and what is at a provider that cannot be reached.
    pub provider: Option<&'a ProviderName>,
    /// The providers that can be reached.
    pub reachable: &'a [&'a ProviderName],
}

/// A job whose usage is still to be asked for.
pub struct DueJob {
    /// The row.
    pub id: JobId,
    /// How far it is.
    pub state: JobState,
    /// The provider's name for it; `None` if the provider never answered.
    pub reference: Option<JobReference>,
    /// What the provider's adapter needs to find it.
    pub place: String,
    /// For how long it has been on its way.
    pub age: TimeDelta,
    /// For how long the provider has said that it does not know it, without a break; `None` if it does.
    pub unknown_for: Option<TimeDelta>,
    /// What the credential is bound to, in the version that submitted the job.
    pub binding: Binding,
    /// The credential.
    pub sealed: SealedCredential,
}

impl DueJob {
    /// Whether it has been asked about for so long that it is given up.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.age > GIVEN_UP_AFTER
    }
}

impl Repository {
    /// Remembers whether the provider does not know a job, from now on.
    pub async fn note_unknown(&self, job: JobId, unknown: bool) -> Result<()> {
        sqlx::query!(
            "UPDATE jobs SET unknown_since = CASE WHEN $2 THEN coalesce(unknown_since, $3) END WHERE id = $1",
            job.uuid(),
            unknown,
            self.now(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a job that never ran: books nothing, and says so in the audit log.
    pub async fn expire_job(&self, job: &DueJob, reason: &str) -> Result<()> {
        self.end_unknown(job, reason, false).await
    }

    /// Ends a job that the provider took and of which nobody tells what it used: books what was reserved for it, and says so in the
    /// audit log.
    pub async fn book_reserved(&self, job: &DueJob, reason: &str) -> Result<()> {
        self.end_unknown(job, reason, true).await
    }

    async fn end_unknown(&self, job: &DueJob, reason: &str, ran: bool) -> Result<()> {
        let now = self.now();
        let mut transaction = self.begin().await?;
        // What is reserved never changes. With its token, the job may be gone by now.
        let ended = sqlx::query!(
            r#"SELECT end_unchanged_job(id, $4, CASE WHEN $2 THEN reserved END, $3) AS "ended!", reserved
                 FROM jobs WHERE id = $1"#,
            job.id.uuid(),
            ran,
            now,
            job.state.as_str(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(job_then) = ended.filter(|job| job.ended) {
            let event = Event { actor: Actor::Anonymous, action: "jobs:expire", origin: Origin::default(), at: now };
            let organization = match job.binding.owner {
                TokenOwner::Organization(id) => Some(id),
                TokenOwner::User(_) => None,
            };
            let booked = if ran { job_then.reserved } else { 0 };
            let target = Target::new(organization, "job", job.id.uuid()).with("reason", reason).with("booked", booked);
            event.write(&mut transaction, &target, Outcome::Success).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Takes up to `limit` jobs that are due, and puts them off: each is asked about less and less often, after `delay` first and
    /// hourly in the end. Other replicas take others.
    pub async fn due_jobs(&self, due: &Due<'_>, limit: i64, delay: TimeDelta) -> Result<Vec<DueJob>> {
        let now = self.now();
        let reachable: Vec<String> = due.reachable.iter().map(ToString::to_string).collect();
        let rows = sqlx::query!(
            r#"WITH due AS (
                   SELECT j.id FROM jobs j JOIN qpu_tokens t ON t.id = j.qpu_token_id
                    WHERE j.check_at <= $1
                      AND CASE WHEN j.state = 'open' AND j.kind <> 'lease' AND t.provider = ANY ($5) THEN t.provider END
                          IS NOT DISTINCT FROM $4
                    ORDER BY j.check_at LIMIT $2 FOR UPDATE OF j SKIP LOCKED
               ), taken AS (
                   UPDATE jobs j
                      SET checks = checks + 1,
                          check_at = $1 + least(interval '1 hour', make_interval(secs => $3 * power(2, least(checks, 20))))
                     FROM due WHERE j.id = due.id
                RETURNING j.*
               )
               SELECT j.id AS "id: JobId", j.state AS "state: JobState", j.kind AS "kind: JobKind", j.provider_job_id, j.place,
                      j.created_at, j.unknown_since, t.id AS "token: QpuTokenId", t.provider,
                      t.organization_id AS "organization_id: OrganizationId", t.user_id AS "user_id: UserId",
                      s.secret_version, s.format, s.kek_id, s.wrapped_data_key, s.field_names, s.ciphertexts
                 FROM taken j
                 JOIN qpu_tokens t ON t.id = j.qpu_token_id
                CROSS JOIN LATERAL (
                     SELECT * FROM qpu_token_secrets c
                      WHERE c.qpu_token_id = t.id AND c.secret_version IN (t.secret_version, j.secret_version)
                      ORDER BY c.secret_version = j.secret_version DESC LIMIT 1
                ) s"#,
            now,
            limit,
            delay.as_seconds_f64(),
            due.provider.map(ToString::to_string),
            &reachable,
        )
        .fetch_all(&self.pool)
        .await?;
        let jobs = rows.into_iter().map(|row| {
            let owner = match (row.organization_id, row.user_id) {
                (Some(organization), _) => TokenOwner::Organization(organization),
                (None, Some(user)) => TokenOwner::User(user),
                (None, None) => return Err(VaultError::DoesNotOpen.into()),
            };
            let provider = row.provider.parse().map_err(|_| VaultError::DoesNotOpen)?;
            Ok(DueJob {
                id: row.id,
                state: row.state,
                reference: row.provider_job_id.map(|id| JobReference { kind: row.kind, id }),
                place: row.place,
                age: now - row.created_at,
                unknown_for: row.unknown_since.map(|since| now - since),
                binding: Binding { owner, token: row.token, secret_version: row.secret_version, provider },
                sealed: sealed_credential(
                    row.format,
                    row.kek_id,
                    row.wrapped_data_key,
                    row.field_names,
                    row.ciphertexts,
                ),
            })
        });
        jobs.collect()
    }
}
