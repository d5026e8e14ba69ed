//! Leases: a member makes one for a token, a solver redeems it once, and says what was used.
//!
//! Whoever changes one locks first the accounts, then the token, then the lease: in the order in which they go.

use chrono::TimeDelta;
use sqlx::PgConnection;

use super::accounts::still_active;
use super::change::{Change, Target};
use super::columns::sealed_credential;
use super::jobs::{Reserving, Submission, reserve};
use super::turns::take_turn;
use super::{Repository, Result};
use crate::authentication::LeaseDigest;
use crate::authorization::action::leases::{Create, List, Redeem, Report, Revoke};
use crate::authorization::{Authenticator, Grant, OfToken, Reach, usable};
use crate::domain::{
    JobId, JobKind, Lease, LeaseId, LeaseState, OrganizationId, Page, PageRequest, ProviderJobName, ProviderName,
    Purpose, QpuTokenId, Refusal, Timestamp, TokenOwner, UserId, UserSummary,
};
use crate::vault::{Binding, SealedCredential, VaultError};

/// How long a solver may take to report what was used.
const REPORTED_WITHIN: TimeDelta = TimeDelta::hours(24);

const NO_LEASE: Refusal = Refusal::NotFound("lease");
const NO_TOKEN: Refusal = Refusal::NotFound("QPU token");

/// A lease to be made.
pub struct NewLease {
    /// Digest of the text that redeems it.
    pub digest: LeaseDigest,
    /// What it is for.
    pub purpose: Option<Purpose>,
    /// How long a solver may take to redeem it.
    pub lifetime: TimeDelta,
}

/// A lease at the moment of its redemption: what the solver is told, with the credential still sealed.
pub struct Redemption {
    /// The lease.
    pub id: LeaseId,
    /// What the credential is bound to.
    pub binding: Binding,
    /// The credential.
    pub sealed: SealedCredential,
    /// When what was promised is booked, if nobody reports.
    pub usage_due_by: Timestamp,
}

/// How far the user of a lease, or whoever asks for one, reaches the token.
struct Reached {
    reach: Reach,
    binding: Binding,
}

impl Repository {
    /// The leases of a token, newest first: all for admins, the own for everyone else.
    pub async fn leases(&self, grant: &Grant<List>, token: QpuTokenId, page: PageRequest) -> Result<Page<Lease>> {
        let mut connection = self.pool.acquire().await?;
        let all = grant.is_admin() && grant.oversees();
        self.visible_token(&mut connection, grant.organization(), token, grant.sees_inherited_only()).await?;
        let now = self.now();
        let rows = sqlx::query!(
            r#"SELECT l.id AS "id: LeaseId", l.purpose, l.created_at, l.expires_at, l.redeemed_at,
                      u.id AS "user: UserId", u.email, s.id AS "solver?: UserId", s.email AS "solver_email?",
                      j.reserved AS "reserved?", j.used
                 FROM leases l
                 JOIN users u ON u.id = l.user_id
                 LEFT JOIN users s ON s.id = l.redeemed_by
                 LEFT JOIN jobs j ON j.id = l.job_id
                WHERE l.qpu_token_id = $1 AND ($2::uuid IS NULL OR l.id < $2) AND ($3 OR l.user_id = $4)
                ORDER BY l.id DESC LIMIT $5"#,
            token.uuid(),
            page.after,
            all,
            grant.caller().map(UserId::uuid),
            page.fetch(),
        )
        .fetch_all(&mut *connection)
        .await?;
        let leases = rows.into_iter().map(|row| Lease {
            id: row.id,
            qpu_token_id: token,
            user: UserSummary { id: row.user, email: row.email },
            purpose: row.purpose,
            state: match row.redeemed_at {
                Some(_) => LeaseState::Redeemed,
                None if row.expires_at <= now => LeaseState::Expired,
                None => LeaseState::Pending,
            },
            created_at: row.created_at,
            expires_at: row.expires_at,
            redeemed_at: row.redeemed_at,
            redeemed_by: row.solver.zip(row.solver_email).map(|(id, email)| UserSummary { id, email }),
            reserved: row.reserved,
            used: row.used,
        });
        Ok(Page::new(leases.collect(), page, |lease| lease.id.uuid()))
    }

