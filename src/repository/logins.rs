//! Logging in: whose password is tried, and how often it failed, counted where all replicas see it.
//!
//! An attempt is counted before the password is looked at, so that many at once cannot slip past, and taken back when it
//! succeeds. Which buckets there are and how much they hold is the HTTP floor's policy.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::change::{Event, Target};
use super::{Repository, Result};
use crate::authentication::PasswordHash;
use crate::authorization::action::sessions::Create;
use crate::authorization::{Action, Actor, Origin};
use crate::domain::{EmailAddress, OrganizationId, Outcome, Refusal, UserId};

/// What a log-in needs to know of an account.
pub struct LoginAccount {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// Its home organization, whose audit log tells of failures.
    pub home: Option<OrganizationId>,
    /// What the password is checked against; `None` unless the account is active.
    pub password: Option<PasswordHash>,
    /// Whether the account was logged in to from this network before.
    pub familiar: bool,
}

/// How much a bucket holds in one window.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What is limited; only its digest is stored.
    pub bucket: String,
    /// Attempts in one window; 1 and up.
    pub attempts: i32,
}

/// A log-in that is under way.
#[derive(Debug)]
pub struct LoginAttempt {
    buckets: Vec<Vec<u8>>,
}

impl Repository {
    /// The account of this e-mail address, for a log-in from this network. One statement, known account or not.
    pub async fn login_account(&self, email: &EmailAddress, network: &str) -> Result<Option<LoginAccount>> {
        let row = self
            .again_if_disconnected(|| {
                sqlx::query!(
                    r#"SELECT u.id AS "id: UserId", u.email, u.home_organization_id AS "home: OrganizationId",
                              CASE WHEN u.status = 'active' THEN u.password_hash END AS password,
                              EXISTS (SELECT 1 FROM familiar_addresses f
                                       WHERE f.user_id = u.id AND f.address_digest = $2) AS "familiar!"
                         FROM users u WHERE u.email_key = $1"#,
                    email.key(),
                    digest(network),
                )
                .fetch_optional(&self.pool)
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let password = row.password.as_deref().map(PasswordHash::parse).transpose()?;
        Ok(Some(LoginAccount { id: row.id, email: row.email, home: row.home, password, familiar: row.familiar }))
    }

    /// Counts an attempt against all limits.
    ///
    /// # Errors
    /// [`Refusal::TooManyAttempts`] if one of them is reached.
    pub async fn begin_login(&self, limits: &[Limit], window: TimeDelta) -> Result<LoginAttempt> {
        let mut ordered: Vec<(Vec<u8>, i32)> =
            limits.iter().map(|limit| (digest(&limit.bucket), limit.attempts)).collect();
        // Rows are locked in this order by everybody, so two attempts cannot wait for each other.
        ordered.sort();
        let (buckets, allowed): (Vec<_>, Vec<_>) = ordered.into_iter().unzip();
        let now = self.now();
        let counted = self
            .again_if_disconnected(|| {
                sqlx::query!(
                    "INSERT INTO login_attempts AS a (bucket, failures, window_ends_at)
                     SELECT bucket, 1, $2 FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (bucket, position)
                      ORDER BY position
                     ON CONFLICT (bucket) DO UPDATE
                        SET failures = CASE WHEN a.window_ends_at <= $3 THEN 1 ELSE a.failures + 1 END,
                            window_ends_at = CASE WHEN a.window_ends_at <= $3 THEN $2 ELSE a.window_ends_at END
                     RETURNING bucket, failures, window_ends_at",
                    &buckets,
                    now + window,
                    now,
                )
                .fetch_all(&self.pool)
            })
            .await?;
        let reached = counted.iter().filter(|row| {
            buckets.iter().position(|bucket| *bucket == row.bucket).is_some_and(|index| row.failures > allowed[index])
        });
        match reached.map(|row| row.window_ends_at).max() {
            None => Ok(LoginAttempt { buckets }),
            Some(end) => {
                // Nobody looked at the password, so it was no failure: log-ins that came together and would all have
                // succeeded must not keep each other out afterwards.
                self.forgive(LoginAttempt { buckets }).await?;
                let retry_after = u64::try_from((end - now).num_seconds()).unwrap_or_default().max(1);
                Err(Refusal::TooManyAttempts { retry_after }.into())
            }
        }
    }

    /// Takes the attempt back: it succeeded, or was never made. The network is familiar to the account from now on.
    pub async fn login_succeeded(&self, attempt: LoginAttempt, user: UserId, network: &str) -> Result<()> {
        self.forgive(attempt).await?;
        sqlx::query!(
            "INSERT INTO familiar_addresses (user_id, address_digest, last_login_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id, address_digest) DO UPDATE SET last_login_at = $3",
            user.uuid(),
            digest(network),
            self.now(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records a wrong password for an account that is there. How often is bounded by the limits on attempts.
    pub async fn login_failed(&self, account: &LoginAccount, origin: &Origin) -> Result<()> {
        let mut transaction = self.begin().await?;
        let event =
            Event { actor: Actor::Anonymous, action: Create::PERMISSION, origin: origin.clone(), at: self.now() };
        let target = Target::new(account.home, "user", account.id.uuid());
        event.write(&mut transaction, &target, Outcome::Refused).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes the attempt back.
    pub async fn forgive(&self, attempt: LoginAttempt) -> Result<()> {
        sqlx::query!(
            "UPDATE login_attempts SET failures = greatest(failures - 1, 0)
              WHERE bucket IN (SELECT bucket FROM login_attempts WHERE bucket = ANY ($1) ORDER BY bucket FOR UPDATE)",
            &attempt.buckets
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn digest(bucket: &str) -> Vec<u8> {
    Sha256::digest(bucket.as_bytes()).to_vec()
}
