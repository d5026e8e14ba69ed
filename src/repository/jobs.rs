//! The ledger of jobs: reserved before the provider is asked, opened when it has answered, ended once with what they used.

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::change::{Change, Target};
use super::turns::take_turn;
use super::{Error, Repository, Result};
use crate::authorization::action::jobs::{Cancel, Submit, Use};
use crate::authorization::{Action, Grant, OfToken};
use crate::domain::{
    Created, JobId, JobKind, JobReference, MOST_USED, OrganizationId, QpuTokenId, Refusal, Timestamp, UserId,
};

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

impl Taken {
    /// The provider's names of what it took.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().filter_map(|job| match &job.created {
            Created::Named(id) => Some(id.as_str()),
            Created::Unnamed | Created::Refused => None,
        })
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
    /// name, and releases the others; each is an event of its own, but for what is released if that was done before: by a try of which
    /// nobody heard, or because its reservation was over. Answers which of the provider's names were somebody else's before:
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
                    if let Some(booked) = book_reservation(&mut change, job.id, now).await? {
                        let target = target(grant, job.id).with("reason", "unnamed").with("booked", booked);
                        change.record(&target).await?;
                    }
                    continue;
                }
                Created::Refused => {
                    if release(&mut change, job.id, now).await? {
                        change.record_refusal(&target(grant, job.id).with("reason", "not_taken")).await?;
                    }
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
            release(&mut change, job.id, now).await?;
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
        // In one order, whoever else cancels or books the same jobs at this moment.
        let (kinds, names): (Vec<_>, Vec<_>) = jobs.iter().map(|job| (job.kind.as_str(), job.id.as_str())).unzip();
        sqlx::query_scalar!(
            "SELECT lock_jobs(array_agg(id))
               FROM jobs JOIN unnest($2::text[], $3::text[]) AS named (kind, name)
                 ON named.kind = jobs.kind AND named.name = jobs.provider_job_id
              WHERE qpu_token_id = $1",
            grant.token().uuid(),
            &kinds as _,
            &names as _,
        )
        .fetch_one(&mut *change)
        .await?;
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

    /// Books what jobs used, each once: whoever learns it first; never more than [`MOST_USED`], whatever the provider says.
    pub async fn settle_jobs(&self, token: QpuTokenId, used: &[(JobReference, i64)]) -> Result<()> {
        if used.is_empty() {
            return Ok(());
        }
        let (jobs, amounts): (Vec<_>, Vec<_>) = used.iter().map(|(job, used)| (job, (*used).min(MOST_USED))).unzip();
        let (kinds, names): (Vec<_>, Vec<_>) = jobs.iter().map(|job| (job.kind.as_str(), job.id.as_str())).unzip();
        sqlx::query_scalar!(
            "SELECT settle_jobs($1, $2, $3, $4, $5)",
            token.uuid(),
            &kinds as _,
            &names as _,
            &amounts,
            self.now(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes down what a token was used for since the last time, as one event, and that it was used.
    pub async fn note_uses(&self, grant: &Grant<Use>, counts: Value, refused: bool) -> Result<()> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        take_turn(&mut change, grant.token()).await?;
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

/// Ends a job that is nobody's; answers whether this was it.
async fn release(change: &mut Change, job: JobId, now: Timestamp) -> Result<bool> {
    let released = sqlx::query_scalar!(r#"SELECT end_job($1, NULL, $2) AS "ended!""#, job.uuid(), now);
    Ok(released.fetch_one(&mut **change).await?)
}

/// Books what was reserved for a job, once; answers how much, if this was it.
async fn book_reservation(change: &mut Change, job: JobId, now: Timestamp) -> Result<Option<i64>> {
    let booked = sqlx::query_scalar!("SELECT book_reservation($1, $2)", job.uuid(), now);
    Ok(booked.fetch_one(&mut **change).await?)
}

fn target<A: Action<Place = OfToken>>(grant: &Grant<A>, job: JobId) -> Target {
    Target::new(grant.audited_in(), "job", job.uuid()).with("qpu_token", grant.token().to_string())
}
