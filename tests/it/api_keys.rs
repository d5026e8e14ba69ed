//! API keys: shown once, good for what their scope says, dead when they should be.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{App, Caller, dwave, each, paths, person};

/// Somebody with a login, and a key of that person.
async fn key(app: &App, owner: &Caller, body: Value) -> (Value, Caller) {
    let made = owner.post("/v1/me/api-keys", &body).await.expect(201);
    let caller = Caller::with_api_key(&app.base_url, made["api_key"].as_str().unwrap());
    (made, caller)
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_digest() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let (made, caller) = key(&app, &ada, json!({"name": "notebook"})).await;
    let text = made["api_key"].as_str().unwrap();
    assert_eq!((&made["scope"], &made["last_used_at"]), (&json!("full"), &Value::Null));
    caller.get("/v1/me").await.expect(200);
    // As a bearer token just as well.
    Caller::with_access_token(&app.base_url, text).get("/v1/me").await.expect(200);

    let listed = ada.get("/v1/me/api-keys").await.expect(200);
    assert_eq!(each(&listed, "name"), ["notebook"]);
    assert!(!listed.to_string().contains(text.rsplit('_').nth(1).unwrap()));
    assert!(listed["items"][0]["last_used_at"].is_string(), "{listed}");
}

#[tokio::test]
async fn the_time_of_last_use_is_kept_to_about_ten_minutes() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let (_, caller) = key(&app, &ada, json!({"name": "notebook"})).await;
    let used = async || {
        caller.get("/v1/roles").await.expect(200);
        sqlx::query_scalar::<_, chrono::DateTime<chrono::Utc>>(
            "SELECT last_used_at FROM api_keys WHERE name = 'notebook'",
        )
        .fetch_one(&app.database)
        .await
        .unwrap()
    };
    let first = used().await;
    assert_eq!(used().await, first, "not worth a write");
    app.clock.advance(TimeDelta::minutes(11));
    assert!(used().await > first);
}

#[tokio::test]
async fn a_key_never_manages_keys_or_sessions() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let (made, caller) = key(&app, &ada, json!({"name": "notebook"})).await;
    let own = format!("/v1/me/api-keys/{}", made["id"].as_str().unwrap());
    caller.post("/v1/me/api-keys", &json!({"name": "child"})).await.expect_problem(403, "session_required");
    caller.get("/v1/me/api-keys").await.expect_problem(403, "session_required");
    caller.delete(&own).await.expect_problem(403, "session_required");
    caller.get("/v1/sessions").await.expect_problem(403, "session_required");

    // Somebody else's key is not found; the owner ends it with effect on the next request.
    let login = app.log_in("root@example.com", crate::support::PASSWORD).await;
    login.delete(&own).await.expect_problem(404, "not_found");
    ada.delete(&own).await.expect(204);
    caller.get("/v1/me").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_scope_is_a_ceiling() {
    let app = App::start().await;
    let ada = app.member_with_role(&app.root, "ada", "admin").await;
    let (_, read) = key(&app, &ada, json!({"name": "read", "scope": "read"})).await;
    let (_, usage) = key(&app, &ada, json!({"name": "use", "scope": "use"})).await;
    let (_, full) = key(&app, &ada, json!({"name": "full", "scope": "full"})).await;

    for caller in [&read, &full] {
        caller.get(&paths::users(&app.root)).await.expect(200);
    }
    usage.get(&paths::users(&app.root)).await.expect_problem(403, "insufficient_scope");
    for caller in [&read, &usage, &full] {
        caller.get(&paths::tokens(&app.root)).await.expect(200);
    }
    for caller in [&read, &usage] {
        caller
            .post(&paths::users(&app.root), &person("eve@example.com"))
            .await
            .expect_problem(403, "insufficient_scope");
        caller.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect_problem(403, "insufficient_scope");
        caller.patch("/v1/me", &json!({"given_name": "Eve"})).await.expect_problem(403, "insufficient_scope");
    }
    full.post(&paths::users(&app.root), &person("eve@example.com")).await.expect(201);
}

#[tokio::test]
async fn a_key_expires() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let tomorrow = app.clock.now() + TimeDelta::days(1);
    let (_, caller) = key(&app, &ada, json!({"name": "short", "expires_at": tomorrow})).await;
    caller.get("/v1/me").await.expect(200);
    app.clock.advance(TimeDelta::days(1));
    caller.get("/v1/me").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_bound_key_works_in_its_organization_only() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let login = app.log_in("root@example.com", crate::support::PASSWORD).await;
    let (_, bound) = key(&app, &login, json!({"name": "north", "organization_id": north})).await;

    bound.post(&paths::tokens(&north), &dwave("north")).await.expect(201);
    for elsewhere in [&app.root, &south] {
        bound.get(&paths::organization(elsewhere)).await.expect_problem(404, "not_found");
    }
    assert_eq!(each(&bound.get("/v1/organizations").await.expect(200), "id"), [&north]);
    bound.get("/v1/me/qpu-tokens").await.expect_problem(403, "key_is_bound");

    // It cannot be bound to what its owner may not see.
    let ada = app.member(&north, "ada").await;
    let body = json!({"name": "south", "organization_id": south});
    ada.post("/v1/me/api-keys", &body).await.expect_problem(404, "not_found");

    // And it ends with the organization.
    app.admin.delete(&paths::organization(&north)).await.expect(204);
    bound.get("/v1/me").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_that_is_not_quite_right_is_no_key() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let (made, _) = key(&app, &ada, json!({"name": "one"})).await;
    let (other, _) = key(&app, &ada, json!({"name": "two"})).await;
    let (one, two) = (made["api_key"].as_str().unwrap(), other["api_key"].as_str().unwrap());
    let cut = &one[..one.len() - 1];
    for text in [cut, "luna_", "nonsense", ""] {
        let answer = Caller::with_api_key(&app.base_url, text).get("/v1/me").await;
        answer.expect_problem(401, "unauthenticated");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    // Two different credentials at once are none.
    let request = Caller::with_api_key(&app.base_url, one).request(reqwest::Method::GET, "/v1/me").bearer_auth(two);
    crate::support::Answer::to(request).await.expect_problem(401, "unauthenticated");
}
