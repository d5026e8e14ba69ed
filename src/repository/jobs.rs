//! The ledger of jobs: reserved before the provider is asked, opened when it has answered, ended once with what they used.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::change::{Change, Event, Target};
use super::columns::sealed_credential;
use super::{Error, Repository, Result};
use crate::authorization::action::jobs::{Cancel, Submit, Use};
use crate::authorization::{Action, Actor, Grant, OfToken, Origin};
use crate::domain::{
    Created, JobId, JobKind, JobReference, JobState, MOST_USED, OrganizationId, Outcome, ProviderName, QpuTokenId,
    Refusal, Timestamp, TokenOwner, UserId,
};
use crate::vault::{Binding, SealedCredential, VaultError};

/// How long an open job is asked about before it is given up.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(30);

/// What is to be submitted: one row of the ledger per job of a batch.
pub struct Submission<'a> {
    /// The version of the secret that goes with it.
    pub secret_version: i32,
    /// What it makes.
    pub kind: JobKind,
    /// What the provider's adapter needs to find it again.
    pub place: &'a str,
    /// What to reserve for each, in the provider's native unit.
    pub amounts: &'a [i64],
}

/// What became of a reserved job.
pub struct Submitted {
    /// The row.
    pub id: JobId,
    /// What the provider says of it.
    pub created: Created,
}

