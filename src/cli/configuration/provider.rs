//! `[providers.<name>]`: what an operator says of a hardware provider, built in or not.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Configuration, ConfigurationError};
use crate::authentication::Passes;
use crate::broker::providers::{
    Addresses, Braket, Declaration, Declared, Dwave, Fujitsu, Ibm, Ionq, OperationDeclaration,
};
use crate::broker::{Adapter, Reachable};
use crate::domain::{CredentialForm, FieldName, MOST_USED, Provider, ProviderName, Providers};

/// A hardware provider. For a built-in one, what is not given stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfiguration {
    /// What people call it; its name by default.
    pub title: Option<String>,
    /// Native unit of usage and quotas.
    pub unit: Option<String>,
    /// Accepted sets of credential fields; one field `token` by default.
    pub credentials: Option<Vec<CredentialForm>>,
    /// What to reserve for a job of unknown size, in the native unit.
    pub estimate: Option<i64>,
    /// Where its API is.
    pub base_url: Option<String>,
    /// Without code: the header that clients put their token into.
    pub key_header: Option<String>,
    /// Without code: the headers that the provider gets.
    pub headers: BTreeMap<String, String>,
    /// Without code: what a refusal looks like.
    pub error: Option<String>,
    /// Without code: what is allowed.
    pub operations: Vec<OperationDeclaration>,
    /// D-Wave: where the list of regions is.
    pub metadata_url: Option<String>,
    /// IBM: where API keys are exchanged.
    pub iam_url: Option<String>,
    /// IBM: where instances are searched.
    pub search_url: Option<String>,
    /// IBM: where plans are described.
    pub catalog_url: Option<String>,
    /// Amazon: where Braket is.
    pub braket_url: Option<String>,
    /// Amazon: where S3 is.
    pub s3_url: Option<String>,
    /// Amazon: where STS is.
    pub sts_url: Option<String>,
    /// Amazon: the bucket that results are in.
    pub results_bucket: Option<String>,
}

/// The settings that lead somewhere, for each built-in provider that can be reached.
const REACHABLE: &[(&str, &[&str])] = &[
    ("dwave", &["base_url", "metadata_url"]),
    ("ibm", &["base_url", "iam_url", "search_url", "catalog_url"]),
    ("aws", &["braket_url", "s3_url", "sts_url", "results_bucket"]),
    ("ionq", &["base_url"]),
    ("fujitsu", &["base_url"]),
];

/// The same for one without code.
const DECLARED: &[&str] = &["base_url"];

impl ProviderConfiguration {
    /// The settings that lead somewhere, by their names.
    fn addresses(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let all = [
            ("base_url", &self.base_url),
            ("metadata_url", &self.metadata_url),
            ("iam_url", &self.iam_url),
            ("search_url", &self.search_url),
            ("catalog_url", &self.catalog_url),
            ("braket_url", &self.braket_url),
            ("s3_url", &self.s3_url),
            ("sts_url", &self.sts_url),
            ("results_bucket", &self.results_bucket),
        ];
        all.into_iter().filter_map(|(key, value)| value.as_ref().map(|value| (key, value)))
    }
}

impl Configuration {
    /// The providers, as the API tells of them.
    pub(super) fn providers(&self) -> Result<Providers, ConfigurationError> {
        let mut providers = Providers::default();
        for (key, given) in &self.providers {
            let at = format!("providers.{key}");
            let name: ProviderName =
                key.parse().map_err(|error| self.wrong(&at, &format!("named differently: a name {error}")))?;
            let mut provider = providers.get(&name).cloned().unwrap_or_else(|| Provider::new(name));
            if let Some(title) = &given.title {
                provider.title.clone_from(title);
            }
            if let Some(unit) = &given.unit {
                provider.unit.clone_from(unit);
            }
            if let Some(credentials) = &given.credentials {
                self.check_forms(&at, credentials)?;
                provider.credentials.clone_from(credentials);
            }
            if let Some(estimate) = given.estimate {
                if !(0..=MOST_USED).contains(&estimate) {
                    return Err(self.wrong(&format!("{at}.estimate"), "a number from 0 to 1000000000000000"));
                }
                provider.estimate = estimate;
            }
            providers = providers.with(provider);
        }
        Ok(providers)
    }

    fn check_forms(&self, at: &str, forms: &[CredentialForm]) -> Result<(), ConfigurationError> {
        let fields = || forms.iter().flat_map(|form| form.required.iter().chain(&form.optional));
        if forms.iter().any(|form| form.required.is_empty()) || fields().next().is_none() {
            return Err(self.wrong(&format!("{at}.credentials"), "forms with at least one required field each"));
        }
        match fields().find(|field| field.parse::<FieldName>().is_err()) {
            Some(wrong) => {
                Err(self.wrong(&format!("{at}.credentials"), &format!("field names such as api_key, not {wrong:?}")))
            }
            None => Ok(()),
        }
    }

