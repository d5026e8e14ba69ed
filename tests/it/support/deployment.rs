//! The program itself with a token of a provider's, which the first admin uses.

use serde_json::json;

use super::Caller;
use super::installation::Installation;
use super::lab::SECRET;
use super::process::Process;
use super::upstream::Upstream;
use super::wire::{Wire, ask};

/// A running service and what it takes to use a token there.
pub struct Deployment {
    pub process: Process,
    pub admin: Caller,
    /// The token's id.
    pub token: String,
    /// What a request has in its head to say who asks: lines with their ends.
    pub headers: String,
}

impl Deployment {
    /// With D-Wave's API at this upstream.
    pub async fn of_dwave(installation: &Installation, upstream: &Upstream) -> Self {
        Self::of(installation, "dwave", &format!("{}/sapi/v2", upstream.url()), "x-auth-token").await
    }

    /// With a provider at this address, whose clients put their token in the header `place`.
    pub async fn of(installation: &Installation, provider: &str, base_url: &str, place: &str) -> Self {
        let setting = format!("LUNA_ORGANIZATIONS_PROVIDERS__{}__BASE_URL", provider.to_uppercase());
        let process = installation.serve(&[(setting.as_str(), base_url)]);
        let admin = installation.admin(&process);
        let made = json!({"name": "Advantage", "provider": provider, "credential": {"token": SECRET}});
        let made = admin.post(&super::paths::tokens(installation.root()), &made).await.expect(201);
        let headers = format!("{place}: {}\r\n", admin.authorization());
        Self { process, admin, token: made["id"].as_str().unwrap().to_owned(), headers }
    }

    /// Where something is below the token's address.
    pub fn path(&self, below: &str) -> String {
        format!("/v1/qpu/{}/{below}", self.token)
    }

    /// Asks as the provider's client does.
    pub async fn ask(&self, method: &str, below: &str, body: impl AsRef<[u8]>) -> Wire {
        ask(&self.process.base_url, method, &self.path(below), &self.headers, body.as_ref()).await
    }
}
