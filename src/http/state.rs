//! What every handler can reach.

use std::ops::Deref;
use std::sync::Arc;

use chrono::TimeDelta;
use ipnet::IpNet;

use crate::authentication::{AccessTokens, PasswordHasher};
use crate::broker;
use crate::domain::{Providers, QpuTokenId};
use crate::repository::Repository;

/// Shared by all requests; cheap to clone, which every layer does for every request.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

impl AppState {
    /// Makes it shared.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What there is.
pub struct Shared {
    /// What is kept.
    pub repository: Repository,
    /// Makes and checks access tokens.
    pub access_tokens: Arc<AccessTokens>,
    /// Hashes passwords, a bounded number at a time.
    pub passwords: Arc<PasswordHasher>,
    /// The way to the hardware.
    pub broker: broker::Shared,
    /// What the operator has decided.
    pub settings: Arc<Settings>,
}

/// What the operator has decided, as far as requests are concerned.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients reach this service, without a slash at the end: the base of links.
    pub public_url: String,
    /// The hardware providers.
    pub providers: Providers,
    /// Tokens at the root of an address of their own.
    pub mounts: Vec<Mount>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Longest time that a request may take.
    pub request_timeout: std::time::Duration,
    /// How long until a new log-in is needed.
    pub session_lifetime: TimeDelta,
    /// How long an invitation can be accepted.
    pub invitation_lifetime: TimeDelta,
    /// Limits on failed log-ins.
    pub login_limits: LoginLimits,
}

/// A token at the root of an address of its own.
#[derive(Debug, Clone)]
pub struct Mount {
    /// The token.
    pub token: QpuTokenId,
    /// The address as clients see it, without a slash at the end.
    pub address: String,
}

impl Mount {
    /// Whether a request with this `Host` is meant for it. The port of the scheme may be left out.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        let Some((scheme, own)) = self.address.split_once("://") else { return false };
        let port = if scheme == "https" { ":443" } else { ":80" };
        let without_port = |host| str::strip_suffix(host, port).unwrap_or(host);
        without_port(own).eq_ignore_ascii_case(without_port(host))
    }
}

impl Settings {
    /// Where a provider's own client uses a token, through the broker.
    #[must_use]
    pub fn use_url(&self, token: QpuTokenId) -> String {
        format!("{}/v1/qpu/{token}", self.public_url)
    }
}

/// How many failed log-ins there may be in one window.
#[derive(Debug, Clone, Copy)]
pub struct LoginLimits {
    /// Length of the window.
    pub window: TimeDelta,
    /// From one address to one account.
    pub per_pair: i32,
    /// From one address, to whatever account.
    pub per_address: i32,
    /// To one account, from addresses that it was never logged in to from.
    pub per_account: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_host_alone() {
        let mount = |address: &str| Mount { token: QpuTokenId::new(), address: address.to_owned() };
        let named = mount("https://ionq.example.org");
        for host in ["ionq.example.org", "IonQ.example.org", "ionq.example.org:443"] {
            assert!(named.has_host(host), "{host}");
        }
        for host in
            ["", "example.org", "ionq.example.org.", "ionq.example.org:80", "x.ionq.example.org", "ionq.example.org/v1"]
        {
            assert!(!named.has_host(host), "{host}");
        }
        assert!(mount("http://127.0.0.1:9100").has_host("127.0.0.1:9100"));
        assert!(!mount("http://127.0.0.1:9100").has_host("127.0.0.1"));
    }
}
