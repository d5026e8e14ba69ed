//! IBM Quantum: the Compute API (`quantum.cloud.ibm.com/docs/api/qiskit-runtime-rest`), and what its client asks for before it
//! gets there: a temporary token from IAM, the account's instances from Global Search, their plans from the Global Catalog.
//!
//! Members exchange their Luna API key for a pass of ours, never for a token of IBM's; that one stays with the broker.

mod answers;
mod bodies;
mod iam;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Addresses, base, json_denial, keys};
use crate::authentication::{Passes, UseKey};
use crate::broker::adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Operation, Rule};
use crate::domain::{JobKind, JobReference};
use crate::vault::OpenedCredential;

const SERVICE_CRN: HeaderName = HeaderName::from_static("service-crn");
const API_VERSION: HeaderName = HeaderName::from_static("ibm-api-version");

/// What the broker's own requests are understood by.
const OWN_VERSION: HeaderValue = HeaderValue::from_static("2026-04-15");

/// Fields of the credential that name the instance. Not secret.
const INSTANCE: [&str; 3] = ["crn", "service_crn", "instance"];

const API: &str = "https://quantum.cloud.ibm.com";
const API_IN_GERMANY: &str = "https://eu-de.quantum.cloud.ibm.com/api/v1";

/// IBM's service.
pub struct Ibm {
    api: String,
    /// Where instances of `eu-de` are, unless the operator has said where all are.
    germany: Option<&'static str>,
    iam: String,
    search: String,
    catalog: String,
    allowed: AllowList,
    passes: Arc<Passes>,
}

impl Ibm {
    /// At `base_url`, `iam_url`, `search_url` and `catalog_url`, by default IBM's own.
    #[must_use]
    pub fn new(addresses: &Addresses, passes: Arc<Passes>) -> Self {
        Self {
            api: base(addresses, "base_url", API, "/api/v1"),
            germany: (!addresses.contains_key("base_url")).then_some(API_IN_GERMANY),
            iam: base(addresses, "iam_url", "https://iam.cloud.ibm.com", ""),
            search: base(addresses, "search_url", "https://api.global-search-tagging.cloud.ibm.com", ""),
            catalog: base(addresses, "catalog_url", "https://globalcatalog.cloud.ibm.com", "/api/v1"),
            allowed: rules::allowed(),
            passes,
        }
    }

    /// A pass, or a key itself.
    fn presented(&self, text: &str) -> Result<UseKey, Denial> {
        let text = text.trim_ascii();
        if text.starts_with("ey") {
            return self.passes.verify(text).map_err(|_| {
                let message = "this token is not one of Luna Organizations', or it has expired";
                Denial { message: message.to_owned(), ..Denial::no_key() }
            });
        }
        keys::parse(text)
    }
}

/// The instance that a credential is for, if it names one.
fn instance(credential: &OpenedCredential) -> Option<&str> {
    INSTANCE.iter().find_map(|field| credential.get(field)).map(str::trim_ascii)
}