/// What the provider has answered to a submission.
pub struct Taken {
    /// What it makes.
    pub kind: JobKind,
    /// What became of each reserved job.
    pub jobs: Vec<Submitted>,
    /// One of them with its parts, if the provider has named any.
    pub parts: Option<(JobReference, Vec<JobReference>)>,
    /// After how long to ask what they have used; `None` if nobody can be asked.
    pub check_after: Option<TimeDelta>,
}

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
    /// Reserves room for jobs in all limits that apply, or in none.
    ///
    /// # Errors
    /// [`Refusal::QuotaExhausted`] or [`Refusal::QuotaNotActive`].
    pub async fn reserve_jobs(&self, grant: &Grant<Submit>, submission: &Submission<'_>) -> Result<Vec<JobId>> {
        let OfToken { token, member_of, .. } = grant.of_token();
        let person = grant.caller().ok_or(Refusal::Forbidden("a login"))?;
        let mut connection = self.pool.acquire().await?;
        reserve(&mut connection, Reserving { token, person, member_of, submission }, self.now()).await
    }

    /// Opens the jobs that the provider took, also those whose reservation is over by now, books as reserved what it took without a
    /// name, and releases the others; each is an event of its own. Answers which of the provider's names were somebody else's before:
    /// those must not be shown to the caller.
    pub async fn submit_jobs(&self, grant: &Grant<Submit>, taken: &Taken) -> Result<Vec<String>> {
        match self.open_jobs(grant, taken).await {
            // Somebody was opening a job of the same name at this very moment. Now it is known.
            Err(Error::Refused(Refusal::JobReported)) => self.open_jobs(grant, taken).await,
            outcome => outcome,
        }
    }

    async fn open_jobs(&self, grant: &Grant<Submit>, taken: &Taken) -> Result<Vec<String>> {
        let Taken { kind, jobs, parts, check_after } = taken;
        let mut change = self.change(grant).await?;
        let (now, mut foreign) = (change.now, Vec::new());
        lock(&mut change, jobs.iter().map(|job| job.id)).await?;
        for job in jobs {
            let provider_id = match &job.created {
                Created::Named(provider_id) => provider_id,
                Created::Unnamed => {
                    // Nobody can ask what it used.
                    let booked = book_reservation(&mut change, job.id, now).await?;
                    change.record(&target(grant, job.id).with("reason", "unnamed").with("booked", booked)).await?;
                    continue;
                }
                Created::Refused => {
                    end(&mut change, job.id, None, now).await?;
                    let target = target(grant, job.id).with("reason", "not_taken");
                    change.record_refusal(&target).await?;
                    continue;
                }
            };
            let opened = sqlx::query_scalar!(
                r#"SELECT open_job($1, $2, $3) AS "opened!""#,
                job.id.uuid(),
                provider_id,
                check_after.map(|after| now + after),
            )
            .fetch_one(&mut *change)
            .await?;
            if opened {
                change.record(&target(grant, job.id).with("provider_job_id", provider_id.as_str())).await?;
                continue;
            }
            // The provider has given a name a second time, as it does when it recognizes a repeated request. The job stays
            // with whoever submitted it first, and is booked once.
            let known = sqlx::query!(
                r#"SELECT id AS "id: JobId", user_id AS "user: UserId" FROM jobs
                    WHERE qpu_token_id = $1 AND kind = $2 AND provider_job_id = $3"#,
                grant.token().uuid(),
                kind.as_str(),
                provider_id,
            )
            .fetch_optional(&mut *change)
            .await?;
            // Written down before, by a try of which nobody heard the outcome.
            if known.as_ref().is_some_and(|known| known.id == job.id) {
                continue;
            }
            end(&mut change, job.id, None, now).await?;
            if known.is_some_and(|known| Some(known.user) != grant.caller()) {
                foreign.push(provider_id.clone());
            }
        }
        if let Some((whole, parts)) = parts {
            adopt(&mut change, grant.token(), whole, parts, now).await?;
        }
        change.commit_recorded().await?;
        Ok(foreign)
    }

    /// Releases jobs that were never submitted, or of which nobody knows whether they were.
    pub async fn release_jobs(&self, grant: &Grant<Submit>, jobs: &[JobId], reason: &str) -> Result<()> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        lock(&mut change, jobs.iter().copied()).await?;
        for job in jobs {
            // What the provider took is a job, whatever went wrong afterwards.
            let released = sqlx::query_scalar!(
                r#"SELECT end_job(id, NULL, $2) AS "ended!" FROM jobs WHERE id = $1 AND state = 'reserved'"#,
                job.uuid(),
                now,
            )
            .fetch_optional(&mut *change)
            .await?;
            if released == Some(true) {
                change.record_refusal(&target(grant, *job).with("reason", reason)).await?;
            }
        }
        change.commit_recorded().await
    }

    /// Remembers that a submission was refused before the provider was asked.
    pub async fn submission_refused(&self, grant: &Grant<Submit>, reason: &str) -> Result<()> {
        let change = self.change(grant).await?;
        let target = Target::new(grant.audited_in(), "qpu-token", grant.token().uuid());
        change.commit_refusal(target.with("reason", reason)).await
    }

    /// Remembers that jobs were cancelled or deleted, as the provider confirmed.
    pub async fn jobs_cancelled(&self, grant: &Grant<Cancel>, jobs: &[JobReference]) -> Result<()> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        // In one order, whoever else cancels the same jobs at this moment.
        let jobs: BTreeSet<&JobReference> = jobs.iter().collect();
        for job in jobs {
            // What a cancelled job has used is known soon.
            let id = sqlx::query_scalar!(
                r#"UPDATE jobs SET check_at = CASE WHEN state = 'open' AND check_at IS NOT NULL THEN least(check_at, $4) END
                    WHERE qpu_token_id = $1 AND kind = $2 AND provider_job_id = $3 RETURNING id AS "id: JobId""#,
                grant.token().uuid(),
                job.kind.as_str(),
                job.id,
                now,
            )
            .fetch_optional(&mut *change)
            .await?;
            if let Some(id) = id {
                change.record(&target(grant, id).with("provider_job_id", job.id.as_str())).await?;
            }
        }
        change.commit_recorded().await
    }

    /// Gives the parts of a job, which the provider has named, to whoever the job belongs to. What they use is booked with it.
    pub async fn adopt_parts(&self, grant: &Grant<Use>, whole: &JobReference, parts: &[JobReference]) -> Result<()> {
        adopt(&mut *self.pool.acquire().await?, grant.token(), whole, parts, self.now()).await
    }

    /// Books what a job used, once: whoever learns it first; never more than [`MOST_USED`], whatever the provider says. Answers whether
    /// this was it.
    pub async fn settle_job(&self, token: QpuTokenId, job: &JobReference, used: i64) -> Result<bool> {
        let ended = sqlx::query_scalar!(
            r#"SELECT end_job(id, $4, $5) AS "ended!" FROM jobs
                WHERE qpu_token_id = $1 AND kind = $2 AND provider_job_id = $3 AND state = 'open'"#,
            token.uuid(),
            job.kind.as_str(),
            job.id,
            used.min(MOST_USED),
            self.now(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(ended == Some(true))
    }

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

    /// Writes down what a token was used for since the last time, as one event, and that it was used.
    pub async fn note_uses(&self, grant: &Grant<Use>, counts: Value, refused: bool) -> Result<()> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        sqlx::query!("UPDATE qpu_tokens SET last_used_at = $2 WHERE id = $1", grant.token().uuid(), now)
            .execute(&mut *change)
            .await?;
        if let Some(key) = grant.authenticator().map(crate::authorization::Authenticator::id) {
            sqlx::query!("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", key, now).execute(&mut *change).await?;
        }
        let target = Target::new(grant.audited_in(), "qpu-token", grant.token().uuid()).with("requests", counts);
        if refused { change.commit_refusal(target).await } else { change.commit(target).await }
    }
}

