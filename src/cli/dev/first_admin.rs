//! `first-admin.json`: how to get in after the first start.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::authorization::Grant;
use crate::cli::Failure;
use crate::cli::bootstrap::{FirstAdmin, Prepared};
use crate::domain::OrganizationId;
use crate::repository::Repository;

/// The file, readable by its owner only.
pub struct FirstAdminFile {
    /// Where it is.
    pub path: PathBuf,
}

/// Who the first admin is until somebody says otherwise. (The address is one that every client takes for valid.)
const EMAIL: &str = "admin@example.com";

#[derive(Serialize, Deserialize)]
struct Content {
    base_url: Option<String>,
    organization_id: Option<OrganizationId>,
    email: String,
    password: String,
    api_key: String,
}

impl FirstAdminFile {
    /// The file in this data directory.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("first-admin.json") }
    }

    /// Bootstraps on the first start. The file is written first, so that a first start that is killed half-way has
    /// either told the password or not set it.
    pub async fn bootstrap(&self, repository: &Repository) -> Result<(), Failure> {
        if repository.root().await?.is_some() {
            return Ok(());
        }
        let first = FirstAdmin {
            email: EMAIL.parse()?,
            given_name: "First".parse()?,
            family_name: "Admin".parse()?,
            organization: "Luna".parse()?,
        };
        let prepared = Prepared::new(first, None).await?;
        self.write(&Content {
            base_url: None,
            organization_id: None,
            email: EMAIL.to_owned(),
            password: prepared.password.unwrap_or_default(),
            api_key: prepared.api_key,
        })?;
        repository.bootstrap(&Grant::command_line(), &prepared.new).await?;
        Ok(())
    }

    /// Notes where the service is this time. Somebody who has removed the file has learnt what is in it.
    pub async fn note(&self, base_url: &str, repository: &Repository) -> Result<(), Failure> {
        let Ok(text) = tokio::fs::read(&self.path).await else { return Ok(()) };
        let content: Content = serde_json::from_slice(&text)?;
        let organization_id = repository.root().await?;
        self.write(&Content { base_url: Some(base_url.to_owned()), organization_id, ..content })
    }

    /// Replaces the file as a whole: a reader sees the old one or the new one.
    fn write(&self, content: &Content) -> Result<(), Failure> {
        let draft = self.path.with_extension("json.new");
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(content)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.path)?;
        Ok(())
    }
}
