//! Reading the ledger: what was used of a token, by whom, and with which jobs.

use sqlx::PgConnection;

use super::columns::owner_columns;
use super::{Repository, Result};
use crate::authorization::action::token_verb::ReadUsage;
use crate::authorization::{Grant, OVERSEER, TokenAction};
use crate::domain::{
    DailyUsage, Job, JobId, JobKind, JobState, Page, PageRequest, ProviderName, QpuTokenId, Refusal, Timestamp, UserId,
    UserReference, UserSummary,
};

/// Which part of the ledger.
#[derive(Debug)]
pub struct UsageFilter {
    /// Only this user's.
    pub user: Option<UserReference>,
    /// Only jobs that were submitted at this time or later.
    pub since: Timestamp,
    /// Only jobs that were submitted before this time.
    pub until: Timestamp,
}

/// What was used of a token.
#[derive(Debug)]
pub struct TokenUsage {
    /// Its provider, whose unit the figures are in.
    pub provider: Option<ProviderName>,
    /// By day and user, in this order.
    pub days: Vec<DailyUsage>,
}

impl Repository {
    /// What was used of a token: by everyone for those who oversee it, by the caller alone for everyone else.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if somebody asks for another user's and may not see it.
    pub async fn usage<A: TokenAction<ReadUsage>>(
        &self,
        grant: &Grant<A>,
        token: QpuTokenId,
        filter: &UsageFilter,
    ) -> Result<TokenUsage> {
        let mut connection = self.pool.acquire().await?;
        let provider = provider(&mut connection, grant, token).await?;
        let only = only(grant, filter.user.as_ref())?;
        let rows = sqlx::query!(
            r#"SELECT u.id AS "user: UserId", u.email, (j.created_at AT TIME ZONE 'UTC')::date AS "day!",
                      count(*) FILTER (WHERE j.kind IN ('job', 'lease')) AS "jobs!",
                      least(coalesce(sum(j.used), 0), 9223372036854775807)::bigint AS "used!",
                      least(coalesce(sum(j.reserved) FILTER (WHERE j.ended_at IS NULL), 0),
                            9223372036854775807)::bigint AS "reserved!"
                 FROM jobs j JOIN users u ON u.id = j.user_id
                WHERE j.qpu_token_id = $1 AND j.created_at >= $2 AND j.created_at < $3
                  AND j.state <> 'expired' AND j.kind <> 'upload'
                  AND ($4::uuid IS NULL OR u.id = $4) AND ($5::uuid IS NULL OR u.id = $5)
                  AND ($6::text IS NULL OR u.email_key = $6)
                GROUP BY 3, 1, 2 ORDER BY 3, 1"#,
            token.uuid(),
            filter.since,
            filter.until,
            only.map(UserId::uuid),
            filter.user.as_ref().and_then(UserReference::id).map(UserId::uuid),
            filter.user.as_ref().and_then(UserReference::email_key),
        )
        .fetch_all(&mut *connection)
        .await?;
        let days = rows.into_iter().map(|row| DailyUsage {
            user: UserSummary { id: row.user, email: row.email },
            day: row.day,
            jobs: row.jobs,
            used: row.used,
            reserved: row.reserved,
        });
        Ok(TokenUsage { provider, days: days.collect() })
    }

    /// The ledger's entries of a token, newest first, without the places that results are in; visible as [`Repository::usage`].
    pub async fn jobs<A: TokenAction<ReadUsage>>(
        &self,
        grant: &Grant<A>,
        token: QpuTokenId,
        user: Option<&UserReference>,
        page: PageRequest,
    ) -> Result<Page<Job>> {
        let mut connection = self.pool.acquire().await?;
        provider(&mut connection, grant, token).await?;
        let only = only(grant, user)?;
        let jobs = sqlx::query_as!(
            Job,
            r#"SELECT j.id AS "id: JobId", j.provider_job_id, j.kind AS "kind: JobKind", j.state AS "state: JobState",
                      j.user_id AS "user_id: UserId", j.secret_version, j.reserved, j.used, j.created_at, j.ended_at
                 FROM jobs j
                WHERE j.qpu_token_id = $1 AND ($2::uuid IS NULL OR j.id < $2) AND ($3::uuid IS NULL OR j.user_id = $3)
                  AND NOT (j.is_part AND j.kind = 'upload')
                  AND ($4::uuid IS NULL OR j.user_id = $4)
                  AND ($5::text IS NULL OR j.user_id = (SELECT id FROM users WHERE email_key = $5))
                ORDER BY j.id DESC LIMIT $6"#,
            token.uuid(),
            page.after,
            only.map(UserId::uuid),
            user.and_then(UserReference::id).map(UserId::uuid),
            user.and_then(UserReference::email_key),
            page.fetch(),
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(Page::new(jobs, page, |job| job.id.uuid()))
    }
}

/// Whose figures the caller gets at most; `None` is everyone's.
fn only<A: TokenAction<ReadUsage>>(grant: &Grant<A>, user: Option<&UserReference>) -> Result<Option<UserId>> {
    if grant.oversees() {
        return Ok(None);
    }
    if user.is_some_and(|user| !grant.is_by(user)) {
        return Err(Refusal::Forbidden(OVERSEER).into());
    }
    Ok(grant.caller())
}

/// The provider of a token that the caller may know.
async fn provider<A: TokenAction<ReadUsage>>(
    connection: &mut PgConnection,
    grant: &Grant<A>,
    token: QpuTokenId,
) -> Result<Option<ProviderName>> {
    let (organization, user) = owner_columns(grant.token_owner());
    let provider = sqlx::query_scalar!(
        "SELECT provider FROM qpu_tokens
          WHERE id = $3 AND (user_id = $2 OR (organization_id = $1 AND (inherited OR NOT $4)))",
        organization,
        user,
        token.uuid(),
        grant.sees_inherited_only() && !grant.oversees(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(provider.ok_or(Refusal::NotFound("QPU token"))?.parse().ok())
}
