//! Limits on organizations' tokens, for the whole organization or for one user.

use chrono::TimeDelta;
use uuid::Uuid;

use super::change::{Change, Precondition, Target};
use super::turns::take_turn;
use super::{Repository, Result};
use crate::authorization::action::quotas::{Delete, List, Read, ReadUser, Write};
use crate::authorization::{Action, Grant, InOrganization};
use crate::domain::{OrganizationId, QpuTokenId, Quota, Refusal, Timestamp, UserId, UserReference};

/// A quota's window, where no end is given.
const DEFAULT_WINDOW: TimeDelta = TimeDelta::days(365);

/// The last second that RFC 3339 can name: 9999-12-31T23:59:59Z.
const LAST_MOMENT: Timestamp = match Timestamp::from_timestamp(253_402_300_799, 0) {
    Some(moment) => moment,
    None => Timestamp::MAX_UTC,
};

const NO_QUOTA: Refusal = Refusal::NotFound("quota");
const NO_TOKEN: Refusal = Refusal::NotFound("QPU token");

/// Whom a quota limits.
#[derive(Debug, Clone)]
pub enum QuotaSubject {
    /// The whole organization.
    Everyone,
    /// One user.
    User(UserReference),
}

/// The members of a quota; what is `None` stays, or takes its default in a new one.
#[derive(Debug, Default)]
pub struct QuotaChange {
    /// The limit, in the provider's native unit; 0 and up.
    pub quota: Option<i64>,
    /// By default now.
    pub start: Option<Timestamp>,
    /// By default 365 days after the start.
    pub end: Option<Timestamp>,
}

/// A limit, with what and whom it limits.
#[derive(Debug)]
pub struct TokenLimit {
    /// The token.
    pub token: QpuTokenId,
    /// `None` for the whole organization.
    pub user: Option<UserId>,
    /// The limit.
    pub quota: Quota,
}

impl QuotaChange {
    fn window(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let start = self.start.unwrap_or(now);
        (start, self.end.unwrap_or_else(|| (start + DEFAULT_WINDOW).min(LAST_MOMENT)))
    }
}

impl Repository {
    /// The organization's limit on a token, if one is set.
    pub async fn quota(&self, grant: &Grant<Read>, token: QpuTokenId) -> Result<Option<Quota>> {
        self.find_quota(grant, token, &QuotaSubject::Everyone).await
    }

    /// A user's limit on a token, if one is set.
    pub async fn user_quota(
        &self,
        grant: &Grant<ReadUser>,
        token: QpuTokenId,
        user: &UserReference,
    ) -> Result<Option<Quota>> {
        self.find_quota(grant, token, &QuotaSubject::User(user.clone())).await
    }

    /// The limits on these tokens that the caller may know: an admin or auditor all of the organization's own tokens; everyone the
    /// own, on what is inherited too.
    pub async fn quotas(&self, grant: &Grant<List>, tokens: &[QpuTokenId]) -> Result<Vec<TokenLimit>> {
        let ids: Vec<Uuid> = tokens.iter().map(|token| token.uuid()).collect();
        let rows = sqlx::query!(
            r#"SELECT q.qpu_token_id AS "token: QpuTokenId", q.user_id AS "user: UserId", q.quota, q.starts_at, q.ends_at,
                      q.quota_used, q.reserved, q.version
                 FROM quotas q JOIN qpu_tokens t ON t.id = q.qpu_token_id
                WHERE t.id = ANY ($1)
                  AND t.organization_id = ANY (SELECT unnest(path) FROM organizations WHERE id = $2)
                  AND (q.user_id = $3 OR ($4 AND t.organization_id = $2))"#,
            &ids,
            grant.organization().uuid(),
            grant.caller().map(UserId::uuid),
            grant.oversees(),
        )
        .fetch_all(&self.pool)
        .await?;
        let limits = rows.into_iter().map(|row| {
            let (start, end) = (row.starts_at, row.ends_at);
            let (quota_used, reserved) = (row.quota_used, row.reserved);
            let quota = Quota { quota: row.quota, start, end, quota_used, reserved, version: row.version };
            TokenLimit { token: row.token, user: row.user, quota }
        });
        Ok(limits.collect())
    }

