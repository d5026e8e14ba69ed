//! The directory is not for plain members: whoever they ask about, they get one and the same answer.

use reqwest::Method;
use serde_json::json;

use crate::authorization::operation::Operation;
use crate::support::{Answer, App};

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

#[tokio::test]
async fn a_plain_member_cannot_tell_users_from_nobody() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let (colleague, stranger) = (app.member(&north, "colleague").await, app.member(&south, "stranger").await);
    let member = app.member(&north, "member").await;
    let token = app.token(&north, "token", "DEV-north").await;
    let quota = format!("/v1/organizations/{north}/qpu-tokens/{token}/quota/users/{}", colleague.id);
    app.admin.put(&quota, &json!({"quota": 5})).await.expect(200);

    let mut asked = 0;
    for operation in Operation::all().iter().filter(|operation| operation.path.contains("{user}")) {
        let path = operation.path.replace("{organization}", &north).replace("{token}", &token);
        let path = path.replace("{role}", "admin");
        let mut answers = Vec::new();
        for name in
            [&colleague.id, &stranger.id, NOBODY, &colleague.email, &stranger.email, "nobody@example.com", "%3F"]
        {
            let request = member.request(operation.method.clone(), &path.replace("{user}", name));
            let answer = Answer::to(request.json(&json!({}))).await;
            answer.expect_problem(403, "forbidden");
            answers.push(answer.text);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{operation}: {answers:?}");
        asked += 1;
    }
    assert!(asked >= 9, "{asked}");
}

#[tokio::test]
async fn nobody_learns_from_a_login_who_has_an_account() {
    let app = App::start().await;
    let known = json!({"email": app.admin.email, "password": "not the right password"});
    let unknown = json!({"email": "nobody@example.com", "password": "not the right password"});
    let (known, unknown) =
        (app.anonymous().post("/v1/sessions", &known).await, app.anonymous().post("/v1/sessions", &unknown).await);
    known.expect_problem(401, "invalid_credentials");
    assert_eq!((known.status, known.text), (unknown.status, unknown.text));
    assert_eq!(known.headers.contains_key("www-authenticate"), unknown.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn adding_is_refused_to_a_plain_member_whether_the_address_is_known_or_not() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let member = app.member(&north, "member").await;
    let mut answers = Vec::new();
    for email in [&app.admin.email, "nobody@example.com"] {
        let body = json!({"email": email, "given_name": "A", "family_name": "B"});
        let request = member.request(Method::POST, &format!("/v1/organizations/{north}/users"));
        answers.push(Answer::to(request.json(&body)).await.expect_problem(403, "forbidden"));
    }
    assert_eq!(answers[0], answers[1]);
}
