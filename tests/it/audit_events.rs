//! The audit log: every change leaves an event, found again by who, what, where and when.

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use crate::support::{App, PASSWORD, dwave, each, paths, person};

/// Actions of the events that a query finds, newest first.
async fn actions(app: &App, organization: &str, query: &str) -> Vec<String> {
    let page = app.admin.get(&paths::events(organization, query)).await.expect(200);
    each(&page, "action").into_iter().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn every_change_in_an_organization_leaves_one_event() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    assert_eq!(actions(&app, &app.root, "").await, ["organizations:create", "organizations:bootstrap"]);
    let mut expected = Vec::new();
    let mut step = async |action: &str, status: u16, answer: crate::support::Answer| {
        let body = answer.expect(status);
        expected.insert(0, action.to_owned());
        assert_eq!(actions(&app, &lab, "limit=200").await, expected, "after {action}");
        body
    };

    let admin = &app.admin;
    step("organizations:update", 200, admin.patch(&paths::organization(&lab), &json!({"name": "Labor"})).await).await;
    let ida = step("users:create", 201, admin.post(&paths::users(&lab), &person("ida@example.com")).await).await;
    let invitation = format!("{}/{}", paths::invitations(&lab), ida["invitation"]["id"].as_str().unwrap());
    let sent = admin.post(&format!("{invitation}/resend"), &Value::Null).await;
    step("invitations:resend", 200, sent).await;
    step("invitations:delete", 204, admin.delete(&invitation).await).await;
    let ada = step("users:create", 201, admin.post(&paths::users(&lab), &person("ada@example.com")).await).await;
    let user = paths::user(&lab, ada["id"].as_str().unwrap());
    step("invitations:accept", 200, app.accept(&ada, PASSWORD).await).await;
    let role = paths::role(&lab, "ada@example.com", "auditor");
    step("roles:assign", 200, admin.put(&role, &Value::Null).await).await;
    step("roles:revoke", 204, admin.delete(&role).await).await;
    step("users:update", 200, admin.patch(&user, &json!({"given_name": "Ada"})).await).await;

    let token = step("qpu-tokens:create", 201, admin.post(&paths::tokens(&lab), &dwave("one")).await).await;
    let id = token["id"].as_str().unwrap();
    let token = paths::token(&lab, id);
    step("qpu-tokens:update", 200, admin.patch(&token, &json!({"enabled": false})).await).await;
    let credential = json!({"credential": {"token": "next"}});
    step("qpu-tokens:rotate", 200, admin.put(&format!("{token}/credential"), &credential).await).await;
    let quota = paths::quota(&lab, id);
    step("quotas:write", 200, admin.put(&quota, &json!({"quota": 1})).await).await;
    step("quotas:write", 200, admin.patch(&quota, &json!({"quota": 2})).await).await;
    step("quotas:delete", 204, admin.delete(&quota).await).await;
    step("qpu-tokens:delete", 204, admin.delete(&token).await).await;
    step("users:delete", 204, admin.delete(&user).await).await;

    // The organization's own end is told by its parent.
    admin.delete(&paths::organization(&lab)).await.expect(204);
    assert_eq!(actions(&app, &app.root, "limit=1").await, ["organizations:delete"]);
}

#[tokio::test]
async fn every_change_of_an_account_is_told_by_its_home() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    ada.patch("/v1/me", &json!({"given_name": "Ada"})).await.expect(200);
    let key = ada.post("/v1/me/api-keys", &json!({"name": "k"})).await.expect(201);
    ada.delete(&format!("/v1/me/api-keys/{}", key["id"].as_str().unwrap())).await.expect(204);
    let token = ada.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
    ada.delete(&format!("/v1/me/qpu-tokens/{}", token["id"].as_str().unwrap())).await.expect(204);
    let change = json!({"current_password": PASSWORD, "new_password": "an even better password"});
    ada.put("/v1/me/password", &change).await.expect(204);
    ada.delete("/v1/sessions/current").await.expect(204);
    assert_eq!(
        actions(&app, &app.root, &format!("actor={}", ada.id)).await,
        [
            "sessions:delete",
            "account:change-password",
            "personal-tokens:delete",
            "personal-tokens:create",
            "api-keys:delete",
            "api-keys:create",
            "account:update",
            "sessions:create",
            "invitations:accept"
        ]
    );
}

