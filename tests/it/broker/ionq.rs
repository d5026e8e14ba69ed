//! IonQ: jobs with children, bulk requests, what answers tell of the account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::notebook::{self, Notebook, SECRET, ledger};
use crate::support::paths;
use crate::support::upstream::{Reply, Seen, Step, Upstream};
use crate::support::{Answer, App};

const PLACE: (&str, &str) = ("authorization", "apiKey ");
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

fn job(id: &str, status: &str, children: &[&str]) -> Value {
    json!({"id": id, "status": status, "submitter_id": "somebody", "project_id": "project", "execution_duration_ms": 1200,
           "child_job_ids": children, "results": {"probabilities": {"url": format!("/v0.4/jobs/{id}/results/probabilities")}}})
}

/// Jobs are named by who submits them; a name tells what becomes of them.
fn answer(seen: &Seen) -> (u16, Value) {
    let body = seen.json();
    match (&*seen.method, seen.path().split('/').skip(2).collect::<Vec<_>>().as_slice()) {
        (_, ["backends", ..]) => (200, json!([])),
        ("POST", ["jobs"]) => (200, json!({"id": body["name"], "status": "ready"})),
        ("POST", ["jobs", id, "clone"]) => (200, json!({"id": format!("{id}-clone"), "status": "ready"})),
        ("POST", ["sessions"]) => (
            200,
            json!({"id": "session", "organization_id": "organization", "creator_id": "somebody", "ended_at": null}),
        ),
        ("POST", ["sessions", id, "end"]) => {
            (200, json!({"id": id, "ended_at": "2026-01-01T00:00:00Z", "status": "ended"}))
        }
        ("GET", ["jobs"]) => {
            (200, json!({"jobs": [job("foreign", "completed", &[]), job("done", "completed", &[])], "next": "n"}))
        }
        ("GET", ["jobs", "multi"]) => (200, job("multi", "completed", &["child-1", "child-2"])),
        ("GET", ["jobs", id]) if id.starts_with("child") => (200, job(id, "completed", &[])),
        ("GET", ["jobs", "running"]) => (200, job("running", "started", &[])),
        ("GET", ["jobs", id]) => (200, job(id, "completed", &[])),
        _ => (200, json!({"ids": body["ids"], "status": "deleted"})),
    }
}

struct Lab {
    app: App,
    ionq: Upstream,
    ada: Notebook,
    bob: Notebook,
}

async fn lab() -> Lab {
    let ionq = Upstream::start(answer).await;
    let app = App::start_with(notebook::at("ionq", &format!("{}/v0.4", ionq.url()))).await;
    let token = notebook::token(&app, "ionq").await;
    let (ada, bob) = (app.member(&app.root, "ada").await, app.member(&app.root, "bob").await);
    let ada = Notebook::new(&app, &ada, &token, PLACE).await;
    let bob = Notebook::new(&app, &bob, &token, PLACE).await;
    Lab { app, ionq, ada, bob }
}

#[tokio::test]
async fn children_belong_to_who_submitted_the_parent_and_are_booked_with_it() {
    let Lab { app, ada, bob, .. } = lab().await;
    ada.send("POST", "v0.4/jobs", &json!({"name": "multi"})).await.expect(200);
    ada.get("v0.4/jobs/child-1").await.expect(404);
    let parent = ada.get("v0.4/jobs/multi").await.expect(200);
    assert_eq!(parent["results"]["probabilities"]["url"], "/v0.4/jobs/multi/results/probabilities");
    ada.get("v0.4/jobs/child-1").await.expect(200);
    ada.get("v0.4/jobs/child-2/results/shots").await.expect(200);
    bob.get("v0.4/jobs/child-1").await.expect(404);
    let booked = HashMap::from([("multi", Some(1200)), ("child-1", Some(0)), ("child-2", Some(0))]);
    assert_eq!(ledger(&app).await, booked.into_iter().map(|(id, used)| (id.to_owned(), used)).collect());
}