    /// The providers that can be reached, and how. Some hand out `passes` to those who have shown a key.
    pub fn reachable(&self, passes: &Arc<Passes>) -> Result<BTreeMap<ProviderName, Reachable>, ConfigurationError> {
        let mut reachable = BTreeMap::new();
        for (provider, addresses, declared) in self.upstreams()? {
            let adapter: Arc<dyn Adapter> = match provider.name.as_str() {
                "aws" => Arc::new(Braket::new(&addresses)),
                "dwave" => Arc::new(Dwave::new(&addresses)),
                "fujitsu" => Arc::new(Fujitsu::new(&addresses)),
                "ionq" => Arc::new(Ionq::new(&addresses)),
                "ibm" => Arc::new(Ibm::new(&addresses, Arc::clone(passes))),
                _ => match declared {
                    Some(declared) => Arc::new(declared),
                    None => continue,
                },
            };
            reachable.insert(
                provider.name.clone(),
                Reachable { adapter, unit: provider.unit.clone(), estimate: provider.estimate },
            );
        }
        Ok(reachable)
    }

    /// All providers, with what the operator has said of where they are.
    pub(super) fn upstreams(&self) -> Result<Vec<(Provider, Addresses, Option<Declared>)>, ConfigurationError> {
        let mut upstreams = Vec::new();
        for provider in self.providers()?.iter() {
            let at = format!("providers.{}", provider.name);
            let given = self.providers.get(provider.name.as_str());
            let built_in = REACHABLE.iter().find(|(name, _)| *name == provider.name.as_str()).map(|(_, keys)| *keys);
            let known = built_in.unwrap_or(DECLARED);
            let mut addresses = Addresses::new();
            for (key, value) in given.into_iter().flat_map(ProviderConfiguration::addresses) {
                let at = format!("{at}.{key}");
                if !known.contains(&key) {
                    return Err(self.wrong(&at, "left out: this provider has no such setting"));
                }
                if key.ends_with("_url") && !is_upstream(value) {
                    let expected = "an https URL such as https://api.example.org, or an http URL to this very machine";
                    return Err(self.wrong(&at, expected));
                }
                addresses.insert(key, value.clone());
            }
            let declared = match given.filter(|given| given.is_declared()) {
                Some(given) if built_in.is_none() => Some(self.declared(&at, given, provider)?),
                Some(given) if given.has_declarations() => {
                    let expected = "left out, with headers, key_header and error: this provider is built in";
                    return Err(self.wrong(&format!("{at}.operations"), expected));
                }
                Some(_) | None => None,
            };
            upstreams.push((provider.clone(), addresses, declared));
        }
        Ok(upstreams)
    }
}

impl ProviderConfiguration {
    /// Whether it says anything of an API that there is no code for.
    fn is_declared(&self) -> bool {
        self.base_url.is_some() || self.has_declarations()
    }

    /// Whether anything is said that only a provider without code needs.
    fn has_declarations(&self) -> bool {
        let Self { key_header, headers, error, operations, .. } = self;
        key_header.is_some() || error.is_some() || !headers.is_empty() || !operations.is_empty()
    }
}

impl Configuration {
    /// A provider without code.
    fn declared(
        &self,
        at: &str,
        given: &ProviderConfiguration,
        provider: &Provider,
    ) -> Result<Declared, ConfigurationError> {
        let needed = |key: &str, value: &'_ Option<String>| {
            let expected = "given: what a provider without code needs are base_url, key_header, headers and operations";
            value.clone().ok_or_else(|| self.wrong(&format!("{at}.{key}"), expected))
        };
        let fields = provider.credentials.iter().flat_map(|form| form.required.iter().chain(&form.optional));
        let declaration = Declaration {
            base_url: &needed("base_url", &given.base_url)?,
            key_header: &needed("key_header", &given.key_header)?,
            headers: &given.headers,
            error: given.error.as_deref(),
            operations: &given.operations,
            fields: &fields.map(String::as_str).collect::<Vec<_>>(),
        };
        Declared::new(declaration).map_err(|mistake| self.wrong(&format!("{at}.{}", mistake.key), &mistake.expected))
    }
}

/// Whether a credential may be sent there: over TLS, or to this very machine.
fn is_upstream(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => return false,
    };
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    plain && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for good in [
            "https://api.example.org",
            "https://10.0.0.1/x",
            "http://127.0.0.1:9000/sapi",
            "http://[::1]:1",
            "http://localhost:8",
        ] {
            assert!(is_upstream(good), "{good}");
        }
        for bad in [
            "http://api.example.org",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://user@host",
            "https://h/?q",
            "http://localhost.example.org",
            "x",
        ] {
            assert!(!is_upstream(bad), "{bad}");
        }
    }
}
