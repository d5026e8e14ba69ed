//! An id from elsewhere is not found, whoever asks: also by somebody who may do everything in both places.

use reqwest::Method;
use serde_json::{Value, json};

use super::everything;
use crate::authorization::operation::Operation;
use crate::support::{Answer, App, Caller, PASSWORD, paths, person};

/// One of each thing that an organization has.
struct Things {
    organization: String,
    user: String,
    email: String,
    token: String,
    invitation: String,
    lease: String,
}

impl Things {
    async fn of(app: &App, organization: &str, name: &str) -> Self {
        let member = app.member(organization, &format!("{name}-member")).await;
        let token = app.token(organization, "token", "DEV-somebody's").await;
        let tokens = format!("/v1/organizations/{organization}/qpu-tokens/{token}");
        for quota in [format!("{tokens}/quota"), format!("{tokens}/quota/users/{}", member.id)] {
            app.admin.put(&quota, &json!({"quota": 5})).await.expect(200);
        }
        let body = json!({"email": format!("{name}-invited@example.com"), "given_name": "I", "family_name": "N"});
        let added = app.admin.post(&format!("/v1/organizations/{organization}/users"), &body).await.expect(201);
        let invitation = added["invitation"]["id"].as_str().unwrap().to_owned();
        let made = member.post(&format!("{tokens}/leases"), &json!({})).await.expect(201);
        let lease = made["id"].as_str().unwrap().to_owned();
        Self { organization: organization.to_owned(), user: member.id, email: member.email, token, invitation, lease }
    }

    /// The ways to name one.
    fn names(&self, parameter: &str) -> Vec<&str> {
        match parameter {
            "user" => vec![&self.user, &self.email],
            "token" => vec![&self.token],
            "invitation" => vec![&self.invitation],
            "lease" => vec![&self.lease],
            // No thing of an organization: the roles are the same everywhere.
            "role" => vec![],
            other => panic!("what is {{{other}}}? Say so here"),
        }
    }

    fn name(&self, parameter: &str) -> &str {
        self.names(parameter).first().copied().unwrap_or("admin")
    }
}

/// A body that is good for the operation.
fn body(operation: &Operation) -> Value {
    match operation.path.rsplit('/').find(|segment| !segment.starts_with('{')) {
        _ if !operation.has_body => Value::Null,
        Some("credential") => json!({"credential": {"token": "DEV-stolen"}}),
        Some("leases") => json!({}),
        Some("qpu-tokens") => json!({"name": "renamed"}),
        _ if operation.path.contains("/quota") => json!({"quota": 1}),
        Some("users") => json!({"given_name": "Renamed"}),
        _ => panic!("what does {operation} take? Say so here"),
    }
}

/// Asks for each of the foreign things below the own organization, one foreign name at a time.
async fn look_for(foreign: &Things, own: &Things, caller: &Caller, shared: impl Fn(&str, &str) -> bool) -> usize {
    let mut asked = 0;
    for operation in Operation::all() {
        let Some(rest) = operation.path.strip_prefix("/v1/organizations/{organization}/") else { continue };
        let parameters: Vec<String> = operation.parameters().into_iter().skip(1).collect();
        for parameter in &parameters {
            for name in foreign.names(parameter).into_iter().filter(|_| !shared(rest, parameter)) {
                let mut path = rest.replace(&format!("{{{parameter}}}"), name);
                for other in &parameters {
                    path = path.replace(&format!("{{{other}}}"), own.name(other));
                }
                let path = format!("/v1/organizations/{}/{path}", own.organization);
                let request = caller.request(operation.method.clone(), &path);
                let body = body(&operation);
                let answer = Answer::to(if body.is_null() { request } else { request.json(&body) }).await;
                assert_eq!(answer.status.as_u16(), 404, "{operation}, {parameter} {name}: {}", answer.text);
                asked += 1;
            }
        }
    }
    asked
}

#[tokio::test]
async fn another_organizations_things_are_not_found_under_the_own() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let (own, foreign) = (Things::of(&app, &north, "north").await, Things::of(&app, &south, "south").await);
    let admin = app.member_with_role(&north, "nora", "admin").await;

    let before = everything(&app.database).await;
    let asked = look_for(&foreign, &own, &admin, |_, _| false).await;
    assert!(asked >= 25, "{asked}");
    // Nor does their own address help.
    let answer = admin.get(&format!("/v1/organizations/{south}/qpu-tokens/{}", foreign.token)).await;
    answer.expect_problem(404, "not_found");
    assert_eq!(before, everything(&app.database).await, "something was changed");
}

#[tokio::test]
async fn a_relatives_things_are_not_found_under_the_wrong_one_even_by_the_admin_of_both() {
    let app = App::start().await;
    let above = app.organization(&app.root, "Above").await;
    let below = app.organization(&above, "Below").await;
    let (upper, lower) = (Things::of(&app, &above, "upper").await, Things::of(&app, &below, "lower").await);
    let admin = app.member_with_role(&above, "ada", "admin").await;
    let added = app.admin.post(&paths::users(&below), &person("ada@example.com")).await.expect(201);
    app.accept(&added, PASSWORD).await.expect(200);

    let before = everything(&app.database).await;
    look_for(&upper, &lower, &admin, |_, _| false).await;
    // Who is below may use what is inherited, and so have a limit on it.
    look_for(&lower, &upper, &admin, |path, parameter| path.contains("/quota/") && parameter == "user").await;
    assert_eq!(before, everything(&app.database).await, "something was changed");
}

#[tokio::test]
async fn other_peoples_own_things_are_not_found() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let (mia, otto) = (app.member(&lab, "mia").await, app.member_with_role(&lab, "otto", "admin").await);
    let token = json!({"name": "hers", "provider": "dwave", "credential": {"token": "DEV-hers"}});
    let token = mia.post("/v1/me/qpu-tokens", &token).await.expect(201)["id"].clone();
    let key = mia.post("/v1/me/api-keys", &json!({"name": "hers"})).await.expect(201)["id"].clone();
    let session = mia.get("/v1/sessions").await.expect(200)["items"][0]["id"].clone();

    let before = everything(&app.database).await;
    let mut asked = 0;
    for operation in Operation::all() {
        let own = operation.path.starts_with("/v1/me/") || operation.path.starts_with("/v1/sessions/");
        let Some(parameter) = operation.parameters().pop().filter(|_| own) else { continue };
        let id = match parameter.as_str() {
            "token" => &token,
            "api_key" => &key,
            "session" => &session,
            other => panic!("what is {{{other}}}? Say so here"),
        };
        let path = operation.path.replace(&format!("{{{parameter}}}"), id.as_str().unwrap());
        let request = otto.request(operation.method.clone(), &path);
        let body = body(&operation);
        let answer = Answer::to(if body.is_null() { request } else { request.json(&body) }).await;
        assert_eq!(answer.status.as_u16(), 404, "{operation}: {}", answer.text);
        asked += 1;
    }
    assert!(asked >= 6, "{asked}");
    // A personal token is nobody else's under any organization either.
    let path = format!("/v1/organizations/{lab}/qpu-tokens/{}", token.as_str().unwrap());
    for method in [Method::GET, Method::DELETE] {
        Answer::to(otto.request(method, &path)).await.expect_problem(404, "not_found");
    }
    assert_eq!(before, everything(&app.database).await, "something was changed");
}