/// Each part is a row of the ledger, and the provider may name as many as it likes.
#[tokio::test]
async fn parts_in_numbers() {
    let Lab { app, ionq, ada, .. } = lab().await;
    ada.send("POST", "v0.4/jobs", &json!({"name": "multi"})).await.expect(200);
    let names: Vec<_> = (1..=1500).map(|number| format!("child-{number}")).collect();
    ionq.script(move |_| {
        Reply::json(200, &job("multi", "completed", &names.iter().map(String::as_str).collect::<Vec<_>>()))
    });
    let told = ada.get("v0.4/jobs/multi").await.expect(200);
    assert_eq!(told["child_job_ids"].as_array().map(Vec::len), Some(1500));
    let booked = ledger(&app).await;
    assert_eq!((booked.len(), booked["multi"], booked["child-1000"]), (1001, Some(1200), Some(0)));
    ada.get("v0.4/jobs/child-1000").await.expect(200);
    ada.get("v0.4/jobs/child-1001").await.expect(404);
}

#[tokio::test]
async fn answers_do_not_tell_of_the_account() {
    let Lab { app: _app, ionq, ada, bob } = lab().await;
    bob.send("POST", "v0.4/jobs", &json!({"name": "foreign"})).await.expect(200);
    ada.send("POST", "v0.4/jobs", &json!({"name": "done"})).await.expect(200);
    let listed = ada.get("v0.4/jobs?limit=2").await.expect(200);
    assert_eq!((listed["jobs"].as_array().unwrap().len(), &listed["next"]), (1, &json!("n")));
    for job in [&listed["jobs"][0], &ada.get("v0.4/jobs/done").await.expect(200)] {
        assert_eq!(
            (&job["id"], &job["submitter_id"], &job["project_id"]),
            (&json!("done"), &json!(NOBODY), &Value::Null)
        );
    }
    let session = ada.send("POST", "v0.4/sessions", &json!({"backend": "qpu.forte-1"})).await.expect(200);
    assert_eq!((&session["organization_id"], &session["creator_id"]), (&json!(NOBODY), &Value::Null));
    ionq.take();
    for (method, path) in [
        ("GET", "v0.4/whoami"),
        ("GET", "v0.4/organizations/o/usage"),
        ("PUT", "v0.4/jobs/done/move"),
        ("POST", "v0.4/jobs/done/move"),
        ("GET", "v0.4/keys"),
        ("GET", "v0.2/jobs"),
        ("GET", "v0.4/jobs/done/../../whoami"),
        ("GET", "v0.4/jobs/..%2fwhoami/results"),
    ] {
        let refused = ada.send(method, path, &Value::Null).await;
        assert!([403, 404].contains(&refused.status.as_u16()), "{method} {path}: {}", refused.text);
        let told = refused.json();
        assert!(told["statusCode"].is_number() && told["error"].is_string() && told["message"].is_string(), "{told}");
    }
    assert_eq!(ionq.take_lines(), [""; 0]);
}

