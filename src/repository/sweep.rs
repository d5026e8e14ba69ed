//! Throwing away what has expired and nobody will ask for again.

use chrono::TimeDelta;

use super::idempotent_answers::KEPT_FOR;
use super::qpu_tokens::destroy_unneeded_secrets;
use super::{Repository, Result};

/// How long a lease that expired is still listed.
const LEASES_SHOWN_FOR: TimeDelta = TimeDelta::days(7);

impl Repository {
    /// Deletes expired sessions and leases, forgotten log-in failures and old idempotent answers, and destroys replaced secrets that no
    /// job needs any more; answers how many rows went.
    pub async fn sweep(&self) -> Result<u64> {
        let now = self.now();
        let sessions = sqlx::query!("DELETE FROM sessions WHERE expires_at <= $1", now).execute(&self.pool).await?;
        // What a log-in is counting at this moment is left for next time: it would wait for us, and we for it.
        let attempts = sqlx::query!(
            "DELETE FROM login_attempts WHERE bucket IN (
                 SELECT bucket FROM login_attempts WHERE window_ends_at <= $1 FOR UPDATE SKIP LOCKED)",
            now
        )
        .execute(&self.pool)
        .await?;
        let answers = sqlx::query!("DELETE FROM idempotent_answers WHERE created_at <= $1", now - KEPT_FOR)
            .execute(&self.pool)
            .await?;
        // Kept for a while, so that whoever made one can see that no solver came.
        let leases =
            sqlx::query!("DELETE FROM leases WHERE redeemed_at IS NULL AND expires_at <= $1", now - LEASES_SHOWN_FOR)
                .execute(&self.pool)
                .await?;
        let secrets = destroy_unneeded_secrets(&mut *self.pool.acquire().await?, None, now).await?;
        let rows = [sessions, attempts, answers, leases].map(|gone| gone.rows_affected());
        Ok(rows.iter().sum::<u64>() + secrets)
    }
}
