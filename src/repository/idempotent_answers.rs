//! First answers to requests that carried an `Idempotency-Key`, for a day, sealed: one may hold a new API key.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Repository, Result};
use crate::authorization::{Authenticator, Standing};
use crate::domain::{Refusal, UserId};
use crate::vault::{Purpose, SealedBytes};

/// How long an answer is repeated.
pub(super) const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// A request that has not been answered for so long will not be: its server died.
const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// What a key finds.
pub enum Claim {
    /// Nothing: this is the first request.
    First(PendingAnswer),
    /// The answer to the first request.
    Answered(Vec<u8>),
}

/// The right to answer.
pub struct PendingAnswer {
    user: UserId,
    id: Uuid,
}

impl Repository {
    /// Claims a key for a request, which is known by what identifies it: method, path and body.
    ///
    /// # Errors
    /// [`Refusal::IdempotencyKeyReused`] for another request, [`Refusal::IdempotencyInProgress`] while the first runs.
    pub async fn claim_answer(&self, caller: &Standing, key: &str, request: &[&[u8]]) -> Result<Claim> {
        let key_digest = digest(&[&holder(&caller.authenticator), key.as_bytes()]);
        let request_digest = digest(request);
        let (id, now) = (Uuid::now_v7(), self.now());
        let claimed = sqlx::query!(
            "INSERT INTO idempotent_answers AS a (user_id, key_digest, request_digest, answer_id, created_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (user_id, key_digest) DO UPDATE
                SET request_digest = $3, answer_id = $4, created_at = $5, sealed_answer = NULL
              WHERE a.created_at <= $6 OR (a.sealed_answer IS NULL AND a.created_at <= $7)",
            caller.user.uuid(),
            key_digest,
            request_digest,
            id,
            now,
            now - KEPT_FOR,
            now - ABANDONED_AFTER,
        )
        .execute(&self.pool)
        .await?;
        if claimed.rows_affected() == 1 {
            return Ok(Claim::First(PendingAnswer { user: caller.user, id }));
        }
        let first = sqlx::query!(
            "SELECT request_digest, answer_id, sealed_answer FROM idempotent_answers
              WHERE user_id = $1 AND key_digest = $2",
            caller.user.uuid(),
            key_digest,
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Refusal::IdempotencyInProgress)?;
        if first.request_digest != request_digest {
            return Err(Refusal::IdempotencyKeyReused.into());
        }
        let sealed = SealedBytes::from_bytes(&first.sealed_answer.ok_or(Refusal::IdempotencyInProgress)?)?;
        let id = first.answer_id.to_string();
        let answer = self.vault.open_bytes(Purpose::IdempotentAnswer, &id, &sealed).await?;
        Ok(Claim::Answered(answer.to_vec()))
    }

    /// Keeps the answer.
    pub async fn keep_answer(&self, pending: &PendingAnswer, answer: Vec<u8>) -> Result<()> {
        let id = pending.id.to_string();
        let sealed = self.vault.seal_bytes(Purpose::IdempotentAnswer, &id, answer.into()).await?;
        sqlx::query!(
            "UPDATE idempotent_answers SET sealed_answer = $3 WHERE user_id = $1 AND answer_id = $2",
            pending.user.uuid(),
            pending.id,
            sealed.to_bytes(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives the key free again: nothing was done, so the request may be tried once more.
    pub async fn release_answer(&self, pending: &PendingAnswer) -> Result<()> {
        sqlx::query!(
            "DELETE FROM idempotent_answers WHERE user_id = $1 AND answer_id = $2",
            pending.user.uuid(),
            pending.id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// To whom an answer is repeated: a person's logins are one, each API key is one of its own. A repetition does not come
/// to the gate, so a key must never be told what only a login, or a key that may more, could have been.
fn holder(authenticator: &Authenticator) -> Vec<u8> {
    match authenticator {
        Authenticator::Session(_) => Vec::new(),
        Authenticator::ApiKey { id, .. } => id.uuid().as_bytes().to_vec(),
    }
}

/// Of all parts in order, each with its length, so that no two lists look alike.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}