#[tokio::test]
async fn an_event_says_who_did_what_to_what_when_and_from_where() {
    let app = App::start().await;
    let answer = app.admin.post(&paths::tokens(&app.root), &dwave("one")).await;
    let made = answer.expect(201);
    let page = app.admin.get(&paths::events(&app.root, "limit=1")).await.expect(200);
    let event = &page["items"][0];
    assert_eq!(event["action"], "qpu-tokens:create");
    assert_eq!((&event["actor_kind"], &event["actor_id"]), (&json!("user"), &json!(app.admin.id)));
    assert_eq!(event["actor_name"], "root@example.com");
    assert!(event["credential_id"].is_string(), "which key: {event}");
    assert_eq!((&event["target_kind"], &event["target_id"]), (&json!("qpu-token"), &made["id"]));
    assert_eq!((&event["outcome"], &event["address"]), (&json!("success"), &json!("127.0.0.1")));
    assert_eq!(event["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    assert_eq!(event["details"], json!({"name": "one", "provider": "dwave"}));
}

#[tokio::test]
async fn what_is_refused_changes_nothing_and_leaves_no_event() {
    let app = App::start().await;
    app.token(&app.root, "one", "secret").await;
    app.admin.post(&paths::tokens(&app.root), &dwave("one")).await.expect_problem(409, "token_name_taken");
    assert_eq!(actions(&app, &app.root, "action=qpu-tokens").await, ["qpu-tokens:create"]);
}

#[tokio::test]
async fn events_are_filtered_by_actor_action_noun_target_and_time() {
    let app = App::start().await;
    let one = app.token(&app.root, "one", "secret").await;
    app.clock.advance(TimeDelta::hours(1));
    let middle = app.clock.now() - TimeDelta::minutes(30);
    let middle = middle.to_rfc3339_opts(SecondsFormat::Micros, true);
    let two = app.token(&app.root, "two", "secret").await;
    app.admin.delete(&paths::token(&app.root, &one)).await.expect(204);

    let find = async |query: &str| actions(&app, &app.root, query).await.join(" ");
    let (create, delete) = ("qpu-tokens:create", "qpu-tokens:delete");
    assert_eq!(find("action=qpu-tokens:create").await, format!("{create} {create}"));
    assert_eq!(find("action=qpu-tokens").await, format!("{delete} {create} {create}"));
    assert_eq!(find(&format!("target={one}")).await, format!("{delete} {create}"));
    assert_eq!(find(&format!("target={two}&action=qpu-tokens:create")).await, create);
    assert_eq!(find(&format!("since={middle}")).await, format!("{delete} {create}"));
    assert_eq!(find(&format!("until={middle}&action=qpu-tokens")).await, create);
    assert_eq!(find(&format!("actor={}&action=qpu-tokens:delete", app.admin.id)).await, delete);
    assert_eq!(find(&format!("actor={one}")).await, "");
    for wrong in ["since=yesterday", "actor=root", "action=DROP", "target=1", "order=asc", "action=a&action=b"] {
        let answer = app.admin.get(&paths::events(&app.root, wrong)).await;
        let problem = answer.expect_problem(422, "invalid_request");
        let name = wrong.split('=').next().unwrap();
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"));
    }
}

#[tokio::test]
async fn the_log_is_an_organizations_own() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    app.token(&lab, "one", "secret").await;
    assert_eq!(actions(&app, &lab, "action=qpu-tokens").await, ["qpu-tokens:create"]);
    assert_eq!(actions(&app, &app.root, "action=qpu-tokens").await, [""; 0]);
    let ada = app.member(&lab, "ada").await;
    ada.get(&paths::events(&lab, "")).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn the_database_takes_no_event_back() {
    let app = App::start().await;
    for statement in
        ["UPDATE audit_events SET actor_name = 'nobody'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
    {
        let refused = sqlx::query(statement).execute(&app.database).await.unwrap_err();
        assert!(refused.to_string().contains("only ever added"), "{refused}");
    }
}

#[tokio::test]
async fn deleting_an_organization_hides_nothing_from_those_above() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let elsewhere = app.organization(&app.root, "Elsewhere").await;
    app.token(&lab, "one", "secret").await;
    app.admin.delete(&format!("/v1/organizations/{lab}")).await.expect(204);
    app.admin.get(&paths::events(&lab, "")).await.expect_problem(404, "not_found");
    let of_lab = format!("organization={lab}&action=qpu-tokens");
    assert_eq!(actions(&app, &app.root, &of_lab).await, ["qpu-tokens:create"]);
    // It was never below this one, nor this one below itself.
    assert_eq!(actions(&app, &elsewhere, &of_lab).await, [""; 0]);
    assert_eq!(actions(&app, &elsewhere, &format!("organization={}", app.root)).await, [""; 0]);
}

#[tokio::test]
async fn moving_house_does_not_hide_from_the_old_one() {
    let app = App::start().await;
    let other = app.organization(&app.root, "Other").await;
    app.admin.patch("/v1/me", &json!({"home_organization_id": other})).await.expect(200);
    assert_eq!(actions(&app, &app.root, "action=account").await, ["account:update"]);
    assert_eq!(actions(&app, &other, "action=account").await, ["account:update"]);
    let admin = app.log_in(&app.admin.email, PASSWORD).await;
    admin.post("/v1/me/api-keys", &json!({"name": "bound", "organization_id": app.root})).await.expect(201);
    assert_eq!(actions(&app, &app.root, "action=api-keys").await, ["api-keys:create"]);
}
