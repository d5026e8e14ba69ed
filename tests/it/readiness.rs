//! `/readyz` tells what is missing.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Answer, App};

/// What `/readyz` says now; an answer is good for a second.
async fn readiness(app: &App) -> Answer {
    app.clock.advance(TimeDelta::seconds(1));
    app.anonymous().get("/readyz").await
}

#[tokio::test]
async fn secrets_that_do_not_open_are_told() {
    let app = App::start().await;
    app.token(&app.root, "annealer", "DEV-1").await;
    let ready = json!({"ready": true, "database": true, "schema": true, "secrets": true});
    assert_eq!(readiness(&app).await.expect(200), ready);

    let mut database = PgConnection::connect(&app.database_url).await.unwrap();
    for wrong in ["kek_id = 'kek-of-somebody-else'", "wrapped_data_key = decode(repeat('00', 60), 'hex')"] {
        let spoil = format!("UPDATE qpu_token_secrets SET {wrong}");
        let restore =
            "UPDATE qpu_token_secrets s SET kek_id = k.kek_id, wrapped_data_key = k.wrapped_data_key FROM kept k";
        database.execute("CREATE TEMP TABLE kept AS SELECT * FROM qpu_token_secrets").await.unwrap();
        database.execute(sqlx::AssertSqlSafe(spoil)).await.unwrap();
        let missing = json!({"ready": false, "database": true, "schema": true, "secrets": false});
        assert_eq!(readiness(&app).await.expect(503), missing);
        database.execute(restore).await.unwrap();
        database.execute("DROP TABLE kept").await.unwrap();
        assert_eq!(readiness(&app).await.expect(200), ready);
    }
}

#[tokio::test]
async fn an_old_schema_is_told() {
    let app = App::start().await;
    let mut database = PgConnection::connect(&app.database_url).await.unwrap();
    let newest = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    database.execute(newest).await.unwrap();
    let missing = json!({"ready": false, "database": true, "schema": false, "secrets": false});
    assert_eq!(readiness(&app).await.expect(503), missing);
    database.execute("DROP TABLE _sqlx_migrations").await.unwrap();
    assert_eq!(readiness(&app).await.expect(503), missing);
}
