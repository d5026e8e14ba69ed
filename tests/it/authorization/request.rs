//! For each operation a request that is good in everything but, perhaps, who sends it. What it would change is made for
//! it, so that no cell of the table sees what another one did.

use reqwest::Method;
use serde_json::{Value, json};

use super::operation::Operation;
use super::world::{Kind, World, new_user};
use crate::support::{Answer, Caller, PASSWORD};

/// The id of nothing: for those whom the question does not come to.
pub const NOTHING: &str = "01900000-0000-7000-8000-000000000000";

pub struct Request {
    pub method: Method,
    pub path: String,
    pub content: Content,
    /// For the `Luna-Organization` header.
    pub organization: Option<String>,
}

pub enum Content {
    Nothing,
    Json(Value),
    Form(String),
}

impl Request {
    /// The answer that the caller gets.
    pub async fn sent_by(self, caller: &Caller) -> Answer {
        let request = caller.request(self.method, &self.path);
        let request = match self.organization {
            None => request,
            Some(id) => request.header("luna-organization", id),
        };
        Answer::to(match self.content {
            Content::Nothing => request,
            Content::Json(body) => request.json(&body),
            Content::Form(body) => request.header("content-type", "application/x-www-form-urlencoded").body(body),
        })
        .await
    }
}

/// What a row is about, where an operation has more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Anything,
    /// `{user}` is the caller.
    Oneself,
    /// `{token}` is not inherited by organizations below.
    Uninherited,
    /// `{role}` is `solver`.
    Solver,
}

impl About {
    /// The rows of an operation.
    pub fn rows(operation: &Operation) -> Vec<Self> {
        match (operation.method.as_str(), operation.path.as_str()) {
            ("GET", path) if path.ends_with("/{user}") => vec![Self::Anything, Self::Oneself],
            ("GET", "/v1/organizations/{organization}/qpu-tokens/{token}" | "/api/v1/qpu-tokens/shared/{name}") => {
                vec![Self::Anything, Self::Uninherited]
            }
            ("POST", path) if path.ends_with("/leases") => vec![Self::Anything, Self::Uninherited],
            ("PUT", path) if path.ends_with("/roles/{role}") => vec![Self::Anything, Self::Solver],
            _ => vec![Self::Anything],
        }
    }

    /// At the end of the row.
    pub fn remark(self) -> &'static str {
        match self {
            Self::Anything => "",
            Self::Oneself => "about oneself",
            Self::Uninherited => "a token that is not inherited",
            Self::Solver => "the solver role",
        }
    }
}

/// The request of one cell.
pub async fn request(world: &World, kind: &Kind, operation: &Operation, about: About) -> Request {
    let cell = Cell { world, kind, operation, about };
    let mut path = operation.path.clone();
    for parameter in operation.parameters() {
        path = path.replace(&format!("{{{parameter}}}"), &cell.parameter(&parameter).await);
    }
    cell.put_quota(&path).await;
    let content = if operation.has_body { Content::Json(cell.body().await) } else { Content::Nothing };
    Request { method: operation.method.clone(), path, content, organization: None }
}

struct Cell<'a> {
    world: &'a World,
    kind: &'a Kind,
    operation: &'a Operation,
    about: About,
}

