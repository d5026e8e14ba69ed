//! What belongs to one organization, or to one person, is out of everybody else's reach and sight.

mod accounts;
mod bound_keys;
mod foreign_things;
mod repeated_answers;
mod tree;
mod unknown_users;

use sqlx::{AssertSqlSafe, PgPool};

/// Everything that is stored, as text: two of them are equal if nothing was changed in between.
async fn everything(database: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    .fetch_all(database)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table == "qpu_tokens"), "{tables:?}");
    let mut text = String::new();
    for table in tables {
        let rows = format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(database).await.unwrap();
        text.extend([table, rows]);
    }
    text
}
