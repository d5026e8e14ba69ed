//! An answer that is repeated for an `Idempotency-Key` goes to whom it was given, for what was asked.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, Caller, PASSWORD};

/// A request of a kind that is repeated.
async fn ask(caller: &Caller, path: &str, body: &Value, organization: &str) -> Answer {
    let request = caller.request(Method::POST, path).header("idempotency-key", "the-same");
    Answer::to(request.header("luna-organization", organization).json(body)).await
}

/// An answer may hold what the one who repeats the question could never have got: here, a key of full scope.
#[tokio::test]
async fn a_key_is_not_given_the_answer_that_a_login_got() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let vera = app.member(&lab, "vera").await;
    let made = vera.post("/v1/me/api-keys", &json!({"name": "read", "scope": "read"})).await.expect(201);
    let read = Caller::with_api_key(&app.base_url, made["api_key"].as_str().unwrap());

    let wanted = json!({"name": "full"});
    let first = ask(&vera, "/v1/me/api-keys", &wanted, &lab).await.expect(201);
    ask(&read, "/v1/me/api-keys", &wanted, &lab).await.expect_problem(403, "session_required");
    // A later login of the same person is told the same as the first.
    let later = app.log_in(&vera.email, PASSWORD).await;
    assert_eq!(ask(&later, "/v1/me/api-keys", &wanted, &lab).await.expect(201), first);
}

#[tokio::test]
async fn another_organizations_answer_is_none() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let body = json!({"name": "token", "provider": "dwave", "token": "DEV-north"});
    let path = "/api/v1/qpu-tokens/shared";
    ask(&app.admin, path, &body, &north).await.expect(201);
    let other = ask(&app.admin, path, &body, &south).await;
    assert_eq!(other.status.as_u16(), 422, "{}", other.text);
    assert_eq!(other.json()["internal_code"], "idempotency_key_reused");
}
