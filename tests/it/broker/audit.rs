//! What the audit log tells of the use of tokens, and what it costs.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::lab::{Lab, expect_error};
use crate::support::paths;
use crate::support::sapi::Sapi;
use crate::support::upstream::Reply;

async fn lab() -> (Lab, Sapi) {
    let sapi = Sapi::default();
    let script = sapi.clone();
    (Lab::start(move |seen| script.answer(seen)).await, sapi)
}

/// Has the database count every statement that writes.
async fn count_writes(lab: &Lab) {
    let count = "
        CREATE SEQUENCE writes;
        CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''writes''); RETURN NULL; END';
        DO $$ DECLARE one name; BEGIN
            FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('CREATE TRIGGER count_writes AFTER INSERT OR UPDATE OR DELETE ON %I EXECUTE FUNCTION count_write()', one);
            END LOOP;
        END $$;
        SELECT nextval('writes')";
    sqlx::raw_sql(count).execute(&lab.app.database).await.unwrap();
}

async fn writes(lab: &Lab) -> i64 {
    sqlx::query_scalar("SELECT last_value FROM writes").fetch_one(&lab.app.database).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_cost_no_write_and_are_counted() {
    let (lab, _) = lab().await;
    let id = lab.submit(&lab.key).await;
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    lab.app.broker.flush().await;
    let known = lab.events().await.len();
    count_writes(&lab).await;
    let before = writes(&lab).await;
    for _ in 0..25 {
        assert_eq!(lab.ask("GET", &format!("problems/{id}/"), "").await.status(), 200);
        assert_eq!(lab.ask("GET", &format!("problems/?id={id}&timeout=1"), "").await.status(), 200);
        assert_eq!(lab.ask("GET", "solvers/remote/", "").await.status(), 200);
        assert_eq!(lab.ask_with(&bobs_key, "GET", "solvers/remote/", "").await.status(), 200);
        expect_error(&lab.ask("GET", "leap/api", "").await, 403, "operation_not_allowed");
    }
    assert_eq!((writes(&lab).await, lab.events().await.len()), (before, known), "nothing is written on the way");
    lab.app.broker.flush().await;
    assert!(writes(&lab).await > before, "writes would have been counted");
    let events = lab.events().await.split_off(known);
    let mut told: Vec<_> =
        events.iter().map(|event| (event.0.as_str(), event.1.as_str(), event.2["requests"].clone())).collect();
    told.sort_by_key(|event| event.2.to_string());
    assert_eq!(
        told,
        [
            ("jobs:use", "refused", json!({"not_allowed": 25})),
            ("jobs:use", "success", json!({"problems:list": 25, "problems:read": 25, "solvers:list": 25})),
            ("jobs:use", "success", json!({"solvers:list": 25})),
        ]
    );
    lab.app.broker.flush().await;
    assert_eq!(lab.events().await.len(), known + 3, "counted once");
    let token = lab.app.admin.get(&paths::token(&lab.app.root, &lab.token)).await.expect(200);
    assert!(token["last_used_at"].is_string(), "{token}");
}

/// Of a job each step is an event of its own, for the admin and the auditor to read; and nothing of the credential is in them.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_a_job_is_told() {
    let (lab, sapi) = lab().await;
    lab.limit(None, 250).await;
    let (one, two) = (lab.submit(&lab.key).await, lab.submit(&lab.key).await);
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    assert_eq!(lab.ask("DELETE", &format!("problems/{one}"), "").await.status(), 200);
    sapi.finish(&two, 0.01);
    lab.ask("GET", &format!("problems/{two}/answer"), "").await;
    lab.upstream.always(crate::support::upstream::Reply::json(400, &json!({"error_code": 400, "error_msg": "no"})));
    lab.ask("POST", "problems/", "[{}]").await;
    let events = lab.events().await;
    let told: Vec<_> = events.iter().map(|event| (event.0.as_str(), event.1.as_str())).collect();
    let expected = [
        ("jobs:submit", "success"),
        ("jobs:submit", "success"),
        ("jobs:submit", "refused"),
        ("jobs:cancel", "success"),
        ("jobs:submit", "refused"),
    ];
    assert_eq!(told, expected);
    assert_eq!((&events[0].2["provider_job_id"], &events[3].2["provider_job_id"]), (&json!(one), &json!(one)));
    assert_eq!((&events[2].2["reason"], &events[4].2["reason"]), (&json!("quota_exhausted"), &json!("not_taken")));
    let listed = lab.app.admin.get(&paths::events(&lab.app.root, "action=jobs:submit")).await;
    let read = listed.expect(200);
    assert_eq!(read["items"].as_array().unwrap().len(), 4, "{read}");
    lab.secret.expect_absent("the audit log", &listed.text);
    let ada = read["items"].as_array().unwrap().iter().all(|event| event["actor_name"] == lab.ada.email);
    assert!(ada, "{read}");
}

