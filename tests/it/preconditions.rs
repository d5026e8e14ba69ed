//! `ETag` and `If-Match`: a change that was made for another version is not made.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, Caller, dwave, paths};

/// Reads `row`, lets somebody else change it, and tries `change` for the version that was read, for any, for the new one.
async fn check(caller: &Caller, row: &str, interfere: &Value, method: Method, path: &str, body: &Value) {
    let read = caller.get(row).await;
    let stale = read.tag();
    assert!(stale.starts_with('"') && stale.ends_with('"'), "strong: {stale}");
    caller.patch(row, interfere).await.expect(200);
    for tag in [stale.as_str(), "\"another\"", "W/\"1\"", "nonsense"] {
        let refused = caller.if_match(method.clone(), path, tag, body).await;
        refused.expect_problem(412, "precondition_failed");
    }
    let now = caller.get(row).await;
    assert_ne!(now.tag(), stale, "a change changes the tag");
    let done = caller.if_match(method, path, &now.tag(), body).await;
    assert!(done.status.is_success(), "{}", done.text);
}

#[tokio::test]
async fn changes_of_every_kind_of_row_honour_if_match() {
    let app = App::start().await;
    let admin = &app.admin;
    let lab = app.organization(&app.root, "Lab").await;
    let ada = app.member(&lab, "ada").await;
    let id = app.token(&lab, "one", "secret").await;
    let (name, other) = (json!({"name": "A"}), json!({"name": "B"}));

    let user = paths::user(&lab, &ada.id);
    let (given, family) = (json!({"given_name": "A"}), json!({"family_name": "B"}));
    check(admin, &user, &given, Method::PATCH, &user, &family).await;
    check(admin, &user, &given, Method::PUT, &paths::role(&lab, &ada.id, "auditor"), &Value::Null).await;
    check(admin, &user, &given, Method::DELETE, &paths::role(&lab, &ada.id, "auditor"), &Value::Null).await;
    check(&ada, "/v1/me", &given, Method::PATCH, "/v1/me", &family).await;

    let token = paths::token(&lab, &id);
    check(admin, &token, &name, Method::PATCH, &token, &other).await;
    let credential = json!({"credential": {"token": "next"}});
    check(admin, &token, &name, Method::PUT, &format!("{token}/credential"), &credential).await;
    for quota in [paths::quota(&lab, &id), paths::user_quota(&lab, &id, &ada.id)] {
        let (one, two) = (json!({"quota": 1}), json!({"quota": 2}));
        admin.put(&quota, &one).await.expect(200);
        check(admin, &quota, &two, Method::PUT, &quota, &one).await;
        check(admin, &quota, &two, Method::PATCH, &quota, &one).await;
        check(admin, &quota, &two, Method::DELETE, &quota, &Value::Null).await;
    }
    let made = ada.post("/v1/me/qpu-tokens", &dwave("mine")).await;
    let mine = format!("/v1/me/qpu-tokens/{}", made.expect(201)["id"].as_str().unwrap());
    check(&ada, &mine, &name, Method::PATCH, &mine, &other).await;
    check(&ada, &mine, &name, Method::PUT, &format!("{mine}/credential"), &credential).await;
    check(&ada, &mine, &name, Method::DELETE, &mine, &Value::Null).await;

    check(admin, &token, &name, Method::DELETE, &token, &Value::Null).await;
    check(admin, &user, &given, Method::DELETE, &user, &Value::Null).await;
    let organization = paths::organization(&lab);
    check(admin, &organization, &name, Method::PATCH, &organization, &other).await;
    check(admin, &organization, &name, Method::DELETE, &organization, &Value::Null).await;
}

#[tokio::test]
async fn creating_answers_the_tag_that_reading_does() {
    let app = App::start().await;
    let body = json!({"name": "Lab", "parent_id": app.root});
    let made = app.admin.post("/v1/organizations", &body).await;
    assert_eq!(made.tag(), app.admin.get(made.headers["location"].to_str().unwrap()).await.tag());
    for (list, body) in
        [(paths::tokens(&app.root), dwave("one")), (paths::users(&app.root), crate::support::person("a@b.example"))]
    {
        let made = app.admin.post(&list, &body).await;
        assert_eq!(made.tag(), app.admin.get(made.headers["location"].to_str().unwrap()).await.tag());
    }
}

#[tokio::test]
async fn a_star_means_any_version_of_what_is_there() {
    let app = App::start().await;
    let id = app.token(&app.root, "one", "secret").await;
    let path = paths::token(&app.root, &id);
    app.admin.if_match(Method::PATCH, &path, "*", &json!({"name": "two"})).await.expect(200);
    // RFC 9110, 13.1.1: false where there is nothing.
    let quota = paths::quota(&app.root, &id);
    let put = async |tag: &str| app.admin.if_match(Method::PUT, &quota, tag, &json!({"quota": 1})).await;
    put("*").await.expect_problem(412, "precondition_failed");
    put("\"1\"").await.expect_problem(412, "precondition_failed");
    app.admin.put(&quota, &json!({"quota": 1})).await.expect(200);
    put("*").await.expect(200);
}