/// Whether a text names an instance (`cloud.ibm.com/docs/account?topic=account-crn`).
fn is_crn(text: &str) -> bool {
    text.starts_with("crn:")
        && (9..=12).contains(&text.split(':').count())
        && text.len() <= 512
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Adapter for Ibm {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        let given = head.authorization("bearer").or_else(|| head.authorization("apikey"));
        given.map_or_else(|| keys::first(head, &[]), |text| Some(self.presented(text)))
    }

    fn key_in(&self, _: &Operation, content: &Content) -> Option<Result<UseKey, Denial>> {
        iam::key_in(&content.decoded().ok()?)
    }

    fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        let mut operation = self.allowed.operation(head)?;
        if !rules::knows_parameters(&operation, head) {
            return None;
        }
        let sessions = head.parameters().filter(|(name, _)| name == "session_id");
        operation.jobs.extend(sessions.map(|(_, id)| JobReference::session(id)));
        // What has been made is found where it was made.
        if operation.rule.upstream == "api" && operation.jobs.is_empty() {
            let given = head.header(SERVICE_CRN).map(str::trim_ascii).filter(|crn| is_crn(crn));
            given.unwrap_or_default().clone_into(&mut operation.place);
        }
        Some(operation)
    }

    fn prepare(&self, operation: &mut Operation, _: &Caller, content: &mut Content) -> Result<(), Denial> {
        bodies::check(operation, content)
    }

    fn answer_here(&self, _: &Operation, caller: &Caller, _: &Content) -> Result<Response<Bytes>, Denial> {
        iam::token(&self.passes, caller)
    }

    fn base(&self, operation: &Operation) -> &str {
        let in_germany = operation.place.split(':').nth(5) == Some("eu-de");
        match &*operation.rule.upstream {
            "search" => &self.search,
            "catalog" => &self.catalog,
            "iam" => &self.iam,
            _ => self.germany.filter(|_| in_germany).unwrap_or(&self.api),
        }
    }

    fn passes(&self) -> &'static [&'static str] {
        &["ibm-api-version", "x-qx-client-application"]
    }

    fn is_secret(&self, field: &str) -> bool {
        !INSTANCE.contains(&field)
    }

    fn pinned(&self, credential: &OpenedCredential) -> Option<String> {
        instance(credential).map(ToOwned::to_owned)
    }

    fn exchanges(&self) -> bool {
        true
    }

    fn exchange(&self, credential: &OpenedCredential) -> Option<Outgoing> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (url, body) = (format!("{}/identity/token", self.iam), iam::form(credential.get("token")?));
        Some(Outgoing { method: Method::POST, url, headers, body: Some(body.into()) })
    }

    fn exchanged(&self, answer: &Value) -> Option<(Zeroizing<String>, Duration)> {
        let token = Zeroizing::new(answer.get("access_token")?.as_str()?.to_owned());
        Some((token, Duration::from_secs(answer.get("expires_in")?.as_u64()?)))
    }

    fn inject(&self, operation: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        // A credential for one instance is for that one; one that says so badly is for none.
        if instance(secrets.credential).is_some_and(|crn| !is_crn(crn)) {
            return None;
        }
        let mut token = HeaderValue::from_str(&format!("Bearer {}", secrets.exchanged?)).ok()?;
        token.set_sensitive(true);
        outgoing.headers.insert(header::AUTHORIZATION, token);
        outgoing.headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if operation.rule.upstream == "api" {
            outgoing.headers.entry(API_VERSION).or_insert(OWN_VERSION);
            if !operation.place.is_empty() {
                outgoing.headers.insert(SERVICE_CRN, HeaderValue::from_str(&operation.place).ok()?);
            }
            // The instance may be another than the client has said, and elsewhere.
            outgoing.url = format!("{}/{}", self.base(operation), operation.target);
            bodies::pin(operation, outgoing)?;
        }
        Some(())
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        if !status.is_success() {
            return Learned { gone: status == StatusCode::NOT_FOUND, ..Learned::default() };
        }
        answers::learn(operation, answer)
    }

    fn settle(&self, job: &JobReference, place: &str) -> Option<Operation> {
        let get = |path, name| Rule::new(Method::GET, "api", path, name);
        let (rule, target) = match job.kind {
            JobKind::Job => {
                let rule = get("jobs/{job}/metrics", "jobs:metrics").meters(answers::JOB_TELLS);
                (rule, format!("jobs/{}/metrics", job.id))
            }
            JobKind::Session => {
                let rule = get("sessions/{session}", "sessions:read").meters(answers::SESSION_TELLS);
                (rule, format!("sessions/{}", job.id))
            }
            JobKind::Upload | JobKind::Lease => return None,
        };
        let mut operation = Operation::own(rule, target, place);
        operation.jobs.insert(job.clone());
        Some(operation)
    }

    fn deny(&self, head: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        if head.path.trim_end_matches('/').ends_with("identity/token") {
            return iam::deny(denial);
        }
        let error = json!({
            "code": denial.status.as_u16(), "message": denial.message, "solution": "", "more_info": denial.code,
        });
        json_denial(denial, &json!({"errors": [error], "trace": ""}))
    }

    fn addresses(&self) -> Vec<(String, String)> {
        let mut all = vec![(self.api.clone(), "api/v1".to_owned())];
        all.extend(self.germany.map(|address| (address.to_owned(), "api/v1".to_owned())));
        for (address, path) in [(&self.iam, "iam"), (&self.search, "search"), (&self.catalog, "catalog")] {
            all.push((address.clone(), path.to_owned()));
        }
        all
    }
}