    async fn find_quota<A: Action<Place = InOrganization>>(
        &self,
        grant: &Grant<A>,
        token: QpuTokenId,
        subject: &QuotaSubject,
    ) -> Result<Option<Quota>> {
        let mut connection = self.pool.acquire().await?;
        let user = resolve(&mut connection, grant, token, subject).await?;
        let quota = sqlx::query_as!(
            Quota,
            r#"SELECT quota, starts_at AS start, ends_at AS "end", quota_used, reserved, version
                 FROM quotas WHERE qpu_token_id = $1 AND user_id IS NOT DISTINCT FROM $2"#,
            token.uuid(),
            user.map(UserId::uuid),
        );
        Ok(quota.fetch_optional(&mut *connection).await?)
    }

    /// Sets a quota that is not there yet.
    ///
    /// # Errors
    /// [`Refusal::QuotaExists`] if it is.
    pub async fn create_quota(
        &self,
        grant: &Grant<Write>,
        token: QpuTokenId,
        subject: &QuotaSubject,
        wanted: &QuotaChange,
    ) -> Result<Quota> {
        let mut change = self.change(grant).await?;
        let user = resolve(&mut change, grant, token, subject).await?;
        lock_token(&mut change, token).await?;
        let quota = insert(&mut change, token, user, wanted).await?;
        change.commit(target(grant.organization(), token, user, &quota)).await?;
        Ok(quota)
    }

    /// Sets a quota, whether there is one or not. What the jobs of its window used and are promised counts, whenever they
    /// were submitted.
    pub async fn put_quota(
        &self,
        grant: &Grant<Write>,
        token: QpuTokenId,
        subject: &QuotaSubject,
        wanted: &QuotaChange,
        precondition: Precondition,
    ) -> Result<Quota> {
        let mut change = self.change(grant).await?;
        let user = resolve(&mut change, grant, token, subject).await?;
        lock_token(&mut change, token).await?;
        let quota = match lock(&mut change, token, user).await? {
            None => {
                precondition.check_absent()?;
                insert(&mut change, token, user, wanted).await?
            }
            Some(before) => {
                precondition.check(before.version)?;
                let (start, end) = wanted.window(change.now);
                let full = QuotaChange { quota: wanted.quota, start: Some(start), end: Some(end) };
                update(&mut change, token, user, &full).await?
            }
        };
        change.commit(target(grant.organization(), token, user, &quota)).await?;
        Ok(quota)
    }

    /// Changes members of a quota that is there.
    pub async fn update_quota(
        &self,
        grant: &Grant<Write>,
        token: QpuTokenId,
        subject: &QuotaSubject,
        wanted: &QuotaChange,
        precondition: Precondition,
    ) -> Result<Quota> {
        let mut change = self.change(grant).await?;
        let user = resolve(&mut change, grant, token, subject).await?;
        lock_token(&mut change, token).await?;
        precondition.check(lock(&mut change, token, user).await?.ok_or(NO_QUOTA)?.version)?;
        let quota = update(&mut change, token, user, wanted).await?;
        change.commit(target(grant.organization(), token, user, &quota)).await?;
        Ok(quota)
    }

    /// Lifts a limit.
    pub async fn delete_quota(
        &self,
        grant: &Grant<Delete>,
        token: QpuTokenId,
        subject: &QuotaSubject,
        precondition: Precondition,
    ) -> Result<()> {
        let mut change = self.change(grant).await?;
        let user = resolve(&mut change, grant, token, subject).await?;
        lock_token(&mut change, token).await?;
        let quota = lock(&mut change, token, user).await?.ok_or(NO_QUOTA)?;
        precondition.check(quota.version)?;
        sqlx::query!(
            "DELETE FROM quotas WHERE qpu_token_id = $1 AND user_id IS NOT DISTINCT FROM $2",
            token.uuid(),
            user.map(UserId::uuid),
        )
        .execute(&mut *change)
        .await?;
        change.commit(target(grant.organization(), token, user, &quota)).await
    }
}

