//! Jobs, as the broker enters them into the ledger.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// What is submitted, and by whom.
#[derive(Clone)]
pub struct Job<'a> {
    pub token: &'a str,
    pub secret_version: i32,
    pub user: &'a str,
    /// Whose member the user is; `None` for a personal token.
    pub organization: Option<&'a str>,
    pub reserved: i64,
    pub at: DateTime<Utc>,
}

impl Job<'_> {
    /// Reserves it; answers its id, or what stands in the way.
    pub async fn reserve(&self, database: &PgPool) -> Result<Uuid, String> {
        let id = Uuid::now_v7();
        let parse = |text: &str| text.parse::<Uuid>().unwrap();
        let refusal: Option<String> = sqlx::query_scalar("SELECT reserve_jobs($1, $2, $3, $4, 'job', '', $5, $6, $7)")
            .bind(parse(self.token))
            .bind(self.secret_version)
            .bind(parse(self.user))
            .bind(self.organization.map(parse))
            .bind([id])
            .bind([self.reserved])
            .bind(self.at)
            .fetch_one(database)
            .await
            .unwrap();
        refusal.map_or(Ok(id), Err)
    }

    /// Reserves and opens it, under a name that the provider gives.
    pub async fn submit(&self, database: &PgPool) -> Uuid {
        let id = self.reserve(database).await.unwrap();
        let open = "UPDATE jobs SET state = 'open', provider_job_id = 'job-' || id WHERE id = $1";
        sqlx::query(open).bind(id).execute(database).await.unwrap();
        id
    }

    /// All of it: submits, and books what it used.
    pub async fn run(&self, database: &PgPool, used: i64) -> Uuid {
        let id = self.submit(database).await;
        assert!(end(database, id, Some(used), self.at).await);
        id
    }
}

/// Ends a job: books what it used, or nothing.
pub async fn end(database: &PgPool, job: Uuid, used: Option<i64>, at: DateTime<Utc>) -> bool {
    sqlx::query_scalar("SELECT end_job($1, $2, $3)").bind(job).bind(used).bind(at).fetch_one(database).await.unwrap()
}
