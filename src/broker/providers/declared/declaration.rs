//! What an operator says of a provider's API: `[providers.<name>]` in the configuration, explained in `config.example.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::JobKind;

/// A provider's API, as far as members may use it.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'a> {
    /// Where it is.
    pub base_url: &'a str,
    /// The header that clients put their token into; after a colon the scheme in front of it.
    pub key_header: &'a str,
    /// The headers that the provider gets, as templates of the credential's fields.
    pub headers: &'a BTreeMap<String, String>,
    /// The body of a refusal, as a template of `status`, `code` and `message`.
    pub error: Option<&'a str>,
    /// What is allowed.
    pub operations: &'a [OperationDeclaration],
    /// The names of the credential's fields.
    pub fields: &'a [&'a str],
}

/// One allowed operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationDeclaration {
    /// What it is called in the audit log and in `GET /v1/providers`.
    pub name: String,
    /// The method.
    pub method: DeclaredMethod,
    /// The path below the base.
    pub path: String,
    /// What it does.
    #[serde(default)]
    pub effect: DeclaredEffect,
    /// What a submission makes.
    #[serde(default)]
    pub makes: DeclaredKind,
    /// JSON pointer to the id of what was submitted, in the answer.
    #[serde(default)]
    pub id: Option<String>,
    /// What is submitted uses this, in the provider's unit; otherwise an operation with `usage` tells.
    #[serde(default)]
    pub amount: Option<i64>,
    /// JSON pointers to ids in the request's body that must be the caller's.
    #[serde(default)]
    pub body_ids: BTreeMap<DeclaredKind, String>,
    /// Parameters of the query that are ids that must be the caller's.
    #[serde(default)]
    pub query_ids: BTreeMap<DeclaredKind, String>,
    /// The list that the answer is.
    #[serde(default)]
    pub list: Option<ListDeclaration>,
    /// Where the answer tells what was used.
    #[serde(default)]
    pub usage: Option<UsageDeclaration>,
    /// Whether no key is needed.
    #[serde(default)]
    pub anonymous: bool,
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeclaredMethod {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredEffect {
    /// Nothing that the ledger would have to know.
    #[default]
    Read,
    /// Makes a job, session or upload.
    Submit,
    /// Cancels.
    Cancel,
    /// Deletes for good; what was used is asked for before.
    Delete,
}

/// What a member can have at a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredKind {
    /// A job.
    #[default]
    Job,
    /// A time in which the hardware is kept for its jobs.
    Session,
    /// Data for jobs to come.
    Upload,
}

impl From<DeclaredKind> for JobKind {
    fn from(kind: DeclaredKind) -> Self {
        match kind {
            DeclaredKind::Job => Self::Job,
            DeclaredKind::Session => Self::Session,
            DeclaredKind::Upload => Self::Upload,
        }
    }
}

/// A list in an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDeclaration {
    /// JSON pointer to the array.
    pub items: String,
    /// JSON pointer to the id in each item.
    pub id: String,
    /// What the items are.
    #[serde(default)]
    pub kind: DeclaredKind,
    /// JSON pointers to numbers of items.
    #[serde(default)]
    pub counts: Vec<String>,
}

/// Where an answer tells what a job, session or upload has used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageDeclaration {
    /// JSON pointer to a number, or to text that is one.
    #[serde(default)]
    pub value: Option<String>,
    /// What stands behind the number in such a text.
    #[serde(default)]
    pub suffix: String,
    /// JSON pointers to two times (RFC 3339) whose distance in seconds is the number.
    #[serde(default)]
    pub from: Option<String>,
    /// The later of the two.
    #[serde(default)]
    pub until: Option<String>,
    /// What the number is multiplied by.
    #[serde(default = "one")]
    pub scale: f64,
    /// JSON pointer to the state.
    #[serde(default)]
    pub status: Option<String>,
    /// States in which the number is final.
    #[serde(default)]
    pub done: Vec<String>,
    /// States in which it is final as well, and nothing was used if it is not there.
    #[serde(default)]
    pub failed: Vec<String>,
}

impl UsageDeclaration {
    /// All that is looked at of an answer.
    pub fn pointers(&self) -> impl Iterator<Item = &String> {
        [&self.value, &self.from, &self.until, &self.status].into_iter().flatten()
    }
}

const fn one() -> f64 {
    1.0
}
