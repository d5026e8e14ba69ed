//! A member at work with the client of a provider that takes one token, and what it takes to set one up.

use std::collections::HashMap;

use luna_organizations::cli::{Configuration, ProviderConfiguration};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, App, Caller};

/// The credential that the provider knows.
pub const SECRET: &str = "REAL-5f0e1c7ab2";

/// A configuration with one provider.
pub fn provider(name: &str, provider: ProviderConfiguration) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.providers.insert(name.to_owned(), provider);
    configuration
}

/// A built-in provider at this address.
pub fn at(name: &str, url: &str) -> Configuration {
    provider(name, ProviderConfiguration { base_url: Some(url.to_owned()), ..ProviderConfiguration::default() })
}

/// A member who uses a token with a provider's client.
#[derive(Clone)]
pub struct Notebook {
    client: reqwest::Client,
    /// Below which paths are, without a slash at the end.
    base: String,
    key: String,
    /// Where the client puts its token, and what in front of it.
    place: (&'static str, &'static str),
}

impl Notebook {
    /// Of this member, with a key that can do nothing else.
    pub async fn new(app: &App, member: &Caller, token: &str, place: (&'static str, &'static str)) -> Self {
        let made = member.post("/v1/me/api-keys", &json!({"name": "notebook", "scope": "use"})).await.expect(201);
        let key = made["api_key"].as_str().unwrap().to_owned();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, base: format!("{}/v1/qpu/{token}", app.base_url), key, place }
    }

    /// The same, at another address.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// A request with the key.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let (header, scheme) = self.place;
        self.plain(method, path).header(header, format!("{scheme}{}", self.key))
    }

    /// A request without.
    pub fn plain(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}/{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request("GET", path)).await
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(method, path).json(body)).await
    }
}

/// A token of the root for this provider.
pub async fn token(app: &App, provider: &str) -> String {
    let body = json!({"name": provider, "provider": provider, "credential": {"token": SECRET}});
    let made = app.admin.post(&format!("/v1/organizations/{}/qpu-tokens", app.root), &body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// The ledger: what each job of the provider's has used, `None` as long as that is not known.
pub async fn ledger(app: &App) -> HashMap<String, Option<i64>> {
    let rows = sqlx::query_as("SELECT provider_job_id, used FROM jobs WHERE provider_job_id IS NOT NULL");
    rows.fetch_all(&app.database).await.unwrap().into_iter().collect()
}