impl Cell<'_> {
    fn deletes(&self, what: &str) -> bool {
        self.operation.method == Method::DELETE && self.operation.path.ends_with(what)
    }

    /// Something for a parameter of the path to name.
    async fn parameter(&self, name: &str) -> String {
        let Self { world, kind, operation, about } = self;
        match name {
            "organization" if self.deletes("{organization}") => world.another_organization(kind).await,
            "organization" => world.organization.clone(),
            "user" if *about == About::Oneself => kind.account.id.clone(),
            "user" if operation.path.contains("/roles/") => self.user_for_roles().await,
            "user" if self.deletes("{organization}/users/{user}") => text(&world.added().await, "/id"),
            "user" => world.subject.id.clone(),
            "role" if *about == About::Solver => "solver".to_owned(),
            "role" => "admin".to_owned(),
            "invitation" => text(&world.added().await, "/invitation/id"),
            "token" if operation.path.starts_with("/v1/me/") => self.own("/v1/me/qpu-tokens", &self.new_token()).await,
            "token" if *about == About::Uninherited => world.uninherited_token.clone(),
            "token" if operation.method == Method::GET || operation.path.contains("/leases") => world.token.clone(),
            "lease" if operation.path.ends_with("/usage") => self.redeemed_lease().await,
            "lease" => text(&world.lease().await, "/id"),
            "token" => world.new_token().await,
            "api_key" => self.own("/v1/me/api-keys", &json!({"name": world.word()})).await,
            "session" => self.own_session().await,
            other => panic!("what does {{{other}}} name in {operation}? Say so here"),
        }
    }

    /// A body that is accepted from those who may send it.
    async fn body(&self) -> Value {
        let Self { world, kind, operation, .. } = self;
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        let collection = path.rsplit('/').next().unwrap_or_default();
        match (method, path) {
            ("POST", "/v1/sessions") => json!({"email": kind.login.email, "password": PASSWORD}),
            ("POST", "/v1/sessions/refresh") => json!({"refresh_token": self.refresh_token().await}),
            ("POST", "/v1/invitations/accept") => {
                json!({"token": text(&world.added().await, "/invitation/token"), "password": PASSWORD})
            }
            ("PATCH", "/v1/me" | "/v1/organizations/{organization}/users/{user}") => json!({"given_name": "Renamed"}),
            ("PUT", "/v1/me/password") => json!({"current_password": PASSWORD, "new_password": PASSWORD}),
            // Not below Acme: who creates one is its first member.
            ("POST", "/v1/organizations") => {
                json!({"name": world.word(), "parent_id": world.another_organization(kind).await})
            }
            ("POST", "/v1/me/api-keys")
            | (
                "PATCH",
                "/v1/organizations/{organization}"
                | "/v1/organizations/{organization}/qpu-tokens/{token}"
                | "/v1/me/qpu-tokens/{token}",
            ) => json!({"name": world.word()}),
            ("POST", "/v1/organizations/{organization}/users") => new_user(&world.word()),
            ("POST", _) if collection == "qpu-tokens" => self.new_token(),
            ("PUT", _) if path.ends_with("/qpu-tokens/{token}/credential") => json!({"credential": {"token": "DEV-2"}}),
            ("POST", "/v1/leases/redeem") => json!({"lease": text(&world.lease().await, "/lease")}),
            ("POST", "/v1/leases/{lease}/usage") => json!({"used": 1}),
            ("POST", _) if collection == "leases" => json!({}),
            ("PUT" | "PATCH", _) if path.contains("/quota") => json!({"quota": 7}),
            _ => panic!("what does {operation} take? Say so here"),
        }
    }

    fn new_token(&self) -> Value {
        json!({"name": self.world.word(), "provider": "dwave", "credential": {"token": "DEV-throw-away"}})
    }

    /// The id of a lease of the subject's that the solver has redeemed.
    async fn redeemed_lease(&self) -> String {
        let made = self.world.lease().await;
        let solver = self.world.callers.iter().find(|kind| kind.heading == ["root", "solver"]).unwrap();
        solver.caller.post("/v1/leases/redeem", &json!({"lease": made["lease"]})).await.expect(200);
        text(&made, "/id")
    }

    /// Somebody new, who has the role already if it is to be taken.
    async fn user_for_roles(&self) -> String {
        let user = text(&self.world.added().await, "/id");
        if self.operation.method == Method::DELETE {
            let path = format!("/v1/organizations/{}/users/{user}/roles/admin", self.world.organization);
            self.world.app.admin.put(&path, &Value::Null).await.expect(200);
        }
        user
    }

    /// A limit to be seen, changed or lifted. The limit of somebody who may not use the token cannot be set.
    async fn put_quota(&self, path: &str) {
        if path.contains("/quota") {
            let answer = self.world.app.admin.put(path, &json!({"quota": 5})).await;
            assert!([200, 404].contains(&answer.status.as_u16()), "{}", answer.text);
        }
    }

    /// The id of something new of the account's own.
    async fn own(&self, collection: &str, wanted: &Value) -> String {
        let made = self.kind.account.post(collection, wanted).await;
        match made.status.as_u16() {
            401 => NOTHING.to_owned(),
            _ => text(&made.expect(201), "/id"),
        }
    }

    /// A new login of the account's own.
    async fn own_session(&self) -> String {
        let before = self.own_sessions().await;
        let _ = self.refresh_token().await;
        let after = self.own_sessions().await;
        after.into_iter().find(|id| !before.contains(id)).unwrap_or_else(|| NOTHING.to_owned())
    }

    async fn own_sessions(&self) -> Vec<String> {
        let listed = self.kind.account.get("/v1/sessions?limit=200").await.json();
        let items = listed["items"].as_array().into_iter().flatten();
        items.map(|session| text(session, "/id")).collect()
    }

    /// That of a new login, where one is possible.
    async fn refresh_token(&self) -> String {
        if let Some(held) = &self.kind.login.refresh_token {
            return held.clone();
        }
        let credentials = json!({"email": self.kind.login.email, "password": PASSWORD});
        let tokens = self.world.app.anonymous().post("/v1/sessions", &credentials).await.expect(200);
        text(&tokens, "/refresh_token")
    }
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{pointer} is a text in {value}")).to_owned()
}
