//! What somebody else's admin, and somebody without a name, can do to an account and to the logs, and learn of tokens: nothing.

use luna_organizations::authentication::ApiKey;
use luna_organizations::domain::QpuTokenId;
use reqwest::Method;
use serde_json::json;

use crate::support::lab::Lab;
use crate::support::wire::ask;
use crate::support::{Answer, App};

#[tokio::test]
async fn a_role_that_waits_for_an_acceptance_keeps_nobody_from_disabling_the_account() {
    let app = App::start().await;
    let (home, other) = (app.organization(&app.root, "Home").await, app.organization(&app.root, "Other").await);
    let ada = app.member(&home, "ada").await;
    let person = json!({"email": ada.email, "given_name": "Ada", "family_name": "Test"});
    app.admin.post(&format!("/v1/organizations/{other}/users"), &person).await.expect(201);
    app.admin
        .put(&format!("/v1/organizations/{other}/users/{}/roles/auditor", ada.id), &serde_json::Value::Null)
        .await
        .expect(200);
    let disable = json!({"status": "disabled"});
    app.admin.patch(&format!("/v1/organizations/{home}/users/{}", ada.id), &disable).await.expect(200);
    ada.get("/v1/me").await.expect(401);
}

#[tokio::test]
async fn an_invitation_made_and_withdrawn_leaves_the_account_as_it_was() {
    let app = App::start().await;
    let (home, other) = (app.organization(&app.root, "Home").await, app.organization(&app.root, "Other").await);
    let ada = app.member(&home, "ada").await;
    let before = ada.get("/v1/me").await.headers["etag"].clone();
    let key =
        || ada.request(Method::POST, "/v1/me/api-keys").header("idempotency-key", "one").json(&json!({"name": "k"}));
    let first = Answer::to(key()).await.expect(201);
    let person = json!({"email": "ADA@example.com", "given_name": "Somebody", "family_name": "Else"});
    let added = app.admin.post(&format!("/v1/organizations/{other}/users"), &person).await;
    let new = json!({"email": "new@example.com", "given_name": "Somebody", "family_name": "New"});
    let new = app.admin.post(&format!("/v1/organizations/{other}/users"), &new).await;
    assert_eq!(added.headers["etag"], new.headers["etag"], "a known account looks like a new one");
    app.admin.delete(&format!("/v1/organizations/{other}/users/{}", ada.id)).await.expect(204);
    assert_eq!(ada.get("/v1/me").await.headers["etag"], before);
    assert_eq!(Answer::to(key()).await.expect(201), first, "the first answer is still there");
}

#[tokio::test]
async fn a_request_id_that_is_none_is_replaced() {
    let app = App::start().await;
    let sent = async |id: &str| {
        let answer = Answer::to(app.anonymous().request(Method::GET, "/healthz").header("x-request-id", id)).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(sent("proxy-0123.abc_D").await, "proxy-0123.abc_D");
    for id in ["", "two words", "<b>", &"x".repeat(65)] {
        let answered = sent(id).await;
        assert!(answered != id && uuid::Uuid::try_parse(&answered).is_ok(), "{answered}");
    }
}

#[tokio::test]
async fn complaints_are_bounded() {
    let app = App::start().await;
    let members: serde_json::Map<_, _> = (0..5000).map(|n| (format!("m{n}"), json!(1))).collect();
    let problem = app.anonymous().post("/v1/sessions", &members.into()).await.expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_familiar_address_logs_in_while_another_account_is_guessed_from_behind_the_same_proxy() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    for guess in 0..101 {
        let login = json!({"email": format!("nobody{guess}@example.com"), "password": "wrong"});
        let answer = app.anonymous().post("/v1/sessions", &login).await;
        assert!(matches!(answer.status.as_u16(), 401 | 429), "{}", answer.text);
    }
    let login = json!({"email": "somebody@example.com", "password": "wrong"});
    app.anonymous().post("/v1/sessions", &login).await.expect_problem(429, "too_many_attempts");
    app.log_in(&ada.email, crate::support::PASSWORD).await;
}

/// Without a key that works, a token that there is and one that there is not are the same; with one, it is said.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_hear_which_tokens_there_are() {
    let lab = Lab::start(|_| crate::support::upstream::Reply::json(200, &json!([]))).await;
    let beside = lab.app.organization(&lab.app.root, "Beside").await;
    let foreign = lab.app.token(&beside, "theirs", "secret").await;
    let unknown = QpuTokenId::new().to_string();
    let fresh = ApiKey::generate().unwrap().into_text();
    for (header, status, code) in [
        (String::new(), 401, "unauthenticated"),
        ("x-auth-token: DEV-0123456789\r\n".to_owned(), 401, "unauthenticated"),
        (format!("x-auth-token: {}\r\n", *fresh), 401, "unauthenticated"),
        (format!("x-auth-token: {}\r\n", lab.key), 404, "not_found"),
    ] {
        let mut answers = Vec::new();
        for token in [&foreign, &unknown] {
            let path = format!("/v1/qpu/{token}/solvers/remote/");
            let answer = ask(&lab.app.base_url, "GET", &path, &header, b"").await;
            answers.push((answer.status(), answer.header("luna-error").to_owned()));
        }
        assert_eq!(answers, vec![(status, code.to_owned()); 2], "{header}");
    }
    // Where a client puts it does not matter at an address that nobody knows.
    for header in [format!("authorization: apiKey {}\r\n", lab.key), format!("x-some-token: {}\r\n", lab.key)] {
        let answer = ask(&lab.app.base_url, "GET", &format!("/v1/qpu/{unknown}/v0.4/jobs"), &header, b"").await;
        assert_eq!((answer.status(), answer.header("luna-error")), (404, "not_found"), "{header}");
    }
    assert_eq!(lab.upstream.seen().len(), 0);
}
