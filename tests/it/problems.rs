//! Problem documents (RFC 9457): one entry per offending member, with its JSON pointer.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, paths};

fn pointers(problem: &Value) -> BTreeSet<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_offending_member_is_pointed_at() {
    let app = App::start().await;
    let refuse = async |path: &str, body: Value, expected: &[&str]| {
        let problem = app.admin.post(path, &body).await.expect_problem(422, "invalid_request");
        assert_eq!(pointers(&problem), expected.iter().copied().collect::<BTreeSet<_>>(), "{problem}");
        assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(422)));
    };
    let users = paths::users(&app.root);
    refuse(&users, json!({}), &["/email", "/given_name", "/family_name"]).await;
    let bad = json!({"email": "nonsense", "given_name": "", "family_name": 7, "a/b~c": 1});
    refuse(&users, bad, &["/email", "/given_name", "/family_name", "/a~1b~0c"]).await;
    refuse("/v1/organizations", json!({"name": "a\u{202e}b", "parent_id": "root"}), &["/name", "/parent_id"]).await;
    refuse("/v1/organizations", json!({"name": "x".repeat(201), "parent_id": app.root}), &["/name"]).await;
    let tokens = paths::tokens(&app.root);
    let bad = json!({"name": "n", "provider": "D Wave", "credential": {"token": 1}, "expires_at": "soon"});
    refuse(&tokens, bad, &["/provider", "/credential/token", "/expires_at"]).await;
    // Not `/credential/…`: what is no field's name may be the secret itself.
    let bad = json!({"name": "n", "provider": "dwave", "credential": {"DEV-mixed-up": "token"}});
    refuse(&tokens, bad, &["/credential"]).await;
    for document in [json!([]), json!(null), json!("text"), json!(1)] {
        let problem = app.admin.post(&users, &document).await.expect_problem(422, "invalid_request");
        assert_eq!(pointers(&problem), BTreeSet::from([""]), "{problem}");
    }
}

#[tokio::test]
async fn every_way_of_not_sending_json_has_its_status() {
    let app = App::start().await;
    let send = async |content_type: Option<&str>, body: String| {
        let request = app.admin.request(Method::POST, &paths::users(&app.root)).body(body);
        Answer::to(match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        })
        .await
    };
    let good = crate::support::person("a@example.com").to_string();
    for content_type in [None, Some("text/plain"), Some("multipart/form-data"), Some("application/jsonp")] {
        send(content_type, good.clone()).await.expect_problem(415, "unsupported_media_type");
    }
    for body in ["", "{", "{\"email\":", "not json", "{}{}", "{\"email\": \"\\ud800\"}"] {
        send(Some("application/json"), body.to_owned()).await.expect_problem(400, "malformed_json");
    }
    let deep = "[".repeat(100_000);
    send(Some("application/json"), deep).await.expect_problem(400, "malformed_json");
    let large = format!("\"{}\"", "x".repeat(300_000));
    send(Some("application/json"), large).await.expect_problem(413, "body_too_large");
    send(Some("application/json; charset=utf-8"), good).await.expect(201);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_taken_are_problems_too() {
    let app = App::start().await;
    app.admin.get("/v1/nothing").await.expect_problem(404, "route_not_found");
    app.admin.put("/v1/roles", &Value::Null).await.expect_problem(405, "method_not_allowed");
    for id in ["nonsense", "00000000-0000-0000-0000-000000000000", "%00", "..%2f", "%F0%9F%A6%80"] {
        app.admin.get(&paths::organization(id)).await.expect_problem(404, "not_found");
        app.admin.get(&paths::token(&app.root, id)).await.expect_problem(404, "not_found");
        app.admin.get(&paths::user(&app.root, id)).await.expect_problem(404, "not_found");
        // Who is not signed in learns that first.
        app.anonymous().get(&paths::organization(id)).await.expect_problem(401, "unauthenticated");
    }
    let answer = app.anonymous().get("/v1/me").await;
    answer.expect_problem(401, "unauthenticated");
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(answer.headers["cache-control"], "no-store");
}
