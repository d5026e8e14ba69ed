//! Throwing away what has expired and nobody will ask for again.

use super::idempotent_answers::KEPT_FOR;
use super::qpu_tokens::destroy_unneeded_secrets;
use super::{Repository, Result};

impl Repository {
    /// Deletes expired sessions, forgotten log-in failures and old idempotent answers, and destroys replaced secrets that no
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
        let secrets = destroy_unneeded_secrets(&mut *self.pool.acquire().await?, None, now).await?;
        Ok(sessions.rows_affected() + attempts.rows_affected() + answers.rows_affected() + secrets)
    }
}
