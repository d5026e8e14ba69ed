//! Keys that sign access tokens, sealed by the vault: every replica uses the same ones.

use sqlx::Connection;

use super::{Repository, Result};
use crate::authentication::SigningKey;
use crate::vault::{Purpose, SealedBytes};

impl Repository {
    /// The signing keys, newest first; the first one is made when there is none.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        // Replicas that start together agree on one.
        sqlx::query!("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
        let stored = sqlx::query!("SELECT id, sealed FROM signing_keys ORDER BY created_at DESC")
            .fetch_all(&mut *transaction)
            .await?;
        if stored.is_empty() {
            let key = SigningKey::generate()?;
            let id = key.verifying_key().kid().to_owned();
            let sealed = self.vault.seal_bytes(Purpose::AccessTokenKey, &id, key.to_bytes().to_vec().into()).await?;
            sqlx::query!(
                "INSERT INTO signing_keys (id, sealed, created_at) VALUES ($1, $2, $3)",
                id,
                sealed.to_bytes(),
                self.now(),
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            return Ok(vec![key]);
        }
        transaction.commit().await?;
        let mut keys = Vec::with_capacity(stored.len());
        for row in stored {
            let sealed = SealedBytes::from_bytes(&row.sealed)?;
            let bytes = self.vault.open_bytes(Purpose::AccessTokenKey, &row.id, &sealed).await?;
            keys.push(SigningKey::from_bytes(&bytes)?);
        }
        Ok(keys)
    }
}