/// Who reserves what.
pub(super) struct Reserving<'a> {
    pub(super) token: QpuTokenId,
    pub(super) person: UserId,
    pub(super) member_of: Option<OrganizationId>,
    pub(super) submission: &'a Submission<'a>,
}

/// Reserves room in all limits that apply, or in none.
pub(super) async fn reserve(
    connection: &mut PgConnection,
    Reserving { token, person, member_of, submission }: Reserving<'_>,
    now: Timestamp,
) -> Result<Vec<JobId>> {
    let ids: Vec<Uuid> = submission.amounts.iter().map(|_| JobId::new().uuid()).collect();
    let refused = sqlx::query_scalar!(
        "SELECT reserve_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        token.uuid(),
        submission.secret_version,
        person.uuid(),
        member_of.map(OrganizationId::uuid),
        submission.kind.as_str(),
        submission.place,
        &ids,
        submission.amounts,
        now,
    )
    .fetch_one(connection)
    .await?;
    match refused {
        None => Ok(ids.into_iter().map(JobId::from).collect()),
        Some(word) => Err(refusal(&word).into()),
    }
}

/// What stands in the way of a reservation.
pub(super) fn refusal(word: &str) -> Refusal {
    match word {
        "quota_not_active" => Refusal::QuotaNotActive,
        "token_gone" => Refusal::NotFound("QPU token"),
        _ => Refusal::QuotaExhausted,
    }
}

async fn adopt(
    connection: &mut PgConnection,
    token: QpuTokenId,
    whole: &JobReference,
    parts: &[JobReference],
    now: Timestamp,
) -> Result<()> {
    let ids: Vec<Uuid> = parts.iter().map(|_| JobId::new().uuid()).collect();
    let (kinds, names): (Vec<_>, Vec<_>) = parts.iter().map(|part| (part.kind.as_str(), part.id.as_str())).unzip();
    sqlx::query!(
        "INSERT INTO jobs (id, qpu_token_id, secret_version, user_id, organization_id, kind, place, provider_job_id, state,
                           reserved, used, created_at, ended_at, is_part)
         SELECT part.id, whole.qpu_token_id, whole.secret_version, whole.user_id, whole.organization_id, part.kind,
                whole.place, part.name, 'settled', 0, 0, whole.created_at, $7, true
           FROM jobs whole, unnest($4::uuid[], $5::text[], $6::text[]) AS part (id, kind, name)
          WHERE whole.qpu_token_id = $1 AND whole.kind = $2 AND whole.provider_job_id = $3
             ON CONFLICT DO NOTHING",
        token.uuid(),
        whole.kind.as_str(),
        whole.id,
        &ids,
        &kinds as _,
        &names as _,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks several jobs that are about to be opened or ended one after the other. One job locks itself.
async fn lock(change: &mut Change, jobs: impl ExactSizeIterator<Item = JobId>) -> Result<()> {
    if jobs.len() > 1 {
        let ids: Vec<Uuid> = jobs.map(JobId::uuid).collect();
        sqlx::query_scalar!("SELECT lock_jobs($1)", &ids).fetch_one(&mut **change).await?;
    }
    Ok(())
}

async fn end(change: &mut Change, job: JobId, used: Option<i64>, now: Timestamp) -> Result<()> {
    sqlx::query_scalar!("SELECT end_job($1, $2, $3)", job.uuid(), used, now).fetch_one(&mut **change).await?;
    Ok(())
}

/// Books what was reserved for a job, if it still is; answers how much.
async fn book_reservation(change: &mut Change, job: JobId, now: Timestamp) -> Result<i64> {
    let booked = sqlx::query_scalar!(
        "SELECT reserved FROM jobs WHERE id = $1 AND state = 'reserved' AND end_job(id, reserved, $2)",
        job.uuid(),
        now,
    )
    .fetch_optional(&mut **change)
    .await?;
    Ok(booked.unwrap_or_default())
}

fn target<A: Action<Place = OfToken>>(grant: &Grant<A>, job: JobId) -> Target {
    Target::new(grant.audited_in(), "job", job.uuid()).with("qpu_token", grant.token().to_string())
}
