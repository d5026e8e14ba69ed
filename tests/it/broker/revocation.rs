//! What is taken away is gone with the next request, also in the middle of waiting for a job.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::lab::{Lab, SECRET, expect_error};
use crate::support::paths;
use crate::support::sapi::Sapi;
use crate::support::upstream::{Reply, Step};
use crate::support::wire::{Wire, ask, parse};

async fn lab() -> Lab {
    let sapi = Sapi::default();
    Lab::start(move |seen| sapi.answer(seen)).await
}

/// All that a member does is refused, at every replica, and nothing reaches the provider.
async fn expect_refused(lab: &Lab, id: &str, status: u16, code: &str) {
    let before = lab.upstream.seen().len();
    let replica = lab.app.replica().await;
    for (method, below, body) in [
        ("GET", "solvers/remote/".to_owned(), ""),
        ("POST", "problems/".to_owned(), "[{}]"),
        ("GET", format!("problems/{id}/"), ""),
        ("GET", format!("problems/?id={id}&timeout=30"), ""),
        ("DELETE", format!("problems/{id}/"), ""),
    ] {
        for place in [&lab.app.base_url, &replica] {
            let headers = format!("x-auth-token: {}\r\n", lab.key);
            let answer = ask(place, method, &lab.path(&below), &headers, body.as_bytes()).await;
            expect_error(&answer, status, code);
        }
    }
    assert_eq!(lab.upstream.seen().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_gone_at_once() {
    let lab = lab().await;
    let app = &lab.app;
    let id = lab.submit(&lab.key).await;
    let token = paths::token(&app.root, &lab.token);
    app.admin.patch(&token, &json!({"enabled": false})).await.expect(200);
    expect_refused(&lab, &id, 403, "token_disabled").await;
    app.admin.patch(&token, &json!({"enabled": true})).await.expect(200);
    lab.submit(&lab.key).await;

    let user = paths::user(&app.root, &lab.ada.id);
    app.admin.patch(&user, &json!({"status": "disabled"})).await.expect(200);
    expect_refused(&lab, &id, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_and_a_deleted_key() {
    let lab = lab().await;
    let app = &lab.app;
    let id = lab.submit(&lab.key).await;
    // A member elsewhere, too, so that the account goes on.
    let north = app.organization(&app.root, "North").await;
    let added = json!({"email": lab.ada.email, "given_name": "Ada", "family_name": "Test"});
    let added = app.admin.post(&paths::users(&north), &added).await.expect(201);
    app.accept(&added, crate::support::PASSWORD).await.expect(200);
    let token = paths::token(&app.root, &lab.token);
    app.admin.patch(&token, &json!({"inherited": false})).await.expect(200);
    assert_eq!(lab.ask("GET", &format!("problems/{id}/"), "").await.status(), 200);
    assert!(app.admin.delete(&paths::user(&app.root, &lab.ada.id)).await.status.is_success());
    expect_refused(&lab, &id, 404, "not_found").await;

    let keys = lab.ada.get("/v1/me/api-keys").await.expect(200);
    let key = keys["items"][0]["id"].as_str().unwrap();
    assert!(lab.ada.delete(&format!("/v1/me/api-keys/{key}")).await.status.is_success());
    expect_refused(&lab, &id, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_that_expire() {
    let lab = lab().await;
    let app = &lab.app;
    let id = lab.submit(&lab.key).await;
    let soon = app.clock.now() + TimeDelta::minutes(5);
    let token = paths::token(&app.root, &lab.token);
    app.admin.patch(&token, &json!({"expires_at": soon})).await.expect(200);
    assert_eq!(lab.ask("GET", &format!("problems/{id}/"), "").await.status(), 200);
    let late = json!({"name": "late", "scope": "use", "expires_at": app.clock.now() + TimeDelta::minutes(2)});
    let late = lab.ada.post("/v1/me/api-keys", &late).await.expect(201)["api_key"].as_str().unwrap().to_owned();
    assert_eq!(lab.ask_with(&late, "GET", &format!("problems/{id}/"), "").await.status(), 200);
    app.clock.advance(TimeDelta::minutes(3));
    expect_error(&lab.ask_with(&late, "GET", &format!("problems/{id}/"), "").await, 401, "unauthenticated");
    app.clock.advance(TimeDelta::minutes(3));
    expect_refused(&lab, &id, 403, "token_expired").await;
    assert!(app.admin.delete(&token).await.status.is_success());
    expect_refused(&lab, &id, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_say_what_a_key_is_for() {
    let lab = lab().await;
    let key = async |scope: &str| lab.app.key(&lab.ada, scope).await.authorization();
    for (scope, status) in [("use", 200), ("full", 200), ("read", 403)] {
        let key = key(scope).await;
        for (method, below, body) in
            [("GET", "solvers/remote/", ""), ("GET", "problems/", ""), ("POST", "problems/", "[{}]")]
        {
            let answer = lab.ask_with(&key, method, below, body).await;
            assert_eq!(answer.status(), status, "{scope}: {answer:?}");
            if status == 403 {
                expect_error(&answer, 403, "insufficient_scope");
            }
        }
    }
}

/// The answer that somebody waits for when they are removed still comes: it was asked for with good right. The next one does not.
#[tokio::test(flavor = "multi_thread")]
async fn removed_in_the_middle_of_a_long_poll() {
    let lab = Arc::new(lab().await);
    let id = lab.submit(&lab.key).await;
    let gate = Arc::new(Semaphore::new(0));
    let told = json!([{"id": id, "status": "PENDING"}]);
    let (held, body) = (Arc::clone(&gate), told.clone());
    lab.upstream.script(move |_| {
        Reply::default().then(Step::Hold(Arc::clone(&held))).then_send(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.to_string().len()).into_bytes(),
        )
    });
    let path = format!("problems/?id={id}&timeout=30");
    let poll = tokio::spawn({
        let (lab, path) = (Arc::clone(&lab), path.clone());
        async move { lab.ask("GET", &path, "").await }
    });
    lab.upstream.reached("timeout=30").await;
    assert!(lab.app.admin.delete(&paths::user(&lab.app.root, &lab.ada.id)).await.status.is_success());
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.add_permits(1);
    let answer = poll.await.unwrap();
    // What is shown of a list is decided when it has come.
    assert_eq!((answer.status(), answer.json()), (200, told), "{answer:?}");
    expect_refused(&lab, &id, 401, "unauthenticated").await;
}

/// Somebody who sends the head of a request in good time, and its body later.
struct Slow {
    stream: TcpStream,
}

impl Slow {
    async fn begin(lab: &Lab, method: &str, below: &str, length: usize) -> Self {
        let mut stream = TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
        let (path, headers) = (lab.path(below), lab.headers(&lab.key));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // Long enough to be let in.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Self { stream }
    }

    async fn end(mut self, body: &str) -> Wire {
        self.stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).await.unwrap();
        parse(&answer)
    }
}

/// To be let in with half a request is to be let in for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn removed_while_the_body_comes() {
    let lab = lab().await;
    let id = lab.submit(&lab.key).await;
    let ids = json!([id]).to_string();
    let submission = Slow::begin(&lab, "POST", "problems/", 4).await;
    let cancelling = Slow::begin(&lab, "DELETE", "problems/", ids.len()).await;
    let before = lab.upstream.seen().len();
    assert!(lab.app.admin.delete(&paths::user(&lab.app.root, &lab.ada.id)).await.status.is_success());
    expect_error(&submission.end("[{}]").await, 401, "unauthenticated");
    expect_error(&cancelling.end(&ids).await, 401, "unauthenticated");
    assert_eq!((lab.upstream.seen().len(), lab.states().await), (before, vec!["open".to_owned()]));
}

/// What a body names is cancelled as what a path names: with the credential that submitted it, and when no more may be submitted.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_in_a_body_are_cancelled_like_others() {
    let lab = lab().await;
    let id = lab.submit(&lab.key).await;
    let credential = format!("{}/credential", paths::token(&lab.app.root, &lab.token));
    let rotated = json!({"credential": {"token": "DEV-the-next-credential"}});
    lab.app.admin.put(&credential, &rotated).await.expect(200);
    let past = json!({"quota": 1_000_000_000, "start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"});
    lab.app.admin.put(&paths::quota(&lab.app.root, &lab.token), &past).await.expect(200);
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_not_active");
    let answer = lab.ask("DELETE", "problems/", json!([id]).to_string()).await;
    assert_eq!((answer.status(), lab.upstream.last().header("x-auth-token")), (200, SECRET.to_owned()), "{answer:?}");
    assert_eq!(lab.upstream.last().method, "DELETE");
}
