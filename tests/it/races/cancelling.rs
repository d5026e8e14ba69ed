//! The same jobs, cancelled twice at once: both are told so, and each job is an event of each.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::rounds;
use crate::support::lab::Lab;
use crate::support::sapi::Sapi;
use crate::support::upstream::Reply;

/// Whoever cancels several jobs is slow about it, so that two meet half-way.
const DAWDLE: &str = "
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
    CREATE TRIGGER dawdle AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION dawdle();
    CREATE TRIGGER dawdle AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION dawdle();";

async fn submit_six(lab: &Lab) -> Vec<String> {
    let made = lab.ask("POST", "problems/", "[{},{},{},{},{},{}]").await.json();
    made.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_jobs_are_cancelled_twice_at_once() {
    let sapi = Sapi::default();
    let lab = Arc::new(Lab::start(move |seen| sapi.answer(seen)).await);
    let ids = submit_six(&lab).await;
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

/// They end at the moment at which they are cancelled, and the answer to a poll tells what they have used.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_cancelled_while_they_are_booked() {
    let sapi = Sapi::default();
    let lab = Arc::new(Lab::start(|_| Reply::silence()).await);
    sqlx::raw_sql(DAWDLE).execute(&lab.app.database).await.unwrap();
    for round in 0..rounds().max(4) {
        let provider = sapi.clone();
        lab.upstream.script(move |seen| provider.answer(seen));
        let ids = submit_six(&lab).await;
        let over =
            |id: &String| json!({"id": id, "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 1.0}}});
        let told = Value::Array(ids.iter().map(over).collect());
        lab.upstream.always(Reply::json(200, &told));
        let asked = [
            ("DELETE", "problems/".to_owned(), json!(ids).to_string()),
            ("GET", format!("problems/?id={}", ids.join(",")), String::new()),
        ];
        let asking = asked.map(|(method, below, body)| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move { lab.ask(method, &below, body).await })
        });
        for answer in join_all(asking).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200, "round {round}: {answer:?}");
        }
        let booked = lab.jobs().await.iter().filter(|(state, ..)| state == "settled").count();
        assert_eq!(booked, (round + 1) * 6, "in the answer's own time");
    }
}