    /// Makes a lease for a token that the caller may use; answers its id and its expiry.
    ///
    /// # Errors
    /// What the broker would refuse a job with.
    pub async fn create_lease(
        &self,
        grant: &Grant<Create>,
        token: QpuTokenId,
        new: &NewLease,
    ) -> Result<(LeaseId, Timestamp)> {
        let caller = grant.caller().ok_or(Refusal::Forbidden("a login"))?;
        let mut change = self.change(grant).await?;
        still_active(&mut change, caller).await?;
        let (id, now) = (LeaseId::new(), change.now);
        let bound_to = grant.authenticator().and_then(Authenticator::bound_to);
        let reached = reached(&mut change, grant.organization(), token, caller, bound_to, now).await?;
        grant.for_job(&reached.ok_or(NO_TOKEN)?.reach, now)?;
        let expires_at = now + new.lifetime;
        sqlx::query!(
            "INSERT INTO leases (id, qpu_token_id, user_id, digest, purpose, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            id.uuid(),
            token.uuid(),
            caller.uuid(),
            new.digest.as_bytes(),
            new.purpose.as_ref().map(Purpose::as_str),
            now,
            expires_at,
        )
        .execute(&mut *change)
        .await?;
        let target = Target::new(grant.organization(), "lease", id.uuid()).with("qpu_token", token.to_string());
        change.commit(target.with("purpose", new.purpose.as_ref().map(Purpose::as_str))).await?;
        Ok((id, expires_at))
    }

