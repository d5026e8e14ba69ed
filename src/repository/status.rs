//! Whether everything that is needed is there.

use chrono::TimeDelta;
use sqlx::migrate::Migrator;

use super::{Repository, Result};

/// How long an answer of `/readyz` is good for.
const FRESH: TimeDelta = TimeDelta::seconds(1);

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// What `/readyz` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The database answers.
    pub database: bool,
    /// Its schema is the one that this program was built for, or a newer one.
    pub schema: bool,
    /// What is stored opens under the key ring.
    pub secrets: bool,
}

impl Readiness {
    /// All of it.
    #[must_use]
    pub fn ready(self) -> bool {
        self.database && self.schema && self.secrets
    }
}

impl Repository {
    /// Looks at the database, its schema and one secret of every key-encryption key; at most once a second, however many
    /// ask.
    pub async fn readiness(&self) -> Readiness {
        let mut last = self.last_readiness.lock().await;
        match *last {
            Some((looked, found)) if self.now() - looked < FRESH => found,
            _ => {
                let found = self.look().await;
                *last = Some((self.now(), found));
                found
            }
        }
    }

    async fn look(&self) -> Readiness {
        let schema = self.schema_is_current().await;
        let secrets = match schema {
            Ok(true) => self.stored_secrets_open().await.is_ok(),
            _ => false,
        };
        Readiness { database: schema.is_ok(), schema: schema.unwrap_or(false), secrets }
    }

    /// Whether every migration that this program knows has been run.
    pub async fn schema_is_current(&self) -> Result<bool> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        let applied = self
            .again_if_disconnected(|| {
                sqlx::query_scalar!(
                    r#"SELECT count(*) AS "count!" FROM information_schema.tables WHERE table_name = '_sqlx_migrations'"#
                )
                .fetch_one(&self.pool)
                })
            .await?;
        if applied == 0 {
            return Ok(false);
        }
        // Not checked at build time: the table is the migrator's own.
        let version: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(&self.pool).await?;
        Ok(version.is_some_and(|version| version >= newest))
    }
}
