//! What every handler can reach.

use std::sync::Arc;

use chrono::TimeDelta;
use ipnet::IpNet;

use crate::authentication::{AccessTokens, PasswordHasher};
use crate::domain::Providers;
use crate::repository::Repository;

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// What is kept.
    pub repository: Repository,
    /// Makes and checks access tokens.
    pub access_tokens: Arc<AccessTokens>,
    /// Hashes passwords, a bounded number at a time.
    pub passwords: Arc<PasswordHasher>,
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
