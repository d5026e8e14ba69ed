//! The configuration: defaults, then a TOML file, then the environment. Every key is explained in `config.example.toml`.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::UncasedStr;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::broker::Patience;
use crate::domain::QpuTokenId;
use crate::http::{LoginLimits, Mount, Settings};
use crate::server::Limits;

mod provider;

pub use provider::ProviderConfiguration;

const PREFIX: &str = "LUNA_ORGANIZATIONS_";

/// The keys, outermost.
const KEYS: &[&str] = &[
    "database_url",
    "database_password_file",
    "database_connections",
    "key_ring",
    "listen",
    "metrics_listen",
    "public_url",
    "trusted_proxies",
    "log_format",
    "log_filter",
    "max_connections",
    "body_limit_bytes",
    "request_timeout_seconds",
    "untaken_answer_seconds",
    "access_token_seconds",
    "session_days",
    "invitation_hours",
    "login",
    "broker",
    "providers",
];

fn top_level(key: &UncasedStr) -> &UncasedStr {
    UncasedStr::new(key.as_str().split("__").next().unwrap_or_default())
}

/// What a database's URL looks like.
pub const DATABASE_URL_EXAMPLE: &str = "a URL such as postgres://user:password@host/name";

/// Everything that an operator decides.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// PostgreSQL; also `DATABASE_URL`.
    pub database_url: Option<String>,
    /// A file with the database's password, instead of one in the URL.
    pub database_password_file: Option<PathBuf>,
    /// Connections to PostgreSQL, at most: 1–1000.
    pub database_connections: u32,
    /// The key ring's file.
    pub key_ring: Option<PathBuf>,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_listen: SocketAddr,
    /// Where clients reach the service; `http://<listen>` by default.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed, as networks.
    pub trusted_proxies: Vec<IpNet>,
    /// How logs look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
    /// Open connections of clients to one listener, at most: 1 and up.
    pub max_connections: usize,
    /// Largest request body, in bytes: 1024 and up.
    pub body_limit_bytes: usize,
    /// Longest time that a request may take, in seconds: 1–600.
    pub request_timeout_seconds: u64,
    /// Longest time that a client may take nothing of its answer, in seconds: 1–3600.
    pub untaken_answer_seconds: u64,
    /// How long an access token counts, in seconds: 60–86400.
    pub access_token_seconds: u32,
    /// How long until a new log-in is needed, in days: 1–365.
    pub session_days: i64,
    /// How long an invitation can be accepted, in hours: 1–8760.
    pub invitation_hours: i64,
    /// Limits on failed log-ins.
    pub login: LoginConfiguration,
    /// Use of the tokens at their providers.
    pub broker: BrokerConfiguration,
    /// Hardware providers, by name.
    pub providers: BTreeMap<String, ProviderConfiguration>,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Limits on failed log-ins in one window; each 1 and up.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfiguration {
    /// Length of the window, in seconds.
    pub window_seconds: i64,
    /// From one address to one account.
    pub failures_per_account_and_address: i32,
    /// From one address, to whatever account.
    pub failures_per_address: i32,
    /// To one account, from addresses that it was never logged in to from.
    pub failures_per_account: i32,
}

/// Use of the tokens at their providers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfiguration {
    /// After how long a new job is first asked about, in seconds: 1–3600. Later ones come less and less often.
    pub settle_after_seconds: i64,
    /// Tokens that are also at the root of an address of their own.
    pub mounts: Vec<MountConfiguration>,
    /// How long to wait for providers and bodies; neither in the file nor in the environment.
    #[serde(skip)]
    pub patience: Patience,
}

/// A token at the root of an address of its own, for clients that drop the path of theirs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountConfiguration {
    /// The token.
    pub token: uuid::Uuid,
    /// A listener of its own.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// Where clients reach it; with a host name of its own, requests for that name find it on the API's listener too.
    #[serde(default)]
    pub public_url: Option<String>,
}

impl MountConfiguration {
    fn leads_somewhere(&self) -> bool {
        let at_root = |url: &str| is_base_url(url) && Url::parse(url).is_ok_and(|url| url.path() == "/");
        (self.listen.is_some() || self.public_url.is_some()) && self.public_url.as_deref().is_none_or(at_root)
    }

    /// As requests need to know it.
    pub fn mount(&self) -> Mount {
        let listener = || self.listen.map(|address| format!("http://{address}"));
        let public = self.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        let public = public.map(|url| url.origin().ascii_serialization());
        Mount { token: QpuTokenId::from(self.token), address: public.or_else(listener).unwrap_or_default() }
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            database_url: None,
            database_password_file: None,
            database_connections: 10,
            key_ring: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            public_url: None,
            trusted_proxies: Vec::new(),
            log_format: LogFormat::Json,
            log_filter: "info".to_owned(),
            max_connections: 10_000,
            body_limit_bytes: 256 * 1024,
            request_timeout_seconds: 20,
            untaken_answer_seconds: 60,
            access_token_seconds: 900,
            session_days: 30,
            invitation_hours: 7 * 24,
            login: LoginConfiguration {
                window_seconds: 15 * 60,
                failures_per_account_and_address: 10,
                failures_per_address: 100,
                failures_per_account: 100,
            },
            broker: BrokerConfiguration { settle_after_seconds: 30, mounts: Vec::new(), patience: Patience::default() },
            providers: BTreeMap::new(),
        }
    }
}

