//! As [`super::request`], for the Luna SDK wire. Its paths name no organization, so a header does: everybody means Acme.

use reqwest::Method;
use serde_json::{Value, json};

use super::operation::Operation;
use super::request::{About, Content, NOTHING, Request};
use super::world::{INHERITED, Kind, UNINHERITED, World};
use crate::support::PASSWORD;

/// The request of one cell.
pub async fn request(world: &World, kind: &Kind, operation: &Operation, about: About) -> Request {
    let (id, name) = token(world, kind, operation, about).await;
    let user = if about == About::Oneself { &kind.account.email } else { &world.subject.email };
    let path = operation.path.replace("{name}", &name).replace("{token}", &id).replace("{user}", user);
    if path.contains("/quota/") && operation.method != Method::POST {
        put_quota(world, &id, path.contains("/user/").then_some(user)).await;
    }
    let organization = Some(world.organization.clone());
    Request { method: operation.method.clone(), path, content: content(world, kind, operation), organization }
}

/// Id and name of the token that the path names, if it names one.
async fn token(world: &World, kind: &Kind, operation: &Operation, about: About) -> (String, String) {
    let path = &operation.path;
    if operation.parameters().is_empty() {
        return (String::new(), String::new());
    }
    if path.contains("/private/") || path.contains("/users/") {
        return own_token(world, kind).await;
    }
    match (about, operation.method == Method::GET) {
        (About::Uninherited, _) => (world.uninherited_token.clone(), UNINHERITED.to_owned()),
        (_, true) => (world.token.clone(), INHERITED.to_owned()),
        (_, false) => world.new_named_token().await,
    }
}

async fn own_token(world: &World, kind: &Kind) -> (String, String) {
    let name = world.word();
    let body = json!({"name": name, "provider": "dwave", "credential": {"token": "DEV-throw-away"}});
    let made = kind.account.post("/v1/me/qpu-tokens", &body).await;
    let id = made.json()["id"].as_str().unwrap_or(NOTHING).to_owned();
    (id, name)
}

/// A limit to be seen, changed or lifted. The limit of somebody who may not use the token cannot be set.
async fn put_quota(world: &World, token: &str, user: Option<&String>) {
    let quota = format!("/v1/organizations/{}/qpu-tokens/{token}/quota", world.organization);
    let quota = user.map_or_else(|| quota.clone(), |user| format!("{quota}/users/{user}"));
    let answer = world.app.admin.put(&quota, &json!({"quota": 5})).await;
    assert!([200, 404].contains(&answer.status.as_u16()), "{}", answer.text);
}

fn content(world: &World, kind: &Kind, operation: &Operation) -> Content {
    let path = operation.path.as_str();
    match operation.method.as_str() {
        "GET" | "DELETE" => Content::Nothing,
        "POST" if path == "/accessToken" => {
            let password = PASSWORD.replace(' ', "+");
            Content::Form(format!("username={}&password={password}", kind.login.email))
        }
        "POST" | "PATCH" if path.contains("/quota/") => Content::Json(json!({"quota": 7})),
        "POST" => Content::Json(json!({"name": world.word(), "provider": "dwave", "token": "DEV-throw-away"})),
        "PUT" | "PATCH" => Content::Json(json!({"name": world.word()})),
        _ => Content::Json(Value::Null),
    }
}
