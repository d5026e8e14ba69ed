//! An organization with its relatives, and one of each kind of caller.
//!
//! ```text
//! Platform ─ Above ─┬─ Acme ─── Lab
//!                   └─ Beside
//! ```
//!
//! Everything is asked about Acme. Its creator, the first admin of the platform, made it all and is none of the callers:
//! each of them stands to Acme in one way only.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::support::{App, Caller, PASSWORD};

/// The names of Acme's tokens.
pub const INHERITED: &str = "inherited";
pub const UNINHERITED: &str = "not-inherited";

pub struct World {
    pub app: App,
    above: String,
    /// Acme.
    pub organization: String,
    /// A token of Acme that those below inherit.
    pub token: String,
    /// A token of Acme that they do not.
    pub uninherited_token: String,
    /// A member of Acme to whom things are done.
    pub subject: Caller,
    /// In the order of the table's columns.
    pub callers: Vec<Kind>,
    serial: AtomicU32,
}

/// A kind of caller: a column of the table.
pub struct Kind {
    /// Its heading, in two lines.
    pub heading: [&'static str; 2],
    /// With the credential that this column is about.
    pub caller: Caller,
    /// Whose own things are meant by `/v1/me`: the same account, logged in. Of those who have no account that works, the
    /// subject's, so that the request as such would be good.
    pub account: Caller,
    /// What it takes to log in and to go on.
    pub login: Login,
    place: Place,
}

/// An account's way in.
#[derive(Clone)]
pub struct Login {
    pub email: String,
    /// `None`: a new log-in gives one.
    pub refresh_token: Option<String>,
}

/// Where a kind of caller stands, seen from Acme.
#[derive(Clone, Copy)]
enum Place {
    Elsewhere,
    Inside(Option<&'static str>),
    Below(Option<&'static str>),
}

impl World {
    pub async fn new() -> Self {
        let app = App::start().await;
        let above = app.organization(&app.root, "Above").await;
        let organization = app.organization(&above, "Acme").await;
        let beside = app.organization(&above, "Beside").await;
        let below = app.organization(&organization, "Lab").await;
        let token = app.token(&organization, INHERITED, "DEV-inherited").await;
        let uninherited_token = app.token(&organization, UNINHERITED, "DEV-not-inherited").await;
        let path = format!("/v1/organizations/{organization}/qpu-tokens/{uninherited_token}");
        app.admin.patch(&path, &json!({"inherited": false})).await.expect(200);
        let subject = app.member(&organization, "subject").await;

        let admin = app.member_with_role(&organization, "admin", "admin").await;
        let (inside, inside_admin) = (Place::Inside(None), Place::Inside(Some("admin")));
        let (lower, lower_admin) = (Place::Below(None), Place::Below(Some("admin")));
        let auditor = Place::Inside(Some("auditor"));

        let people = [
            (["plain", "member"], app.member(&organization, "member").await, inside),
            (["sibling", "member"], app.member(&beside, "sibling").await, Place::Elsewhere),
            (["child", "member"], app.member(&below, "lower").await, lower),
            (["child", "admin"], app.member_with_role(&below, "lower-admin", "admin").await, lower_admin),
            (["admin", ""], admin.clone(), inside_admin),
            (["parent", "admin"], app.member_with_role(&above, "upper-admin", "admin").await, Place::Elsewhere),
            (["auditor", ""], app.member_with_role(&organization, "auditor", "auditor").await, auditor),
            (["root", "admin"], app.member_with_role(&app.root, "root-admin", "admin").await, Place::Elsewhere),
            (["root", "solver"], app.member_with_role(&app.root, "solver", "solver").await, Place::Elsewhere),
        ];
        let nobody = |heading, caller| Kind::borrowing(heading, caller, &subject);
        let mut callers =
            vec![nobody(["nobody", ""], app.anonymous()), nobody(["wrong", "key"], ended_key(&app, &subject).await)];
        callers.extend(people.map(|(heading, caller, place)| Kind::signed_in(heading, caller, place)));
        callers.push(disabled(&app, &organization).await);
        let keys = [
            (["full", "key"], json!({"name": "full", "scope": "full"})),
            (["read", "key"], json!({"name": "read", "scope": "read"})),
            (["use", "key"], json!({"name": "use", "scope": "use"})),
            // The admin is admin there too: only the bounds keep this key from doing things here.
            (["foreign", "key"], json!({"name": "bound", "scope": "full", "organization_id": below})),
        ];
        for (heading, wanted) in keys {
            let caller = api_key(&app, &admin, &wanted).await;
            callers.push(Kind { caller, ..Kind::signed_in(heading, admin.clone(), inside_admin) });
        }
        let serial = AtomicU32::new(0);
        Self { app, above, organization, token, uninherited_token, subject, callers, serial }
    }

    /// A word that was not used before.
    pub fn word(&self) -> String {
        format!("throw-away-{}", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Somebody new in Acme who has not accepted yet: the answer of the addition.
    pub async fn added(&self) -> Value {
        let body = new_user(&self.word());
        self.app.admin.post(&format!("/v1/organizations/{}/users", self.organization), &body).await.expect(201)
    }

    /// A new lease of the subject's for Acme's inherited token.
    pub async fn lease(&self) -> Value {
        let path = format!("/v1/organizations/{}/qpu-tokens/{}/leases", self.organization, self.token);
        self.subject.post(&path, &json!({})).await.expect(201)
    }

    /// A new token of Acme.
    pub async fn new_token(&self) -> String {
        self.new_named_token().await.0
    }

    /// A new token of Acme, and its name.
    pub async fn new_named_token(&self) -> (String, String) {
        let name = self.word();
        (self.app.token(&self.organization, &name, "DEV-throw-away").await, name)
    }

    /// A new organization that a caller of this kind stands to as to Acme.
    pub async fn another_organization(&self, kind: &Kind) -> String {
        let organization = self.app.organization(&self.above, &self.word()).await;
        match kind.place {
            Place::Elsewhere => {}
            Place::Inside(role) => self.join(&organization, &kind.account, role).await,
            Place::Below(role) => {
                let below = self.app.organization(&organization, &self.word()).await;
                self.join(&below, &kind.account, role).await;
            }
        }
        organization
    }

    async fn join(&self, organization: &str, account: &Caller, role: Option<&str>) {
        let users = format!("/v1/organizations/{organization}/users");
        let body = json!({"email": account.email, "given_name": "Any", "family_name": "Body"});
        let added = self.app.admin.post(&users, &body).await.expect(201);
        self.app.accept(&added, PASSWORD).await.expect(200);
        if let Some(role) = role {
            self.app.admin.put(&format!("{users}/{}/roles/{role}", account.id), &Value::Null).await.expect(200);
        }
    }
}

impl Kind {
    fn signed_in(heading: [&'static str; 2], caller: Caller, place: Place) -> Self {
        let login = Login { email: caller.email.clone(), refresh_token: None };
        Self { heading, account: caller.clone(), caller, login, place }
    }

    fn borrowing(heading: [&'static str; 2], caller: Caller, account: &Caller) -> Self {
        Self { caller, ..Self::signed_in(heading, account.clone(), Place::Elsewhere) }
    }
}

/// What is needed to add somebody of this name.
pub fn new_user(name: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "given_name": name, "family_name": "Test"})
}

/// An API key of the account.
async fn api_key(app: &App, account: &Caller, wanted: &Value) -> Caller {
    let made = account.post("/v1/me/api-keys", wanted).await.expect(201);
    Caller::with_api_key(&app.base_url, made["api_key"].as_str().unwrap()).named(&account.email, &account.id)
}

/// A key that is well-formed and works no more: it passes everything but the database.
async fn ended_key(app: &App, account: &Caller) -> Caller {
    let made = account.post("/v1/me/api-keys", &json!({"name": "ended"})).await.expect(201);
    account.delete(&format!("/v1/me/api-keys/{}", made["id"].as_str().unwrap())).await.expect(204);
    Caller::with_api_key(&app.base_url, made["api_key"].as_str().unwrap())
}

/// An admin of the organization who was logged in when the account was disabled.
async fn disabled(app: &App, organization: &str) -> Kind {
    let account = app.member_with_role(organization, "disabled", "admin").await;
    let credentials = json!({"email": account.email, "password": PASSWORD});
    let tokens = app.anonymous().post("/v1/sessions", &credentials).await.expect(200);
    let caller = Caller::with_access_token(&app.base_url, tokens["access_token"].as_str().unwrap());
    let path = format!("/v1/organizations/{organization}/users/{}", account.id);
    app.admin.patch(&path, &json!({"status": "disabled"})).await.expect(200);
    let refresh_token = tokens["refresh_token"].as_str().map(ToOwned::to_owned);
    let login = Login { email: account.email.clone(), refresh_token };
    let kind = Kind::signed_in(["disabled", "admin"], caller.named(&account.email, &account.id), Place::Elsewhere);
    Kind { login, ..kind }
}