/// A key that is not as it should be: one line for the operator.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigurationError(String);

impl Configuration {
    /// Defaults, the file, the environment (`LUNA_ORGANIZATIONS_…`, with `__` between a table and its key; and
    /// `DATABASE_URL`), each over the one before.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigurationError> {
        Self::load_over(Self::default(), file)
    }

    /// As [`Configuration::load`], with other defaults.
    pub fn load_over(defaults: Self, file: Option<&Path>) -> Result<Self, ConfigurationError> {
        let mut figment = Figment::from(Serialized::defaults(defaults));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        let known = |key: &UncasedStr| KEYS.iter().any(|known| key == *known);
        let environment = Env::prefixed(PREFIX).filter(move |key| known(top_level(key))).split("__");
        figment = figment.merge(Env::raw().only(&["DATABASE_URL"])).merge(environment);
        let configuration: Self = figment.extract().map_err(explain)?;
        configuration.check()?;
        Ok(configuration)
    }

    /// Variables that look like ours and are none. They are no error: a cluster manager may well set some for a service
    /// of this name (`LUNA_ORGANIZATIONS_PORT`, …), but a mistyped one must not go unnoticed either.
    pub fn unknown_variables() -> Vec<String> {
        let is_unknown = |key: &UncasedStr| !KEYS.iter().any(|known| top_level(key) == *known);
        Env::prefixed(PREFIX)
            .iter()
            .filter(|(key, _)| is_unknown(key))
            .map(|(key, _)| format!("{PREFIX}{}", key.as_str().to_uppercase()))
            .collect()
    }

    /// The error for a key with a wrong value.
    pub fn wrong(&self, key: &str, expected: &str) -> ConfigurationError {
        ConfigurationError(format!("{} must be {expected}", name(key)))
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        let login = self.login;
        let rules = [
            ("database_connections", (1..=1000).contains(&self.database_connections), "a number from 1 to 1000"),
            ("max_connections", self.max_connections >= 1, "a number of 1 or more"),
            ("body_limit_bytes", self.body_limit_bytes >= 1024, "a number of bytes, 1024 or more"),
            ("request_timeout_seconds", (1..=600).contains(&self.request_timeout_seconds), "a number from 1 to 600"),
            ("untaken_answer_seconds", (1..=3600).contains(&self.untaken_answer_seconds), "a number from 1 to 3600"),
            ("access_token_seconds", (60..=86_400).contains(&self.access_token_seconds), "a number from 60 to 86400"),
            ("session_days", (1..=365).contains(&self.session_days), "a number from 1 to 365"),
            ("invitation_hours", (1..=8760).contains(&self.invitation_hours), "a number from 1 to 8760"),
            ("login.window_seconds", (1..=86_400).contains(&login.window_seconds), "a number from 1 to 86400"),
            (
                "login.failures_per_account_and_address",
                login.failures_per_account_and_address >= 1,
                "a number of 1 or more",
            ),
            ("login.failures_per_address", login.failures_per_address >= 1, "a number of 1 or more"),
            ("login.failures_per_account", login.failures_per_account >= 1, "a number of 1 or more"),
            (
                "broker.settle_after_seconds",
                (1..=3600).contains(&self.broker.settle_after_seconds),
                "a number from 1 to 3600",
            ),
            (
                "broker.mounts",
                self.broker.mounts.iter().all(MountConfiguration::leads_somewhere),
                "a list of tokens, each with a listener, an http or https URL without a path, or both",
            ),
            (
                "public_url",
                self.public_url.as_deref().is_none_or(is_base_url),
                "an http or https URL such as https://organizations.example.org",
            ),
        ];
        if let Some((key, _, expected)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(self.wrong(key, expected));
        }
        self.mounts_are_apart()?;
        self.upstreams().map(drop)
    }

    /// Checks that each mount can be told from the API and from the others: one at the API's address would hide all of it.
    fn mounts_are_apart(&self) -> Result<(), ConfigurationError> {
        let mut listeners = HashSet::from([self.listen, self.metrics_listen]);
        let listens = format!("http://{}", self.listen);
        let mut hosts: HashSet<_> =
            self.public_url.as_deref().into_iter().chain([&*listens]).filter_map(host).collect();
        for mount in &self.broker.mounts {
            let own_listener = mount.listen.is_none_or(|listener| listener.port() == 0 || listeners.insert(listener));
            let own_host = mount.public_url.as_deref().and_then(host).is_none_or(|host| hosts.insert(host));
            if !(own_listener && own_host) {
                // Never as it was written: there may be a password in it.
                let taken = mount.listen.filter(|_| !own_listener).map(|address| address.to_string());
                let taken = taken.unwrap_or_else(|| mount.mount().address);
                let expected = format!("at addresses of their own, and {taken} is the API's or another one's");
                return Err(self.wrong("broker.mounts", &expected));
            }
        }
        Ok(())
    }

    /// The database's URL, with the password from its file if there is one.
    pub fn database(&self) -> Result<Zeroizing<String>, ConfigurationError> {
        let url = self.database_url.clone().map(Zeroizing::new);
        let url = url.ok_or_else(|| self.wrong("database_url", "the URL of a PostgreSQL database"))?;
        let Some(file) = &self.database_password_file else { return Ok(url) };
        let password = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
            self.wrong("database_password_file", &format!("a readable file, which {} is not: {error}", file.display()))
        })?;
        let password = password.trim_end_matches(['\r', '\n']);
        let mut url = Url::parse(&url).map_err(|_| self.wrong("database_url", DATABASE_URL_EXAMPLE))?;
        url.set_password(Some(password))
            .map_err(|()| self.wrong("database_url", "a URL with a host, because there is a database_password_file"))?;
        Ok(Zeroizing::new(url.into()))
    }

    /// What bounds the connections of each listener.
    pub fn limits(&self) -> Limits {
        Limits { connections: self.max_connections, untaken: Duration::from_secs(self.untaken_answer_seconds) }
    }

    /// What requests need to know of it, once the API listens at `address`.
    pub fn settings(&self, address: SocketAddr) -> Result<Settings, ConfigurationError> {
        let public_url = self.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let login = self.login;
        Ok(Settings {
            public_url: public_url.trim_end_matches('/').to_owned(),
            providers: self.providers()?,
            mounts: self.broker.mounts.iter().map(MountConfiguration::mount).collect(),
            trusted_proxies: self.trusted_proxies.clone(),
            body_limit: self.body_limit_bytes,
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
            session_lifetime: TimeDelta::days(self.session_days),
            invitation_lifetime: TimeDelta::hours(self.invitation_hours),
            login_limits: LoginLimits {
                window: TimeDelta::seconds(login.window_seconds),
                per_pair: login.failures_per_account_and_address,
                per_address: login.failures_per_address,
                per_account: login.failures_per_account,
            },
        })
    }
}

