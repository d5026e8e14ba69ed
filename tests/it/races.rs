//! The invariants, raced: two replicas on one database, requests that are under way together, many times over.
//! Whatever comes first, the invariant holds afterwards, everybody gets an answer that says what happened, and nobody a 5xx.

mod cancelling;
mod credentials;
mod last_admin;
mod leases;
mod leaving;
mod limits;
mod names;
mod tree;

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::Barrier;

use crate::support::{Answer, App, Caller};

/// How often each race is run. Few, so that the suite stays quick; `LUNA_RACE_ROUNDS=200` searches longer.
fn rounds() -> usize {
    std::env::var("LUNA_RACE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// Makes every change wait between its last check and its commit. Without, those who race seldom meet there: with the locks
/// taken out of the schema most of these races were won all the same.
const DAWDLE: &str = "
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON audit_events
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();";

/// A service of two replicas.
struct Twins {
    app: App,
    other: String,
}

impl Twins {
    async fn start() -> Self {
        let app = App::start().await;
        let other = app.replica().await;
        sqlx::raw_sql(DAWDLE).execute(&app.database).await.unwrap();
        Self { app, other }
    }

    /// The caller at one of the replicas.
    fn at(&self, caller: &Caller, number: usize) -> Caller {
        if number.is_multiple_of(2) { caller.clone() } else { caller.at(&self.other) }
    }
}

/// What one of those who race asks for.
#[derive(Clone)]
enum Request {
    Post(String, Value),
    Patch(String, Value),
    Put(String, Value),
    Delete(String),
}

impl Request {
    async fn send(&self, caller: &Caller) -> Answer {
        match self {
            Self::Post(path, body) => caller.post(path, body).await,
            Self::Patch(path, body) => caller.patch(path, body).await,
            Self::Put(path, body) => caller.put(path, body).await,
            Self::Delete(path) => caller.delete(path).await,
        }
    }
}

/// Sends all requests together, each on a task of its own; the answers come in the order of the requests.
async fn race(contenders: Vec<(Caller, Request)>) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(contenders.len()));
    let running = contenders.into_iter().map(|(caller, request)| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            // A connection of its own, opened before the start.
            caller.get("/healthz").await.expect(200);
            barrier.wait().await;
            request.send(&caller).await
        })
    });
    let answers: Vec<Answer> = join_all(running).await.into_iter().map(Result::unwrap).collect();
    for answer in &answers {
        assert!(answer.status.as_u16() < 500, "{} {}", answer.status, answer.text);
    }
    answers
}

/// Checks that exactly one answer has the status `won` and every other one the problem of this status and code.
#[track_caller]
fn one_wins(answers: &[Answer], won: u16, lost: u16, code: &str) {
    let (winners, losers): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status.as_u16() == won);
    let all: Vec<_> = answers.iter().map(|answer| (answer.status.as_u16(), &answer.text)).collect();
    assert_eq!(winners.len(), 1, "{all:?}");
    for loser in losers {
        loser.expect_problem(lost, code);
    }
}