/// What cannot be written down now is counted again.
#[tokio::test(flavor = "multi_thread")]
async fn counts_survive_a_failure() {
    let (lab, _) = lab().await;
    lab.ask("GET", "solvers/remote/", "").await;
    sqlx::query("ALTER TABLE audit_events RENAME TO away").execute(&lab.app.database).await.unwrap();
    lab.app.broker.flush().await;
    sqlx::query("ALTER TABLE away RENAME TO audit_events").execute(&lab.app.database).await.unwrap();
    lab.ask("GET", "solvers/remote/", "").await;
    lab.app.broker.flush().await;
    let events = lab.events().await;
    assert_eq!(events.last().map(|event| event.2["requests"].clone()), Some(json!({"solvers:list": 2})), "{events:?}");
}

/// The credential was used for them, too.
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_is_counted() {
    let (lab, _) = lab().await;
    lab.upstream.always(Reply::silence());
    let path = lab.path("solvers/remote/");
    let mut stream = TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-auth-token: {}\r\n\r\n", lab.key);
    stream.write_all(request.as_bytes()).await.unwrap();
    lab.upstream.reached("solvers/remote").await;
    drop(stream);
    lab.upstream.wait("the provider's side to end", || lab.upstream.hung_up() > 0).await;
    lab.app.broker.flush().await;
    let events = lab.events().await;
    assert_eq!(events.last().map(|event| event.2["requests"].clone()), Some(json!({"solvers:list": 1})), "{events:?}");
}

/// Who goes on submitting what is refused is told of once and then counted; whoever else is refused is told of, too.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_without_end_are_not_events_without_end() {
    let (lab, _) = lab().await;
    lab.limit(None, 50).await;
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    let told = async || -> Vec<(String, String, serde_json::Value)> {
        let events = lab.events().await.into_iter();
        events.map(|event| (event.0, event.1, event.2.get("reason").unwrap_or(&event.2["requests"]).clone())).collect()
    };
    let refused = |what: &str, of| (what.to_owned(), "refused".to_owned(), of);
    let once = refused("jobs:submit", json!("quota_exhausted"));
    for _ in 0..20 {
        expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    }
    assert_eq!(told().await, std::slice::from_ref(&once));
    expect_error(&lab.ask_with(&bobs_key, "POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    assert_eq!(told().await, [once.clone(), once.clone()], "another key");
    lab.app.broker.flush().await;
    let counted = refused("jobs:use", json!({"quota_exhausted": 19}));
    assert_eq!(told().await, [once.clone(), once.clone(), counted.clone()]);
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    assert_eq!(told().await, [once.clone(), once.clone(), counted, once.clone()], "and after a while anew");
}

/// A refusal that could not be told is not taken for one that was.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_could_not_be_told_is_told_later() {
    let (lab, _) = lab().await;
    lab.limit(None, 50).await;
    sqlx::query("ALTER TABLE audit_events RENAME TO away").execute(&lab.app.database).await.unwrap();
    assert_eq!(lab.ask("POST", "problems/", "[{}]").await.status(), 500);
    sqlx::query("ALTER TABLE away RENAME TO audit_events").execute(&lab.app.database).await.unwrap();
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    assert_eq!(lab.events().await.len(), 1);
}
