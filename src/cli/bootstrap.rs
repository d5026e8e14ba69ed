//! `luna-organizations bootstrap`: the root organization and its first admin.

use std::path::PathBuf;

use serde::Serialize;
use zeroize::Zeroizing;

use super::configuration::Configuration;
use super::{ConfigurationFile, Failure, print, service};
use crate::authentication::{ApiKey, NewPassword, PasswordHasher, generate_password};
use crate::authorization::Grant;
use crate::domain::{EmailAddress, KeyName, KeyScope, Organization, OrganizationName, PersonName};
use crate::repository::{Bootstrap, NewApiKey};

/// `bootstrap …`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    #[command(flatten)]
    first: FirstAdmin,
    /// A file that holds the admin's password; without it one is made up and printed
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Who the first admin is, and of what.
#[derive(Debug, Clone, clap::Args)]
pub struct FirstAdmin {
    /// The admin's e-mail address
    #[arg(long)]
    pub email: EmailAddress,
    /// The admin's given name
    #[arg(long)]
    pub given_name: PersonName,
    /// The admin's family name
    #[arg(long)]
    pub family_name: PersonName,
    /// Name of the root organization
    #[arg(long)]
    pub organization: OrganizationName,
}

/// What bootstrap prints. The only appearance of the key, and of a password that was made up.
#[derive(Serialize)]
struct Bootstrapped {
    organization: Organization,
    user: AdminSummary,
    api_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// The first admin.
#[derive(Serialize)]
struct AdminSummary {
    id: crate::domain::UserId,
    email: EmailAddress,
    given_name: PersonName,
    family_name: PersonName,
}

/// Bootstraps and prints what was made.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let configuration = Configuration::load(arguments.file.config.as_deref())?;
    super::logging::start(&configuration)?;
    let password = match &arguments.password_file {
        None => None,
        Some(file) => {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.map_err(|error| format!("--password-file {}: {error}", file.display()))?;
            Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    };
    let repository = service::repository(&configuration)?;
    service::expect_current_schema(&repository).await?;
    let prepared = Prepared::new(arguments.first, password).await?;
    let (organization, id) = repository.bootstrap(&Grant::command_line(), &prepared.new).await?;
    repository.close().await;
    let Bootstrap { email, given_name, family_name, .. } = prepared.new;
    let user = AdminSummary { id, email, given_name, family_name };
    let (api_key, password) = (prepared.api_key, prepared.password);
    Ok(print(&serde_json::to_string_pretty(&Bootstrapped { organization, user, api_key, password })?)?)
}

/// All that a bootstrap needs, before anything is stored.
pub struct Prepared {
    /// What is to be stored.
    pub new: Bootstrap,
    /// The first API key.
    pub api_key: String,
    /// The password, if it was made up.
    pub password: Option<String>,
}

impl Prepared {
    /// Makes the key, and the password if none is given.
    pub async fn new(first: FirstAdmin, password: Option<Zeroizing<String>>) -> Result<Self, Failure> {
        let made_up = match password {
            Some(_) => None,
            None => Some(generate_password()?.to_string()),
        };
        let typed = password.map(|password| password.to_string()).or_else(|| made_up.clone()).unwrap_or_default();
        let password = PasswordHasher::new()?.hash(NewPassword::new(typed)?).await?;
        let key = ApiKey::generate()?;
        let api_key = NewApiKey {
            id: key.id(),
            digest: key.digest(),
            name: "bootstrap".parse::<KeyName>()?,
            scope: KeyScope::Full,
            organization: None,
            expires_at: None,
        };
        let FirstAdmin { email, given_name, family_name, organization } = first;
        let new = Bootstrap { organization, email, given_name, family_name, password, api_key };
        Ok(Self { new, api_key: key.into_text().to_string(), password: made_up })
    }
}