fn is_base_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

/// Host and port as a request to a URL names them. It need not name a scheme's own port, and does not name the scheme.
fn host(url: &str) -> Option<(String, Option<u16>)> {
    let url = Url::parse(url).ok()?;
    let port = url.port_or_known_default().filter(|port| ![80, 443].contains(port));
    Some((url.host_str()?.to_ascii_lowercase(), port))
}

/// A key as the operator can set it.
fn name(key: &str) -> String {
    match key {
        "database_url" => "DATABASE_URL (database_url in the file)".to_owned(),
        _ => format!("{key} ({PREFIX}{})", key.to_uppercase().replace('.', "__")),
    }
}

/// The first of figment's complaints, as one line with the key's name. Never the value: it may be a password.
fn explain(error: figment::Error) -> ConfigurationError {
    use figment::error::Kind;
    let Some(first) = error.into_iter().next() else { return ConfigurationError("is not readable".to_owned()) };
    let key = first.path.join(".");
    ConfigurationError(match &first.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("{} must be {}", name(&key), form(&key).unwrap_or(expected))
        }
        Kind::UnknownField(field, known) => {
            // The path ends with the field when the environment named it, and before it when a file did.
            let in_table = first.path.last().is_some_and(|last| last != field);
            let key = match key.as_str() {
                "" => field.clone(),
                table if in_table => format!("{table}.{field}"),
                _ => key,
            };
            format!("{} is no key; known are {}", name(&key), known.join(", "))
        }
        Kind::UnknownVariant(_, known) => format!("{} must be one of {}", name(&key), known.join(", ")),
        Kind::MissingField(field) => format!("{} is missing", name(field)),
        Kind::Message(_) if !key.is_empty() => match form(&key) {
            Some(form) => format!("{} must be {form}", name(&key)),
            None => format!("{} has a wrong value", name(&key)),
        },
        Kind::Message(text) => {
            // A complaint about TOML goes on with the line that it is about, which may hold a password.
            let complaint = text.lines().next().unwrap_or_default();
            let source = first.metadata.as_ref().and_then(|metadata| metadata.source.as_ref());
            let source = source.map_or_else(|| "the configuration".to_owned(), ToString::to_string);
            format!("{source} must be readable TOML: {complaint}")
        }
        _ => first.to_string().replace('\n', " "),
    })
}

/// What the values of a key look like, where the type alone does not say it.
fn form(key: &str) -> Option<&'static str> {
    match key.split('.').next()? {
        "listen" | "metrics_listen" => Some("an address with a port, such as 127.0.0.1:8080"),
        "trusted_proxies" => Some("a list of networks, such as [\"10.0.0.0/8\"]"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
