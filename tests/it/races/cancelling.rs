//! The same jobs, cancelled twice at once: both are told so, and each job is an event of each.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::rounds;
use crate::support::lab::Lab;
use crate::support::sapi::Sapi;

/// Whoever cancels several jobs is slow about it, so that two meet half-way.
const DAWDLE: &str = "
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
    CREATE TRIGGER dawdle AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION dawdle();
    CREATE TRIGGER dawdle AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION dawdle();";

#[tokio::test(flavor = "multi_thread")]
async fn the_same_jobs_are_cancelled_twice_at_once() {
    let sapi = Sapi::default();
    let lab = Arc::new(Lab::start(move |seen| sapi.answer(seen)).await);
    let made = lab.ask("POST", "problems/", "[{},{},{},{},{},{}]").await.json();
    let ids: Vec<&str> = made.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    sqlx::raw_sql(DAWDLE).execute(&lab.app.database).await.unwrap();
    for _ in 0..rounds() {
        let cancelling = (0..2).map(|_| {
            let (lab, ids) = (Arc::clone(&lab), json!(ids).to_string());
            tokio::spawn(async move { lab.ask("DELETE", "problems/", ids).await })
        });
        for answer in join_all(cancelling).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200, "{answer:?}");
        }
    }
    let cancelled = lab.events().await.into_iter().filter(|event| event.0 == "jobs:cancel").count();
    assert_eq!(cancelled, rounds() * 2 * ids.len());
}
