//! Clients that hang up in the middle of a request: nobody else notices.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use luna_organizations::authentication::{ApiKey, RefreshToken};
use luna_organizations::authorization::action::sessions::Refresh;
use luna_organizations::authorization::{Grant, Origin};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, App};

/// Sends a request and resets the connection a moment later.
async fn hang_up(address: &str, request: &str, after: Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_zero_linger().unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

fn request(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: luna\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

/// What a request does is given up after so many steps: whichever it was waiting for, its connection comes back clean.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_given_up_leaves_no_transaction_open() {
    let app = App::start().await;
    for steps in 1..10 {
        for _ in 0..6 {
            let token = RefreshToken::generate().unwrap().digest();
            let grant = Grant::<Refresh>::holder(token, Origin::default());
            let mut work = Box::pin(app.repository.refresh_session(&grant, &token));
            for _ in 0..steps {
                if poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
              WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&app.database)
        .await
        .unwrap();
        assert_eq!(open, 0, "given up after {steps} steps");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_with_a_key_is_done_once_all_the_same() {
    let app = App::start().await;
    let address = app.base_url.strip_prefix("http://").unwrap();
    let admin = app.log_in("root@example.com", crate::support::PASSWORD).await;
    let authorization = admin.authorization();
    for round in 0..40_u64 {
        let body = json!({"name": format!("key {round}")}).to_string();
        let headers = format!("authorization: {authorization}\r\nidempotency-key: {round}\r\n");
        hang_up(address, &request("/v1/me/api-keys", &headers, &body), Duration::from_micros(round * 150)).await;
    }
    for round in 0..40 {
        let again = admin.request(Method::POST, "/v1/me/api-keys").header("idempotency-key", round.to_string());
        let body = json!({"name": format!("key {round}")});
        let created = Answer::to(again.json(&body)).await.expect(201);
        assert!(ApiKey::parse(created["api_key"].as_str().unwrap()).is_ok());
    }
    let doubled: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT name FROM api_keys GROUP BY name HAVING count(*) > 1) doubled",
    )
    .fetch_one(&app.database)
    .await
    .unwrap();
    assert_eq!(doubled, 0);
}

/// Sends the first half of a body, ends the sending if asked to, and reads what is answered.
async fn half_a_body(app: &App, end: bool) -> String {
    let mut stream = TcpStream::connect(app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
    let body = json!({"name": "Half", "parent_id": app.root}).to_string();
    let whole = request("/v1/organizations", &format!("luna-api-key: {}\r\n", app.admin.authorization()), &body);
    stream.write_all(&whole.as_bytes()[..whole.len() - body.len() / 2]).await.unwrap();
    if end {
        stream.shutdown().await.unwrap();
    }
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
    read.expect("an answer, not a hang").unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_does_nothing() {
    let app = App::start().await;
    let (slow, cut) = tokio::join!(half_a_body(&app, false), half_a_body(&app, true));
    assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("\"slow_body\""), "{slow}");
    // Who ends the connection may not wait for an answer; if there is one, it is this.
    assert!(cut.is_empty() || (cut.starts_with("HTTP/1.1 400") && cut.contains("\"incomplete_body\"")), "{cut}");
    let organizations: i64 =
        sqlx::query_scalar("SELECT count(*) FROM organizations").fetch_one(&app.database).await.unwrap();
    assert_eq!(organizations, 1);
}