    /// Takes a lease back that nobody has redeemed yet: whoever made it, or an admin.
    pub async fn revoke_lease(&self, grant: &Grant<Revoke>, token: QpuTokenId, id: LeaseId) -> Result<()> {
        let mut change = self.change(grant).await?;
        let redeemed = sqlx::query_scalar!(
            r#"SELECT l.redeemed_at IS NOT NULL AS "redeemed!"
                 FROM leases l JOIN qpu_tokens t ON t.id = l.qpu_token_id
                WHERE l.id = $1 AND t.id = $2 AND t.organization_id = $3 AND ($4 OR l.user_id = $5)
                  FOR UPDATE OF l"#,
            id.uuid(),
            token.uuid(),
            grant.organization().uuid(),
            grant.is_admin(),
            grant.caller().map(UserId::uuid),
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(NO_LEASE)?;
        if redeemed {
            return Err(Refusal::LeaseRedeemed.into());
        }
        sqlx::query!("DELETE FROM leases WHERE id = $1", id.uuid()).execute(&mut *change).await?;
        let target = Target::new(grant.organization(), "lease", id.uuid());
        change.commit(target.with("qpu_token", token.to_string())).await
    }

    /// The organization that owns the token of a lease: where it is decided who may redeem it.
    pub async fn leased_in(&self, digest: &LeaseDigest) -> Result<Option<OrganizationId>> {
        let organization = sqlx::query_scalar!(
            r#"SELECT t.organization_id AS "id!: OrganizationId"
                 FROM leases l JOIN qpu_tokens t ON t.id = l.qpu_token_id
                WHERE l.digest = $1 AND t.organization_id IS NOT NULL"#,
            digest.as_bytes(),
        );
        Ok(organization.fetch_optional(&self.pool).await?)
    }

    /// Spends a lease: checks that its maker may still use the token, reserves `estimate` of the provider's unit for that
    /// user, and has `open` make the answer before anything is committed. Whatever goes wrong, the lease is as it was.
    /// A refusal is remembered.
    ///
    /// # Errors
    /// [`Refusal::InvalidLease`], [`Refusal::OwnLease`], and what the broker would refuse the maker's job with.
    pub async fn redeem_lease<T, F: Future<Output = Result<T, VaultError>> + Send>(
        &self,
        grant: &Grant<Redeem>,
        digest: &LeaseDigest,
        estimate: impl Fn(&ProviderName) -> i64 + Send,
        open: impl FnOnce(Redemption) -> F + Send,
    ) -> Result<T> {
        let held = sqlx::query_as!(
            Held,
            r#"SELECT l.id AS "id: LeaseId", l.qpu_token_id AS "token: QpuTokenId", l.user_id AS "user: UserId"
                 FROM leases l JOIN qpu_tokens t ON t.id = l.qpu_token_id
                WHERE l.digest = $1 AND t.organization_id = $2"#,
            digest.as_bytes(),
            grant.organization().uuid(),
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Refusal::InvalidLease)?;
        let target = Target::new(grant.organization(), "lease", held.id.uuid())
            .with("qpu_token", held.token.to_string())
            .with("user", held.user.to_string());
        match self.spend(grant, &held, &target, estimate, open).await {
            Err(super::Error::Refused(refusal)) => {
                self.change(grant).await?.commit_refusal(target.with("reason", refusal.code())).await?;
                Err(refusal.into())
            }
            outcome => outcome,
        }
    }

    async fn spend<T, F: Future<Output = Result<T, VaultError>> + Send>(
        &self,
        grant: &Grant<Redeem>,
        held: &Held,
        target: &Target,
        estimate: impl Fn(&ProviderName) -> i64 + Send,
        open: impl FnOnce(Redemption) -> F + Send,
    ) -> Result<T> {
        let organization = grant.organization();
        let solver = grant.caller().ok_or(Refusal::Forbidden("a login"))?;
        if solver == held.user {
            return Err(Refusal::OwnLease.into());
        }
        let mut change = self.change(grant).await?;
        let now = change.now;
        lock_people(&mut change, organization, solver, held.user).await?;
        lock_lease(&mut change, held).await?;
        let reached = reached(&mut change, organization, held.token, held.user, None, now).await?;
        let Reached { reach, binding } = reached.filter(|reached| reached.reach.user).ok_or(Refusal::InvalidLease)?;
        usable(&reach, now)?;

        let (secret_version, amount) = (binding.secret_version, estimate(&binding.provider));
        let usage_due_by = now + REPORTED_WITHIN;
        let job = begin_job(&mut change, &reach.token, held.user, secret_version, amount, usage_due_by).await?;
        sqlx::query!(
            "UPDATE leases SET redeemed_at = $2, redeemed_by = $3, job_id = $4 WHERE id = $1",
            held.id.uuid(),
            now,
            solver.uuid(),
            job.uuid(),
        )
        .execute(&mut *change)
        .await?;

        let sealed = sealed(&mut change, &binding).await?;
        let redemption = Redemption { id: held.id, binding, sealed, usage_due_by };
        let answer = open(redemption).await?;
        let target = target.clone().with("job", job.to_string()).with("secret_version", secret_version);
        change.commit(target).await?;
        Ok(answer)
    }

    /// Books what was used with a lease that the caller has redeemed, once. The same again is no error.
    ///
    /// # Errors
    /// [`Refusal::UsageReported`] for another figure, [`Refusal::UsageOverdue`] if nobody reported in time, and what was promised was booked.
    pub async fn report_usage(
        &self,
        grant: &Grant<Report>,
        id: LeaseId,
        used: i64,
        provider_job: Option<&ProviderJobName>,
    ) -> Result<()> {
        let bound_to = grant.authenticator().and_then(Authenticator::bound_to);
        let mut change = self.change(grant).await?;
        let lease = sqlx::query!(
            r#"SELECT l.job_id AS "job!: JobId", l.qpu_token_id AS "token: QpuTokenId",
                      t.organization_id AS "organization: OrganizationId"
                 FROM leases l JOIN qpu_tokens t ON t.id = l.qpu_token_id
                WHERE l.id = $1 AND l.redeemed_by = $2 AND ($3::uuid IS NULL OR t.organization_id = $3)"#,
            id.uuid(),
            grant.user().uuid(),
            bound_to.map(OrganizationId::uuid),
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(NO_LEASE)?;
        let now = change.now;
        let booked = sqlx::query_scalar!(r#"SELECT end_job($1, $2, $3) AS "booked!""#, lease.job.uuid(), used, now)
            .fetch_one(&mut *change)
            .await?;
        if !booked {
            let before = sqlx::query!("SELECT used, created_at, ended_at FROM jobs WHERE id = $1", lease.job.uuid());
            let before = before.fetch_optional(&mut *change).await?.ok_or(NO_LEASE)?;
            let in_time = before.ended_at.is_some_and(|ended_at| ended_at < before.created_at + REPORTED_WITHIN);
            return match before.used {
                Some(before) if before == used => Ok(()),
                Some(_) if in_time => Err(Refusal::UsageReported.into()),
                _ => Err(Refusal::UsageOverdue.into()),
            };
        }
        if let Some(name) = provider_job {
            sqlx::query!("UPDATE jobs SET provider_job_id = $2 WHERE id = $1", lease.job.uuid(), name.as_str())
                .execute(&mut *change)
                .await?;
        }
        let target = Target::new(lease.organization, "lease", id.uuid())
            .with("qpu_token", lease.token.to_string())
            .with("job", lease.job.to_string())
            .with("used", used);
        change.commit(target).await
    }

    async fn visible_token(
        &self,
        connection: &mut PgConnection,
        organization: OrganizationId,
        token: QpuTokenId,
        inherited_only: bool,
    ) -> Result<()> {
        sqlx::query!(
            "SELECT id FROM qpu_tokens WHERE id = $1 AND organization_id = $2 AND (inherited OR NOT $3)",
            token.uuid(),
            organization.uuid(),
            inherited_only,
        )
        .fetch_optional(connection)
        .await?
        .ok_or(NO_TOKEN)?;
        Ok(())
    }
}

/// A lease, found but not locked.
struct Held {
    id: LeaseId,
    token: QpuTokenId,
    user: UserId,
}

/// Locks both accounts, if both may still do their part. Nobody is removed, disabled or relieved of a role meanwhile: those wait for
/// the account.
async fn lock_people(change: &mut Change, organization: OrganizationId, solver: UserId, maker: UserId) -> Result<()> {
    still_active(change, solver).await?;
    match still_active(change, maker).await {
        Err(super::Error::Refused(_)) => return Err(Refusal::InvalidLease.into()),
        answer => answer?,
    }
    let still_solver = sqlx::query_scalar!(
        r#"SELECT 'solver' = ANY (roles) AS "holds!" FROM standing($1, $2)"#,
        solver.uuid(),
        organization.uuid()
    );
    match still_solver.fetch_optional(&mut **change).await? {
        Some(true) => Ok(()),
        _ => Err(Refusal::Forbidden("the solver role").into()),
    }
}

/// Locks the token and then the lease, if that still waits to be redeemed.
async fn lock_lease(change: &mut Change, held: &Held) -> Result<()> {
    let now = change.now;
    // The strongest lock of the token first: counting asks for a weaker one.
    take_turn(change, held.token).await?;
    sqlx::query!("UPDATE qpu_tokens SET last_used_at = $2 WHERE id = $1", held.token.uuid(), now)
        .execute(&mut **change)
        .await?;
    let waiting = sqlx::query_scalar!(
        r#"SELECT redeemed_at IS NULL AND expires_at > $2 AS "waiting!" FROM leases WHERE id = $1 FOR UPDATE"#,
        held.id.uuid(),
        now,
    );
    match waiting.fetch_optional(&mut **change).await? {
        Some(true) => Ok(()),
        _ => Err(Refusal::InvalidLease.into()),
    }
}

/// Reserves a job of the person's and opens it, to be booked as reserved if nobody reports in time.
async fn begin_job(
    change: &mut Change,
    of_token: &OfToken,
    person: UserId,
    secret_version: i32,
    amount: i64,
    usage_due_by: Timestamp,
) -> Result<JobId> {
    let (now, OfToken { token, member_of, .. }) = (change.now, *of_token);
    let submission = Submission { secret_version, kind: JobKind::Lease, place: "", amounts: &[amount] };
    let jobs = reserve(change, Reserving { token, person, member_of, submission: &submission }, now).await?;
    let job = *jobs.first().ok_or(Refusal::InvalidLease)?;
    sqlx::query!("UPDATE jobs SET state = 'open', check_at = $2 WHERE id = $1", job.uuid(), usage_due_by)
        .execute(&mut **change)
        .await?;
    Ok(job)
}

/// How far a person reaches a token of the organization: what the broker decides on, too.
async fn reached(
    connection: &mut PgConnection,
    organization: OrganizationId,
    token: QpuTokenId,
    person: UserId,
    bound_to: Option<OrganizationId>,
    now: Timestamp,
) -> Result<Option<Reached>> {
    let row = sqlx::query!(
        r#"SELECT t.provider, t.secret_version, t.enabled, t.expires_at, r.member_of AS "member_of: OrganizationId",
                  r.admin AS "admin!",
                  outside_window(t.id, $3, $5) AS "outside_window!"
             FROM qpu_tokens t CROSS JOIN LATERAL reach($3, t.organization_id, t.inherited, $4) r
            WHERE t.id = $1 AND t.organization_id = $2"#,
        token.uuid(),
        organization.uuid(),
        person.uuid(),
        bound_to.map(OrganizationId::uuid),
        now,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let owner = TokenOwner::Organization(organization);
    let provider = row.provider.parse().map_err(|_| VaultError::DoesNotOpen)?;
    let binding = Binding { owner, token, secret_version: row.secret_version, provider };
    let reach = Reach {
        token: OfToken { token, owner, member_of: row.member_of },
        user: row.member_of.is_some(),
        admin: row.admin,
        enabled: row.enabled,
        expires_at: row.expires_at,
        outside_window: row.outside_window,
    };
    Ok(Some(Reached { reach, binding }))
}

/// The credential that goes with the binding, still sealed.
async fn sealed(connection: &mut PgConnection, binding: &Binding) -> Result<SealedCredential> {
    let row = sqlx::query!(
        "SELECT format, kek_id, wrapped_data_key, field_names, ciphertexts
           FROM qpu_token_secrets WHERE qpu_token_id = $1 AND secret_version = $2",
        binding.token.uuid(),
        binding.secret_version,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(VaultError::DoesNotOpen)?;
    Ok(sealed_credential(row.format, row.kek_id, row.wrapped_data_key, row.field_names, row.ciphertexts))
}
