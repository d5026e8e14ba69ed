//! Hardware providers and the fields of their credentials.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::refusal::Refusal;
use super::text::ProviderName;

/// One accepted set of credential fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialForm {
    /// Fields that must be there.
    pub required: Vec<String>,
    /// Fields that may be there.
    #[serde(default)]
    pub optional: Vec<String>,
}

/// A provider: what its credential looks like and what its usage is counted in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Provider {
    /// The word that names it in a token.
    #[schema(value_type = String)]
    pub name: ProviderName,
    /// What people call it.
    pub title: String,
    /// Native unit of usage and quotas.
    pub unit: String,
    /// Accepted sets of credential fields; any one of them will do.
    pub credentials: Vec<CredentialForm>,
    /// What is reserved for a job of unknown size, in the native unit.
    pub estimate: i64,
}

impl Provider {
    /// A provider of which nothing is known yet: usage is counted in jobs, and the credential is one `token`.
    #[must_use]
    pub fn new(name: ProviderName) -> Self {
        let credentials = vec![CredentialForm { required: vec!["token".to_owned()], optional: Vec::new() }];
        Self { title: name.to_string(), name, unit: "jobs".to_owned(), credentials, estimate: 1 }
    }
}

/// All providers of this installation: the built-in ones and those that the operator has configured.
#[derive(Clone, Debug)]
pub struct Providers(BTreeMap<ProviderName, Provider>);

/// Title, unit, estimate and credential forms (required, optional) of the providers that are always there.
/// The forms are what the Luna SDKs send; `aws` takes a single `token` too, because their wire has no other field.
type BuiltIn =
    (&'static str, &'static str, &'static str, i64, &'static [(&'static [&'static str], &'static [&'static str])]);

const BUILT_IN: &[BuiltIn] = &[
    ("dwave", "D-Wave", "nanoseconds of QPU access time", 50_000_000, &[(&["token"], &[])]),
    ("ibm", "IBM Quantum", "seconds of QPU time", 60, &[(&["token"], &["crn", "instance", "service_crn"])]),
    ("ionq", "IonQ", "milliseconds of execution", 10_000, &[(&["token"], &[])]),
    ("qctrl", "Q-CTRL", "jobs", 1, &[(&["token"], &[])]),
    ("fujitsu", "Fujitsu Digital Annealer", "milliseconds of solve time", 10_000, &[(&["token"], &[])]),
    (
        "aws",
        "Amazon Braket",
        "shots",
        1000,
        &[
            (&["access_key_id", "secret_access_key"], &["session_token", "results_bucket"]),
            (&["token"], &["results_bucket"]),
        ],
    ),
];

impl Default for Providers {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let built_in = BUILT_IN.iter().filter_map(|(name, title, unit, estimate, forms)| {
            let name: ProviderName = name.parse().ok()?;
            let credentials = forms
                .iter()
                .map(|(required, optional)| CredentialForm { required: owned(required), optional: owned(optional) })
                .collect();
            let (title, unit) = ((*title).to_owned(), (*unit).to_owned());
            Some((name.clone(), Provider { name, title, unit, credentials, estimate: *estimate }))
        });
        Self(built_in.collect())
    }
}

impl Providers {
    /// Adds a provider, or replaces the one of the same name.
    #[must_use]
    pub fn with(mut self, provider: Provider) -> Self {
        self.0.insert(provider.name.clone(), provider);
        self
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &ProviderName) -> Option<&Provider> {
        self.0.get(name)
    }

    /// What is reserved for a job of unknown size with the provider of this name; with one that is not there any more, 1.
    #[must_use]
    pub fn estimate(&self, name: &ProviderName) -> i64 {
        self.0.get(name).map_or(1, |provider| provider.estimate)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.values()
    }

    /// Whether a credential with these fields fits the provider.
    ///
    /// # Errors
    /// [`Refusal::UnknownProvider`], or [`Refusal::InvalidCredentialFields`] with what is expected.
    pub fn accept<'a>(&self, name: &ProviderName, fields: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
        let provider = self.0.get(name).ok_or(Refusal::UnknownProvider)?;
        let fields: Vec<&str> = fields.collect();
        let fits = |form: &CredentialForm| {
            form.required.iter().all(|required| fields.contains(&required.as_str()))
                && fields.iter().all(|field| form.required.iter().chain(&form.optional).any(|known| known == field))
        };
        if provider.credentials.iter().any(fits) {
            return Ok(());
        }
        let expected: Vec<String> = provider
            .credentials
            .iter()
            .map(|form| {
                let optional = form.optional.iter().map(|field| format!("{field}?"));
                form.required.iter().cloned().chain(optional).collect::<Vec<_>>().join(", ")
            })
            .collect();
        Err(Refusal::InvalidCredentialFields(format!("{name} takes {{{}}}", expected.join("} or {"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(provider: &str, fields: &[&str]) -> Result<(), Refusal> {
        Providers::default().accept(&provider.parse().unwrap(), fields.iter().copied())
    }

    #[test]
    fn all_built_in_providers_are_there() {
        let names: Vec<_> = Providers::default().iter().map(|provider| provider.name.to_string()).collect();
        assert_eq!(names, ["aws", "dwave", "fujitsu", "ibm", "ionq", "qctrl"]);
    }

    #[test]
    fn fields_must_be_the_providers() {
        assert_eq!(accept("dwave", &["token"]), Ok(()));
        assert_eq!(accept("aws", &["token"]), Ok(()));
        assert_eq!(accept("aws", &["access_key_id", "secret_access_key", "session_token"]), Ok(()));
        assert_eq!(accept("nobody", &["token"]), Err(Refusal::UnknownProvider));
        assert!(accept("dwave", &["token", "more"]).is_err());
        assert_eq!(
            accept("aws", &["access_key_id"]),
            Err(Refusal::InvalidCredentialFields(
                "aws takes {access_key_id, secret_access_key, session_token?, results_bucket?} or {token, results_bucket?}".to_owned()
            ))
        );
    }
}
