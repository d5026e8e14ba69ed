//! The Luna SDK wire where the SDKs themselves cannot look: who sees what, and every refusal in the right words.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, Caller};

const MOUNTS: [&str; 3] = ["/luna-solve/api/v1", "/luna-q/api/v1", "/api/v1"];

/// Every route of the generations with a key.
fn routes_of_key() -> Vec<(Method, String)> {
    let (get, post, change, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let mut routes = vec![(get.clone(), "/users/me".to_owned()), (get.clone(), "/qpu-tokens".to_owned())];
    for kind in ["private", "shared"] {
        routes.extend([get.clone(), post.clone()].map(|method| (method, format!("/qpu-tokens/{kind}"))));
        let one = format!("/qpu-tokens/{kind}/name");
        routes.extend([get.clone(), change.clone(), delete.clone()].map(|method| (method, one.clone())));
    }
    for quota in ["group/name", "user/name/ada@example.com"] {
        let path = format!("/qpu-tokens/shared/quota/{quota}");
        let methods = [get.clone(), post.clone(), change.clone(), delete.clone()];
        routes.extend(methods.map(|method| (method, path.clone())));
    }
    MOUNTS.iter().flat_map(|mount| routes.iter().map(move |(m, path)| (m.clone(), format!("{mount}{path}")))).collect()
}

/// Every route of the generation with a password, but its log-in.
fn routes_of_login() -> Vec<(Method, String)> {
    let mut routes = vec![(Method::GET, "/api/qpu-tokens".to_owned())];
    for kind in ["users", "organization"] {
        let one = format!("/api/qpu-tokens/{kind}/{}", uuid::Uuid::now_v7());
        routes.push((Method::POST, format!("/api/qpu-tokens/{kind}")));
        routes.push((Method::GET, format!("/api/qpu-tokens/{kind}/by_name/name")));
        routes.extend([Method::PUT, Method::DELETE].map(|method| (method, one.clone())));
    }
    routes
}

fn members(body: &Value) -> Vec<&str> {
    body.as_object().into_iter().flat_map(|object| object.keys()).map(String::as_str).collect()
}

async fn at(caller: &Caller, organization: &str, path: &str) -> Answer {
    Answer::to(caller.request(Method::GET, path).header("luna-organization", organization)).await
}

/// What a caller's list says of the limits on the token of this provider: the organization's, and how many users'.
async fn limits(caller: &Caller, provider: &str) -> (Value, Value) {
    let list = caller.get(&format!("/api/v1/qpu-tokens?filter_provider={provider}")).await.expect(200);
    let token = &list["shared"][0];
    (token["group_time_quota"]["quota"].clone(), token["user_time_quota"].clone())
}

#[tokio::test]
async fn nothing_is_open_but_the_log_in() {
    let app = App::start().await;
    let damaged = Caller::with_api_key(&app.base_url, "luna_x_y_z");
    for caller in [app.anonymous(), damaged] {
        for (method, path) in routes_of_key() {
            let refused = Answer::to(caller.request(method.clone(), &path)).await.expect(401);
            assert_eq!(
                members(&refused),
                ["detail"],
                "{method} {path}: the SDK must not take this for its error object"
            );
        }
        for (method, path) in routes_of_login() {
            let refused = Answer::to(caller.request(method.clone(), &path)).await.expect(401);
            assert_eq!(members(&refused), ["internal_code", "message"], "{method} {path}");
        }
    }
    let form = app.anonymous().request(Method::POST, "/accessToken").body("username=x%40example.com&password=x");
    assert_eq!(Answer::to(form).await.expect(401)["internal_code"], "invalid_credentials");
}

#[tokio::test]
async fn every_refusal_is_in_the_sdks_words() {
    let app = App::start().await;
    for (path, status) in [
        ("/api/v1/nothing/here", 404),
        ("/api/v1/qpu-tokens/shared/%ff", 404),
        ("/api/v1/qpu-tokens/shared/%00", 404),
        ("/api/v1/qpu-tokens?limit=0", 422),
        ("/api/v1/qpu-tokens?limit=99999999999999999999", 422),
        ("/api/v1/qpu-tokens?offset=-1", 422),
        ("/api/v1/qpu-tokens?offset=1000001", 422),
        ("/api/v1/qpu-tokens?token_type=group", 422),
        ("/accessToken", 405),
    ] {
        let refused = app.admin.get(path).await.expect(status);
        assert_eq!(members(&refused), ["internal_code", "message"], "{path}");
    }
    let named = at(&app.admin, "nonsense", "/api/v1/qpu-tokens").await.expect(404);
    assert_eq!(named["internal_code"], "not_found");
}

#[tokio::test]
async fn bad_bodies_are_refused_in_the_sdks_words() {
    let app = App::start().await;
    let (huge, deep) = ("x".repeat(300_000), "[".repeat(50_000));
    let token = |name: &str| format!(r#"{{"name": {name}, "provider": "dwave", "token": "secret"}}"#);
    let bodies = [
        (String::new(), 400),
        (r#"{"name": "n", "provider": "dwa"#.to_owned(), 400),
        (deep, 400),
        ("\u{0}".to_owned(), 400),
        ("null".to_owned(), 422),
        ("[]".to_owned(), 422),
        ("{}".to_owned(), 422),
        (token("7"), 422),
        (token("null"), 422),
        (token(r#""""#), 422),
        (token(r#""a\u0000b""#), 422),
        (token(r#""\u202eabc""#), 422),
        (token(&format!("{:?}", "ü".repeat(201))), 422),
        (r#"{"name": "n", "provider": "nobody", "token": "secret"}"#.to_owned(), 422),
        (r#"{"name": "n", "provider": "dwave", "token": "two\r\nlines"}"#.to_owned(), 422),
        (huge, 413),
    ];
    for (body, status) in &bodies {
        for path in ["/api/qpu-tokens/organization", "/api/v1/qpu-tokens/private", "/luna-q/api/v1/qpu-tokens/shared"] {
            let request = app.admin.request(Method::POST, path).body(body.clone());
            let refused = Answer::to(request).await.expect(*status);
            assert_eq!(members(&refused), ["internal_code", "message"], "{path}");
        }
    }
    app.token(&app.root, "limited", "secret").await;
    for quota in ["-1", "9223372036854775808", "1.5", r#""1""#, "null"] {
        let body = format!(r#"{{"quota": {quota}}}"#);
        let request = app.admin.request(Method::POST, "/api/v1/qpu-tokens/shared/quota/group/limited").body(body);
        Answer::to(request).await.expect(422);
    }
    for form in ["", "username=a", "username=%00&password=x", "password=x&password=y&username=z"] {
        let answer = Answer::to(app.anonymous().request(Method::POST, "/accessToken").body(form)).await;
        assert!(matches!(answer.status.as_u16(), 401 | 422), "{form}: {}", answer.text);
    }
}

#[tokio::test]
async fn inherited_tokens_are_used_but_never_changed() {
    let app = App::start().await;
    let child = app.organization(&app.root, "Child").await;
    let member = app.member(&child, "member").await;
    let admin = app.member_with_role(&child, "admin", "admin").await;
    let outsider = app.member(&app.root, "outsider").await;
    let token = |provider: &str| json!({"name": "Zürich / 1", "provider": provider, "token": "secret"});
    let (all, one) = ("/api/v1/qpu-tokens/shared", "/api/v1/qpu-tokens/shared/Z%C3%BCrich%20%2F%201");

    app.admin.post(all, &token("dwave")).await.expect(201);
    assert_eq!(member.get(one).await.expect(200), json!({"name": "Zürich / 1", "provider": "dwave"}));
    app.admin.get(one).await.expect(200);
    admin.delete(one).await.expect(404);
    admin.patch(one, &json!({"name": "taken"})).await.expect(404);

    admin.post(all, &token("ibm")).await.expect(201);
    assert_eq!(member.get(one).await.expect(200)["provider"], "ibm", "the organization's own comes first");
    assert_eq!(at(&member, &app.root, one).await.expect(200)["provider"], "dwave");
    assert_eq!(at(&app.admin, &child, one).await.expect(200)["provider"], "ibm");
    at(&outsider, &child, one).await.expect(404);
    assert_eq!(member.get("/api/v1/qpu-tokens").await.expect(200)["shared"].as_array().map(Vec::len), Some(2));
    member.delete(one).await.expect(403);
}

#[tokio::test]
async fn a_list_shows_each_caller_the_limits_that_are_theirs_to_know() {
    let app = App::start().await;
    let child = app.organization(&app.root, "Child").await;
    let member = app.member(&child, "member").await;
    let admin = app.member_with_role(&child, "admin", "admin").await;
    let quota = "/api/v1/qpu-tokens/shared/quota";
    for (owner, provider) in [(&app.admin, "dwave"), (&admin, "ibm")] {
        let token = json!({"name": provider, "provider": provider, "token": "secret"});
        owner.post("/api/v1/qpu-tokens/shared", &token).await.expect(201);
        for path in [format!("group/{provider}"), format!("user/{provider}/{}", member.email)] {
            owner.post(&format!("{quota}/{path}"), &json!({"quota": 7})).await.expect(201);
        }
    }
    let member_id = member.id.parse::<uuid::Uuid>().unwrap().as_u128().to_string();
    let users = |limits: &Value| limits.as_object().map(|users| users.keys().cloned().collect::<Vec<_>>());
    let (group, user) = limits(&admin, "ibm").await;
    assert_eq!((group, users(&user)), (json!(7), Some(vec![member_id.clone()])), "an admin, of the own token");
    let (group, user) = limits(&admin, "dwave").await;
    assert_eq!((group, users(&user)), (Value::Null, None), "an admin, of one that is inherited");
    for provider in ["ibm", "dwave"] {
        let (group, user) = limits(&member, provider).await;
        assert_eq!((group, users(&user)), (Value::Null, Some(vec![member_id.clone()])), "a member, of {provider}");
    }
    member.get(&format!("{quota}/group/ibm")).await.expect(403);
    member.get(&format!("{quota}/user/ibm/{}", admin.email)).await.expect(403);
    assert_eq!(member.get(&format!("{quota}/user/ibm/{}", member.email)).await.expect(200)["quota"], 7);

    let key = json!({"name": "notebook", "scope": "use", "organization_id": child});
    let key = member.post("/v1/me/api-keys", &key).await.expect(201);
    let text = key.as_object().unwrap().values().filter_map(Value::as_str).find(|text| text.starts_with("luna_"));
    let key = Caller::with_api_key(&app.base_url, text.unwrap());
    assert_eq!(limits(&key, "ibm").await, (Value::Null, Value::Null), "a key of scope `use`");
    assert_eq!(key.get("/api/v1/qpu-tokens").await.expect(200)["private"], json!([]), "a key bound to an organization");
    key.get("/api/v1/qpu-tokens?token_type=private").await.expect(403);
}

/// The SDK refuses members that it does not know: what is promised to jobs is not told here.
#[tokio::test]
async fn a_quota_has_the_sdks_members_and_no_others() {
    let app = App::start().await;
    app.token(&app.root, "one", "secret").await;
    let quota = "/api/v1/qpu-tokens/shared/quota/group/one";
    let exact = ["end", "quota", "quota_used", "start"];
    assert_eq!(members(&app.admin.post(quota, &json!({"quota": 5})).await.expect(201)), exact);
    assert_eq!(members(&app.admin.patch(quota, &json!({"quota": 6})).await.expect(200)), exact);
    assert_eq!(members(&app.admin.get(quota).await.expect(200)), exact);
    let of_user = "/api/v1/qpu-tokens/shared/quota/user/one/root@example.com";
    app.admin.post(of_user, &json!({"quota": 5})).await.expect(201);
    assert_eq!(members(&app.admin.get(of_user).await.expect(200)), exact);
    let listed = app.admin.get("/api/v1/qpu-tokens").await.expect(200);
    let token = &listed["shared"][0];
    assert_eq!(members(token), ["group_time_quota", "name", "provider", "user_time_quota"]);
    assert_eq!(members(&token["group_time_quota"]), exact);
    for quota in token["user_time_quota"].as_object().unwrap().values() {
        assert_eq!(members(quota), exact);
    }
}