/// Makes sure that the token is the organization's and the user one who may use it: a member there or below.
async fn resolve<A: Action<Place = InOrganization>>(
    connection: &mut sqlx::PgConnection,
    grant: &Grant<A>,
    token: QpuTokenId,
    subject: &QuotaSubject,
) -> Result<Option<UserId>> {
    let organization = grant.organization();
    sqlx::query!(
        "SELECT id FROM qpu_tokens WHERE id = $1 AND organization_id = $2 AND (inherited OR NOT $3)",
        token.uuid(),
        organization.uuid(),
        grant.sees_inherited_only() && !grant.oversees(),
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(NO_TOKEN)?;
    let QuotaSubject::User(user) = subject else { return Ok(None) };
    let id = sqlx::query_scalar!(
        r#"SELECT u.id AS "id: UserId" FROM users u
            WHERE (u.id = $2 OR u.email_key = $3)
              AND EXISTS (SELECT 1 FROM memberships m JOIN organizations o ON o.id = m.organization_id
                           WHERE m.user_id = u.id AND $1 = ANY (o.path))"#,
        organization.uuid(),
        user.id().map(UserId::uuid),
        user.email_key(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(Some(id.ok_or(super::accounts::NO_USER)?))
}

fn target(organization: OrganizationId, token: QpuTokenId, user: Option<UserId>, quota: &Quota) -> Target {
    let target = Target::new(organization, "qpu-token", token.uuid()).with("quota", quota.quota);
    match user {
        Some(user) => target.with("user", user.to_string()),
        None => target,
    }
}

/// Before anything else is locked: two that set the same limit for the first time wait for each other here; one whose token
/// goes, for its end; and whoever moves a window, for all that is being counted in it (the migration `reserve_usage`).
async fn lock_token(change: &mut Change, token: QpuTokenId) -> Result<()> {
    take_turn(change, token).await?;
    sqlx::query!("SELECT id FROM qpu_tokens WHERE id = $1 FOR NO KEY UPDATE", token.uuid())
        .fetch_optional(&mut **change)
        .await?
        .ok_or(NO_TOKEN)?;
    Ok(())
}

async fn lock(change: &mut Change, token: QpuTokenId, user: Option<UserId>) -> Result<Option<Quota>> {
    let quota = sqlx::query_as!(
        Quota,
        r#"SELECT quota, starts_at AS start, ends_at AS "end", quota_used, reserved, version
             FROM quotas WHERE qpu_token_id = $1 AND user_id IS NOT DISTINCT FROM $2 FOR UPDATE"#,
        token.uuid(),
        user.map(UserId::uuid),
    );
    Ok(quota.fetch_optional(&mut **change).await?)
}

async fn insert(change: &mut Change, token: QpuTokenId, user: Option<UserId>, wanted: &QuotaChange) -> Result<Quota> {
    let (start, end) = wanted.window(change.now);
    let quota = sqlx::query_as!(
        Quota,
        r#"INSERT INTO quotas (qpu_token_id, user_id, quota, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5)
        RETURNING quota, starts_at AS start, ends_at AS "end", quota_used, reserved, version"#,
        token.uuid(),
        user.map(UserId::uuid),
        wanted.quota.unwrap_or_default(),
        start,
        end,
    );
    Ok(quota.fetch_one(&mut **change).await?)
}

async fn update(change: &mut Change, token: QpuTokenId, user: Option<UserId>, wanted: &QuotaChange) -> Result<Quota> {
    let quota = sqlx::query_as!(
        Quota,
        r#"UPDATE quotas
              SET quota = coalesce($3, quota), starts_at = coalesce($4, starts_at), ends_at = coalesce($5, ends_at),
                  version = version + 1
            WHERE qpu_token_id = $1 AND user_id IS NOT DISTINCT FROM $2
        RETURNING quota, starts_at AS start, ends_at AS "end", quota_used, reserved, version"#,
        token.uuid(),
        user.map(UserId::uuid),
        wanted.quota,
        wanted.start,
        wanted.end,
    );
    Ok(quota.fetch_one(&mut **change).await?)
}
