//! A service with a D-Wave token, a member who may use it, and a provider that does as it is told.

use std::time::Duration;

use luna_organizations::broker::Patience;
use luna_organizations::cli::{Configuration, ProviderConfiguration};
use serde_json::{Value, json};
use sqlx::Row;

use super::secret::Secret;
use super::upstream::{Reply, Seen, Upstream};
use super::wire::{Wire, ask};
use super::{App, Caller};

/// The credential. All that can stand in a header, and all that some encoding writes differently.
pub const SECRET: &str = r#"DEV-8f1c/2e+b7=0d"a4\69%3c~e1?52&b<90>d7_end"#;

/// Everything that it takes to use a token.
pub struct Lab {
    pub app: App,
    pub upstream: Upstream,
    /// The token's id.
    pub token: String,
    /// A member of the root, logged in.
    pub ada: Caller,
    /// The member's API key.
    pub key: String,
    pub secret: Secret,
    /// What stands in a request's head in front of the key.
    place: &'static str,
}

/// A configuration in which D-Wave is there, with less patience than in life.
pub fn configuration(upstream: &Upstream) -> Configuration {
    let mut configuration = Configuration::default();
    let url = upstream.url();
    let dwave = ProviderConfiguration {
        base_url: Some(format!("{url}/sapi/v2")),
        metadata_url: Some(format!("{url}/metadata/v1")),
        estimate: Some(100),
        ..ProviderConfiguration::default()
    };
    configuration.providers.insert("dwave".to_owned(), dwave);
    let (answer, idle) = (Duration::from_millis(1500), Duration::from_millis(1500));
    let (whole, job, exchange) = (Duration::from_secs(3), Duration::from_secs(2), Duration::from_secs(2));
    configuration.broker.patience = Patience { answer, idle, whole, exchange, job, ..Patience::default() };
    configuration
}

impl Lab {
    /// With a provider that says what the script says.
    pub async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(Upstream::start(script).await).await
    }

    pub async fn on(upstream: Upstream) -> Self {
        Self::with(configuration(&upstream), upstream).await
    }

    pub async fn with(configuration: Configuration, upstream: Upstream) -> Self {
        Self::of("dwave", "x-auth-token: ", configuration, upstream).await
    }

    /// With another provider than D-Wave, whose clients put their token behind `place` in a request's head.
    pub async fn of(provider: &str, place: &'static str, configuration: Configuration, upstream: Upstream) -> Self {
        let app = App::start_with(configuration).await;
        let token = app.token_for(provider, &app.root, "Advantage", SECRET).await;
        let ada = app.member(&app.root, "ada").await;
        let key = app.key(&ada, "use").await.authorization();
        Self { app, upstream, token, ada, key, secret: Secret::new("the credential", SECRET), place }
    }

    /// The key of somebody, of scope `use`.
    pub async fn key_of(&self, somebody: &Caller) -> String {
        self.app.key(somebody, "use").await.authorization()
    }

    /// Another member of an organization, by the key.
    pub async fn somebody(&self, organization: &str, name: &str) -> (Caller, String) {
        let member = self.app.member(organization, name).await;
        let key = self.key_of(&member).await;
        (member, key)
    }

    /// Where something is below the token's address.
    pub fn path(&self, below: &str) -> String {
        format!("/v1/qpu/{}/{below}", self.token)
    }

    /// Asks as the provider's client does.
    pub async fn ask(&self, method: &str, below: &str, body: impl AsRef<[u8]>) -> Wire {
        self.ask_with(&self.key, method, below, body).await
    }

    /// With somebody's key.
    pub async fn ask_with(&self, key: &str, method: &str, below: &str, body: impl AsRef<[u8]>) -> Wire {
        ask(&self.app.base_url, method, &self.path(below), &self.headers(key), body.as_ref()).await
    }

    /// What a request has in its head to say who asks: lines with their ends.
    pub fn headers(&self, key: &str) -> String {
        format!("{}{key}\r\n", self.place)
    }

    /// Submits one problem; answers its id.
    pub async fn submit(&self, key: &str) -> String {
        let answer = self.ask_with(key, "POST", "problems/", "[{}]").await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.json()[0]["id"].as_str().unwrap().to_owned()
    }

    /// Sets the limit of the organization, or of one user.
    pub async fn limit(&self, user: Option<&Caller>, quota: i64) {
        let path = match user {
            None => super::paths::quota(&self.app.root, &self.token),
            Some(user) => super::paths::user_quota(&self.app.root, &self.token, &user.id),
        };
        let answer = self.app.admin.put(&path, &json!({"quota": quota})).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }

    /// State, reserved and used of all jobs, in the order of their submission.
    pub async fn jobs(&self) -> Vec<(String, i64, Option<i64>)> {
        let rows = sqlx::query("SELECT state, reserved, used FROM jobs WHERE kind = 'job' ORDER BY created_at, id");
        let rows = rows.fetch_all(&self.app.database).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// The states of all jobs, sorted.
    pub async fn states(&self) -> Vec<String> {
        let mut states: Vec<String> = self.jobs().await.into_iter().map(|(state, ..)| state).collect();
        states.sort();
        states
    }

    /// One job is open, that of the test's beginning; all others were given up.
    pub async fn expect_nothing_reserved(&self) {
        let states = self.states().await;
        let open = states.iter().filter(|state| *state == "open").count();
        let expired = states.iter().filter(|state| *state == "expired").count();
        assert!(open == 1 && expired == states.len() - 1 && expired > 0, "{states:?}");
    }

    /// What is used and reserved of each limit, the organization's first.
    pub async fn limits(&self) -> Vec<(i64, i64)> {
        let rows = sqlx::query("SELECT quota_used, reserved FROM quotas ORDER BY user_id NULLS FIRST");
        let rows = rows.fetch_all(&self.app.database).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Action, outcome and details of the audit events about jobs and the use of tokens, oldest first.
    pub async fn events(&self) -> Vec<(String, String, Value)> {
        let rows = sqlx::query(
            "SELECT action, outcome, details FROM audit_events WHERE action LIKE 'jobs:%' ORDER BY occurred_at, id",
        );
        let rows = rows.fetch_all(&self.app.database).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }
}

/// Checks that it is an error as D-Wave's client wants it, with no hint to try again.
#[track_caller]
pub fn expect_error(wire: &Wire, status: u16, code: &str) {
    let body = wire.json();
    assert_eq!((wire.status(), wire.header("luna-error")), (status, code), "{wire:?}");
    assert_eq!(body["error_code"], status, "{wire:?}");
    assert!(body["error_msg"].as_str().is_some_and(|message| !message.is_empty()), "{wire:?}");
    assert_eq!(wire.header("retry-after"), "", "{wire:?}");
    assert!(wire.complete);
}
