//! Fujitsu's Digital Annealer: results that are read by deleting them.

use luna_organizations::cli::service;
use serde_json::{Value, json};

use crate::support::App;
use crate::support::notebook::{self, Notebook, SECRET, ledger};
use crate::support::upstream::{Seen, Upstream};

const PLACE: (&str, &str) = ("x-api-key", "");

fn answer(seen: &Seen) -> (u16, Value) {
    let solution = json!({"timing": {"solve_time": "123.4"}});
    let path: Vec<_> = seen.path().split('/').skip(1).collect();
    match (&*seen.method, path.as_slice()) {
        ("POST", [.., "solve"]) => (200, json!({"job_id": seen.json()["name"]})),
        ("GET", [.., "jobs"]) => (200, json!({"job_status_list": [{"job_id": "a"}, {"job_id": "foreign"}]})),
        ("POST", [.., "cancel"]) | ("GET", [.., "result", "cancelled"]) => (200, json!({"status": "Canceled"})),
        ("GET", [.., "result", _]) => (200, json!({"status": "Done", "qubo_solution": solution})),
        ("DELETE", [.., "result", "running"]) => (200, json!({"status": "Running"})),
        ("DELETE", [.., "result", _]) => (200, json!({"status": "Deleted", "qubo_solution": solution})),
        _ => (200, json!({"status": "OK"})),
    }
}

struct Lab {
    app: App,
    fujitsu: Upstream,
    ada: Notebook,
    bob: Notebook,
}

async fn lab() -> Lab {
    let fujitsu = Upstream::start(answer).await;
    let app = App::start_with(notebook::at("fujitsu", &fujitsu.url())).await;
    let token = notebook::token(&app, "fujitsu").await;
    let (ada, bob) = (app.member(&app.root, "ada").await, app.member(&app.root, "bob").await);
    let ada = Notebook::new(&app, &ada, &token, PLACE).await;
    let bob = Notebook::new(&app, &bob, &token, PLACE).await;
    Lab { app, fujitsu, ada, bob }
}

#[tokio::test]
async fn a_result_that_is_taken_is_booked_first() {
    let Lab { app, fujitsu, ada, .. } = lab().await;
    ada.get("da/v1/healthcheck").await.expect(200);
    for name in ["running", "taken"] {
        ada.send("POST", "da/v4/async/qubo/solve", &json!({"name": name})).await.expect(200);
    }
    ada.send("POST", "v3c/async/qubo/solve", &json!({"name": "read"})).await.expect(200);
    ada.send("DELETE", "da/v4/async/jobs/result/running", &Value::Null).await.expect(200);
    let taken = ada.send("DELETE", "da/v4/async/jobs/result/taken", &Value::Null).await.expect(200);
    assert_eq!(taken["qubo_solution"]["timing"]["solve_time"], "123.4");
    ada.get("v3c/async/jobs/result/read").await.expect(200);
    let booked = ledger(&app).await;
    assert_eq!((booked["running"], booked["taken"], booked["read"]), (None, Some(124), Some(124)));
    for seen in fujitsu.take() {
        assert_eq!(seen.header("x-api-key"), SECRET, "{}", seen.line());
    }
}

#[tokio::test]
async fn somebody_elses_job_is_out_of_reach() {
    let Lab { app: _app, fujitsu, ada, bob } = lab().await;
    ada.send("POST", "da/v4/async/qubo/solve", &json!({"name": "a"})).await.expect(200);
    bob.send("POST", "da/v4/async/qubo/solve", &json!({"name": "foreign"})).await.expect(200);
    assert_eq!(ada.get("da/v4/async/jobs").await.expect(200), json!({"job_status_list": [{"job_id": "a"}]}));
    fujitsu.take();
    ada.send("DELETE", "da/v4/async/jobs/result/foreign", &Value::Null).await.expect(404);
    let refused = ada.send("POST", "da/v4/async/jobs/cancel", &json!({"job_id": "foreign"})).await.expect(404);
    assert_eq!(refused["error"]["message"], "there is no such job");
    ada.send("POST", "da/v4/async/jobs/cancel", &json!({})).await.expect(400);
    ada.get("da/v1/contract").await.expect(403);
    let both = ada.request("GET", "da/v4/async/jobs").header("x-access-token", "x").send().await.unwrap();
    assert_eq!(both.status(), 400);
    assert_eq!(fujitsu.take_lines(), [""; 0]);
}

#[tokio::test]
async fn what_nobody_reads_is_asked_for_where_it_was_submitted_and_not_deleted() {
    let Lab { app, fujitsu, ada, .. } = lab().await;
    ada.send("POST", "da/v3c/async/qubo/solve", &json!({"name": "left"})).await.expect(200);
    ada.send("POST", "da/v4/async/qubo/solve", &json!({"name": "cancelled"})).await.expect(200);
    ada.send("POST", "da/v4/async/jobs/cancel", &json!({"job_id": "cancelled"})).await.expect(200);
    fujitsu.take();
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let configuration = notebook::at("fujitsu", &fujitsu.url());
    let address = "127.0.0.1:0".parse().unwrap();
    let worker = service::state(&configuration, app.repository.clone(), address).await.unwrap();
    worker.broker.settle_due().await;
    let mut lines = fujitsu.take_lines();
    lines.sort();
    assert_eq!(lines, ["GET /v3c/async/jobs/result/left", "GET /v4/async/jobs/result/cancelled"]);
    let booked = ledger(&app).await;
    assert_eq!((booked["left"], booked["cancelled"]), (Some(124), Some(0)));
}
