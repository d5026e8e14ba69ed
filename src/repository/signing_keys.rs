//! Keys that sign access tokens, sealed: every replica uses the same ones.

use super::{Repository, Result};
use crate::vault::{Purpose, SealedBytes, Secret, WrappedKey};

impl Repository {
    /// The newest signing key; `make` is asked for one (its id and its private half) if there is none.
    pub async fn signing_key<K>(
        &self,
        make: impl FnOnce() -> (String, Secret),
        read: impl FnOnce(&[u8]) -> K,
    ) -> Result<K> {
        let (id, secret) = make();
        let sealed = self.vault.seal_bytes(Purpose::AccessTokenKey, &id, secret).await?;
        // Replicas that start together agree on the one that was first.
        let row = sqlx::query!(
            "WITH lock AS (SELECT pg_advisory_xact_lock(7232091002)),
                  fresh AS (
                      INSERT INTO signing_keys (id, format, kek_id, wrapped_data_key, ciphertext, created_at)
                      SELECT $1, $2, $3, $4, $5, $6 FROM lock
                       WHERE NOT EXISTS (SELECT 1 FROM signing_keys)
                      RETURNING id, format, kek_id, wrapped_data_key, ciphertext, created_at)
             SELECT * FROM fresh UNION ALL SELECT * FROM signing_keys ORDER BY created_at DESC LIMIT 1",
            id,
            sealed.format,
            sealed.key.kek_id,
            sealed.key.wrapped_data_key,
            sealed.ciphertext,
            self.now(),
        );
        todo!()
    }
}
