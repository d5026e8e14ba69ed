//! Logging in, going on, logging out.

use std::collections::HashSet;

use chrono::TimeDelta;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::{App, Caller, PASSWORD};

async fn log_in(app: &App) -> Value {
    let body = json!({"email": "ROOT@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &body).await.expect(200)
}

async fn refresh(app: &App, tokens: &Value) -> crate::support::Answer {
    let body = json!({"refresh_token": tokens["refresh_token"]});
    app.anonymous().post("/v1/sessions/refresh", &body).await
}

fn caller(app: &App, tokens: &Value) -> Caller {
    Caller::with_access_token(&app.base_url, tokens["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn a_login_gives_tokens_and_a_wrong_one_does_not_say_what_was_wrong() {
    let app = App::start().await;
    let tokens = log_in(&app).await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(caller(&app, &tokens).get("/v1/me").await.expect(200)["email"], "root@example.com");

    let attempt = async |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        app.anonymous().post("/v1/sessions", &body).await.expect_problem(401, "invalid_credentials")
    };
    assert_eq!(attempt("root@example.com", "wrong").await, attempt("nobody@example.com", PASSWORD).await);
}

#[tokio::test]
async fn an_access_token_is_verified_with_the_published_keys() {
    let app = App::start().await;
    let tokens = log_in(&app).await;
    let token = tokens["access_token"].as_str().unwrap();
    let published = app.anonymous().get("/.well-known/jwks.json").await.expect(200);
    assert!(!published.to_string().contains("\"d\""), "no private half: {published}");

    let keys: JwkSet = serde_json::from_value(published).unwrap();
    let key = keys.find(&decode_header(token).unwrap().kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["luna-organizations"]);
    validation.set_issuer(&["http://luna.example.com"]);
    let claims = decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims;
    assert_eq!(claims["sub"], app.admin.id);

    // Another replica signs with the same key and takes the same tokens.
    let replica = app.replica().await;
    caller(&app, &tokens).at(&replica).get("/v1/me").await.expect(200);
    let forged = format!("{}x", &token[..token.len() - 1]);
    let forged = Caller::with_access_token(&app.base_url, &forged).get("/v1/me").await;
    forged.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn refreshing_goes_on_with_the_session_and_rotates_the_token() {
    let app = App::start().await;
    let first = log_in(&app).await;
    let second = refresh(&app, &first).await.expect(200);
    let third = refresh(&app, &second).await.expect(200);
    let different: HashSet<_> =
        [&first, &second, &third].iter().map(|tokens| tokens["refresh_token"].as_str().unwrap()).collect();
    assert_eq!(different.len(), 3);
    // One session, whose access tokens all count until they expire.
    let sessions = caller(&app, &third).get("/v1/sessions").await.expect(200);
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    caller(&app, &first).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session_for_both() {
    let app = App::start().await;
    let first = log_in(&app).await;
    let second = refresh(&app, &first).await.expect(200);

    refresh(&app, &first).await.expect_problem(401, "unauthenticated");
    refresh(&app, &second).await.expect_problem(401, "unauthenticated");
    caller(&app, &second).get("/v1/me").await.expect_problem(401, "unauthenticated");

    let path = format!("/v1/organizations/{}/audit-events?action=sessions:refresh", app.root);
    let newest = &app.admin.get(&path).await.expect(200)["items"][0];
    assert_eq!((&newest["outcome"], &newest["actor_id"]), (&json!("refused"), &json!(app.admin.id)));
}

#[tokio::test]
async fn access_tokens_expire_soon_and_sessions_later() {
    let app = App::start().await;
    let tokens = log_in(&app).await;
    app.clock.advance(TimeDelta::minutes(16));
    caller(&app, &tokens).get("/v1/me").await.expect_problem(401, "unauthenticated");
    let tokens = refresh(&app, &tokens).await.expect(200);
    caller(&app, &tokens).get("/v1/me").await.expect(200);

    app.clock.advance(TimeDelta::days(30));
    refresh(&app, &tokens).await.expect_problem(401, "unauthenticated");
    caller(&app, &log_in(&app).await).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let app = App::start().await;
    let (here, there) = (log_in(&app).await, log_in(&app).await);
    let (here, there_tokens) = (caller(&app, &here), there);
    let there = caller(&app, &there_tokens);

    let sessions = here.get("/v1/sessions").await.expect(200)["items"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["address"], "127.0.0.1");
    assert_eq!([&sessions[0]["current"], &sessions[1]["current"]], [&json!(true), &json!(false)]);
    let other = format!("/v1/sessions/{}", sessions[1]["id"].as_str().unwrap());

    // Somebody else's session is not found.
    let ada = app.member(&app.root, "ada").await;
    ada.delete(&other).await.expect_problem(404, "not_found");

    here.delete(&other).await.expect(204);
    there.get("/v1/me").await.expect_problem(401, "unauthenticated");
    refresh(&app, &there_tokens).await.expect_problem(401, "unauthenticated");

    here.delete("/v1/sessions/current").await.expect(204);
    here.get("/v1/me").await.expect_problem(401, "unauthenticated");
}
