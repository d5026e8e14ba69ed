//! `Idempotency-Key`: what is asked twice is done once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, Caller};

async fn add_user(caller: &Caller, organization: &str, key: &str, email: &str) -> Answer {
    let body = json!({"email": email, "given_name": "Ada", "family_name": "Test"});
    let request = caller.request(Method::POST, &format!("/v1/organizations/{organization}/users"));
    Answer::to(request.header("idempotency-key", key).json(&body)).await
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_at_any_replica() {
    let app = App::start().await;
    let first = add_user(&app.admin, &app.root, "one", "ada@example.com").await;
    let created = first.expect(201);
    let replica = app.admin.at(&app.replica().await);
    for caller in [&app.admin, &replica] {
        let again = add_user(caller, &app.root, "one", "ada@example.com").await;
        assert_eq!(again.expect(201), created, "the invitation's token, too");
        assert_eq!(again.headers["etag"], first.headers["etag"]);
        assert_eq!(again.headers["location"], first.headers["location"]);
        assert_eq!(again.headers["idempotency-replayed"], "true");
    }
    // The link of the first answer still works: nothing was sent anew.
    app.accept(&created, "a password of some length").await.expect(200);
}

#[tokio::test]
async fn the_stored_answer_is_sealed() {
    let app = App::start().await;
    let created = add_user(&app.admin, &app.root, "one", "ada@example.com").await.expect(201);
    let token = created["invitation"]["token"].as_str().unwrap();
    let stored: Vec<u8> =
        sqlx::query_scalar("SELECT sealed_answer FROM idempotent_answers").fetch_one(&app.database).await.unwrap();
    assert!(stored.len() > token.len());
    assert!(!stored.windows(16).any(|window| window == &token.as_bytes()[..16] || window == b"ada@example.com\""));
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_user() {
    let app = App::start().await;
    let other = app.member_with_role(&app.root, "olga", "admin").await;
    add_user(&app.admin, &app.root, "one", "ada@example.com").await.expect(201);
    let reused = add_user(&app.admin, &app.root, "one", "eve@example.com").await;
    reused.expect_problem(422, "idempotency_key_reused");
    // Somebody else's key of the same name is another key, and gets no answer that is not its own.
    add_user(&other, &app.root, "one", "ada@example.com").await.expect_problem(409, "already_member");
}

#[tokio::test]
async fn after_a_refusal_the_key_is_free_again() {
    let app = App::start().await;
    let name = |name: &str| json!({"name": name, "parent_id": app.root});
    app.organization(&app.root, "Taken").await;
    let post = async |body: &Value| {
        let request = app.admin.request(Method::POST, "/v1/organizations").header("idempotency-key", "one");
        Answer::to(request.json(body)).await
    };
    post(&name("Taken")).await.expect_problem(409, "organization_name_taken");
    post(&name("Free")).await.expect(201);
}

#[tokio::test]
async fn at_once_it_is_done_once() {
    let app = App::start().await;
    let asked = (0..8).map(|_| add_user(&app.admin, &app.root, "one", "ada@example.com"));
    let answers = futures_util::future::join_all(asked).await;
    let created: Vec<Value> = answers.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
    assert!(!created.is_empty());
    assert!(created.iter().all(|body| *body == created[0]));
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(409, "idempotency_in_progress");
    }
}

#[tokio::test]
async fn an_answer_is_not_repeated_to_who_lost_the_right() {
    let app = App::start().await;
    let olga = app.member_with_role(&app.root, "olga", "admin").await;
    add_user(&olga, &app.root, "one", "ada@example.com").await.expect(201);
    app.admin.delete(&format!("/v1/organizations/{}/users/{}/roles/admin", app.root, olga.id)).await.expect(204);
    add_user(&olga, &app.root, "one", "ada@example.com").await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn after_a_day_a_key_is_new() {
    let app = App::start().await;
    add_user(&app.admin, &app.root, "one", "ada@example.com").await.expect(201);
    app.clock.advance(chrono::TimeDelta::hours(25));
    add_user(&app.admin, &app.root, "one", "ada@example.com").await.expect_problem(409, "already_member");
    app.repository.sweep().await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM idempotent_answers").fetch_one(&app.database).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let app = App::start().await;
    for key in ["", "with space", &"x".repeat(201)] {
        add_user(&app.admin, &app.root, key, "ada@example.com").await.expect_problem(422, "invalid_request");
    }
}