#[tokio::test]
async fn what_a_body_names_must_be_the_callers() {
    let Lab { app: _app, ionq, ada, bob } = lab().await;
    bob.send("POST", "v0.4/jobs", &json!({"name": "foreign"})).await.expect(200);
    bob.send("POST", "v0.4/sessions", &json!({"backend": "qpu"})).await.expect(200);
    ada.send("POST", "v0.4/jobs", &json!({"name": "done"})).await.expect(200);
    ionq.take();
    for (method, path, body) in [
        ("DELETE", "v0.4/jobs", json!({"ids": ["done", "foreign"]})),
        ("PUT", "v0.4/jobs/status/cancel", json!({"ids": ["foreign"]})),
        ("POST", "v0.4/jobs", json!({"name": "x", "session_id": "session"})),
        ("POST", "v0.4/jobs/foreign/clone", json!({})),
        ("GET", "v0.4/jobs?session_id=session", Value::Null),
        ("POST", "v0.4/sessions/session/end", Value::Null),
        ("GET", "v0.4/sessions/session/jobs", Value::Null),
    ] {
        ada.send(method, path, &body).await.expect(404);
    }
    for refused in ["project_id", "parent", "parent_job_id"] {
        ada.send("POST", "v0.4/jobs", &json!({"name": "x", refused: "p"})).await.expect(403);
    }
    for refused in [
        json!({"backend": "qpu", "project_id": "p"}),
        json!({"backend": "qpu", "settings": {"project_id": null}}),
        json!({"backend": "qpu", "settings": {"webhook": "https://example.org"}}),
        json!({"backend": "qpu", "settings": {"cost_limit": {"unit": "usd", "value": 1, "account": "a"}}}),
        json!({"backend": "qpu", "organization_id": "o"}),
    ] {
        ada.send("POST", "v0.4/sessions", &refused).await.expect(403);
    }
    for strange in [json!([]), json!({"backend": "qpu", "settings": "all"})] {
        ada.send("POST", "v0.4/sessions", &strange).await.expect(400);
    }
    assert_eq!(ionq.take_lines(), [""; 0]);
    let limits = json!({"job_count_limit": 1, "duration_limit_min": 2, "cost_limit": {"unit": "usd", "value": 3}});
    ada.send("POST", "v0.4/sessions", &json!({"backend": "qpu", "settings": limits})).await;
    assert_eq!(ionq.take_lines(), ["POST /v0.4/sessions"]);
    ada.send("PUT", "v0.4/jobs/status/cancel", &json!({"ids": []})).await.expect(400);
    // One reader would see the first, another one the second.
    let twice = ada.request("DELETE", "v0.4/jobs").body(r#"{"ids": ["foreign"], "ids": ["done"]}"#);
    assert_eq!(twice.send().await.unwrap().status(), 400);
    assert_eq!(ionq.take_lines(), [""; 0]);
    // Some readers take a name in any spelling, or a value for what it looks like.
    for (name, value) in [
        ("Session_Id", json!("other")),
        ("session_id", json!(["other"])),
        ("session_id", json!(5)),
        ("Project_Id", json!("other")),
        ("PARENT_JOB_ID", json!("other")),
        ("Dry_Run", json!(true)),
        ("sessionId", json!("other")),
        ("session-id", json!("other")),
        ("\u{17f}ession_id", json!("other")),
        ("parentJobId", json!("other")),
    ] {
        ada.send("POST", "v0.4/jobs", &json!({"name": "x", name: value})).await.expect(400);
    }
    assert_eq!(ionq.take_lines(), [""; 0]);
    bob.send("POST", "v0.4/jobs", &json!({"name": "y", "session_id": "session"})).await.expect(200);
}

/// Servers want to hear that there is no body (RFC 9110, section 8.6). What a client sends all the same stays here.
#[tokio::test]
async fn a_request_without_a_body_says_so() {
    let Lab { app: _app, ionq, ada, .. } = lab().await;
    ada.send("POST", "v0.4/jobs", &json!({"name": "running"})).await.expect(200);
    let path = "v0.4/jobs/running/status/cancel";
    ionq.take();
    Answer::to(ada.request("PUT", path)).await.expect(200);
    Answer::to(ada.request("PUT", path).header("content-type", "application/json")).await.expect(200);
    ada.send("PUT", path, &json!({"reason": "none"})).await.expect(200);
    let cancelled = ionq.take();
    assert_eq!(cancelled.len(), 3);
    for seen in cancelled {
        let (length, kind) = (seen.header("content-length"), seen.header("content-type"));
        assert_eq!((length.as_str(), kind.as_str(), seen.length), ("0", "", 0), "{}", seen.text());
    }
    ada.get("v0.4/jobs/running").await.expect(200);
    assert_eq!(ionq.take()[0].header("content-length"), "");
}

/// A session is looked after with the credential that has made it, which may be revoked by now; what is new in it goes with the
/// newest.
#[tokio::test]
async fn a_session_outlives_its_credential() {
    let Lab { app, ionq, ada, .. } = lab().await;
    ada.send("POST", "v0.4/sessions", &json!({"backend": "qpu"})).await.expect(200);
    let tokens = app.admin.get(&paths::tokens(&app.root)).await.expect(200);
    let token = paths::token(&app.root, tokens["items"][0]["id"].as_str().unwrap());
    let next = json!({"credential": {"token": "REAL-the-next"}});
    app.admin.put(&format!("{token}/credential"), &next).await.expect(200);
    ionq.take();
    ada.send("POST", "v0.4/jobs", &json!({"name": "new", "session_id": "session"})).await.expect(200);
    ada.get("v0.4/sessions/session").await.expect(200);
    ada.get("v0.4/jobs/new").await.expect(200);
    let went_with: Vec<_> = ionq.take().iter().map(|seen| seen.header("authorization")).collect();
    assert_eq!(went_with, ["apiKey REAL-the-next", &format!("apiKey {SECRET}"), "apiKey REAL-the-next"]);
}

#[tokio::test]
async fn what_is_deleted_is_booked_before() {
    let Lab { app, ionq, ada, .. } = lab().await;
    for name in ["done", "other", "running"] {
        ada.send("POST", "v0.4/jobs", &json!({"name": name})).await.expect(200);
    }
    ionq.take();
    ada.send("DELETE", "v0.4/jobs/running", &Value::Null).await.expect(409);
    ada.send("DELETE", "v0.4/jobs/done", &Value::Null).await.expect(200);
    ada.send("DELETE", "v0.4/jobs", &json!({"ids": ["other"]})).await.expect(200);
    let lines = [
        "GET /v0.4/jobs/running",
        "GET /v0.4/jobs/done",
        "DELETE /v0.4/jobs/done",
        "GET /v0.4/jobs/other",
        "DELETE /v0.4/jobs",
    ];
    assert_eq!(ionq.take_lines(), lines);
    let booked = ledger(&app).await;
    assert_eq!((booked["done"], booked["other"], booked["running"]), (Some(1200), Some(1200), None));
}

/// One request to delete leads to up to a hundred of the broker's: one member's come in turn, others' beside them.
#[tokio::test]
async fn one_member_deletes_in_turn() {
    let Lab { app: _app, ionq, ada, bob } = lab().await;
    let jobs = [(&ada, "done"), (&ada, "other"), (&bob, "third")];
    for (who, name) in jobs {
        who.send("POST", "v0.4/jobs", &json!({"name": name})).await.expect(200);
    }
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    ionq.script(move |seen| {
        let waits =
            if seen.method == "GET" { Reply::default().then(Step::Hold(Arc::clone(&held))) } else { Reply::default() };
        waits.followed_by(answer(seen).into())
    });
    let deleted = jobs.map(|(who, name)| {
        let who = who.clone();
        tokio::spawn(async move { who.send("DELETE", &format!("v0.4/jobs/{name}"), &Value::Null).await.expect(200) })
    });
    let asked = |names: &[&str]| names.iter().map(|name| ionq.count("GET", name)).sum::<usize>();
    ionq.wait("both members' questions", || asked(&["third"]) == 1 && asked(&["done", "other"]) > 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asked(&["done", "other"]), 1, "the second waits for its turn");
    gate.add_permits(3);
    for delete in deleted {
        delete.await.unwrap();
    }
    assert_eq!(ionq.count("DELETE", "v0.4/jobs/"), 3);
}

#[tokio::test]
async fn clones_are_booked_and_backends_need_no_key() {
    let Lab { app, ionq, ada, .. } = lab().await;
    ada.send("POST", "v0.4/jobs", &json!({"name": "done"})).await.expect(200);
    ada.send("POST", "v0.4/jobs/done/clone", &json!({})).await.expect(200);
    // Version 0.3 works the same, and a session costs nothing by itself.
    ada.get("v0.3/jobs/done-clone").await.expect(200);
    ada.send("POST", "v0.4/sessions", &json!({"backend": "qpu"})).await.expect(200);
    ada.send("POST", "v0.4/sessions/session/end", &Value::Null).await.expect(200);
    let booked = ledger(&app).await;
    assert_eq!((booked["done"], booked["done-clone"], booked["session"]), (None, Some(1200), Some(0)));
    for seen in ionq.take() {
        assert_eq!(seen.header("authorization"), format!("apiKey {SECRET}"), "{}", seen.line());
    }
    for path in ["v0.4/backends", "v0.3/backends/simulator"] {
        assert_eq!(ada.plain("GET", path).send().await.unwrap().status(), 200);
    }
    assert!(ionq.take().iter().all(|seen| !seen.header_names().contains(&"authorization".to_owned())));
    for path in ["v0.4/jobs", "v0.4/backends/qpu/characterizations"] {
        assert_eq!(ada.plain("GET", path).send().await.unwrap().status(), 401, "{path}");
    }
}
