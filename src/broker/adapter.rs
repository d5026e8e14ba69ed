//! What is particular to one provider, behind one narrow trait. Everything else is the same for all.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;
use zeroize::Zeroizing;

use super::content::Content;
use super::denial::Denial;
use super::head::Head;
use super::rule::{AllowList, Operation};
use crate::authentication::UseKey;
use crate::domain::{Created, JobReference, QpuTokenId, Timestamp, UserId};
use crate::vault::OpenedCredential;

/// A hardware provider, as the broker sees it. No method reaches the network or the database.
pub trait Adapter: Send + Sync {
    /// The member's key, from where the provider's client puts its token. `None` if there is none, an error if what is there
    /// is no key.
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>>;

    /// The member's key, for operations of which the rule says that it is in the request's body.
    fn key_in(&self, _operation: &Operation, _content: &Content) -> Option<Result<UseKey, Denial>> {
        None
    }

    /// What is allowed.
    fn allowed(&self) -> &AllowList;

    /// The operation that a request asks for, if it is allowed: what the allow-list says, and what else the request names.
    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        self.allowed().operation(head)
    }

    /// Reads and changes a request's body that the rule wants as a whole: finds what it names ([`Operation::jobs`]) and
    /// what it submits ([`Operation::estimates`]; one submission of unknown size if nothing is said).
    fn prepare(&self, _operation: &mut Operation, _caller: &Caller, _content: &mut Content) -> Result<(), Denial> {
        Ok(())
    }

    /// Answers an operation that never reaches the provider. `content` is the request's body.
    fn answer_here(
        &self,
        _operation: &Operation,
        _caller: &Caller,
        _content: &Content,
    ) -> Result<Response<Bytes>, Denial> {
        Err(Denial::not_allowed())
    }

    /// Where an upstream of this provider is, without a slash at the end. Comes from the configuration, never from a request;
    /// `operation.place` may choose between several.
    fn base(&self, operation: &Operation) -> &str;

    /// Request headers that go on to the provider, besides those that go on to all; in lower case.
    fn passes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Response headers that go on to the client, besides those that go on from all; in lower case.
    fn returns(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a field of the credential is secret. What is not may stand in answers.
    fn is_secret(&self, _field: &str) -> bool {
        true
    }

    /// What of the credential must not stand in answers.
    fn secrets<'a>(&self, credential: &'a OpenedCredential) -> Vec<&'a str> {
        credential.fields().filter(|(field, _)| self.is_secret(field)).map(|(_, value)| value).collect()
    }

    /// What is wrong when [`Adapter::inject`] or [`Adapter::exchange`] cannot use the credential, for people.
    fn unfit(&self) -> &'static str {
        "the stored credential does not fit this request; an admin of the organization can replace it"
    }

    /// Whether an answer with this status says that the provider does not take the credential, or not for this. The client gets
    /// a denial in its place: the provider's own may tell whose credential it is.
    fn is_refusal(&self, status: StatusCode) -> bool {
        status == StatusCode::UNAUTHORIZED
    }

    /// The place that the credential is for, where it is for one only. It takes the place of [`Operation::place`].
    fn pinned(&self, _credential: &OpenedCredential) -> Option<String> {
        None
    }

    /// Whether the provider takes temporary tokens only.
    fn exchanges(&self) -> bool {
        false
    }

    /// For providers that take temporary tokens only: the request that fetches one for the credential.
    fn exchange(&self, _credential: &OpenedCredential) -> Option<Outgoing> {
        None
    }

    /// The temporary token in the answer to [`Adapter::exchange`], and how long it is good.
    fn exchanged(&self, _answer: &Value) -> Option<(Zeroizing<String>, Duration)> {
        None
    }

    /// Puts the credential in. The last thing that is done to a request; `None` if the credential does not fit. A body that was
    /// read may be changed here, if it depends on the credential.
    #[must_use]
    fn inject(&self, operation: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()>;

    /// Reads an answer that the rule wants watched or whole, and changes it if the rule allows it. Of one that is watched, or that
    /// is asked for by the worker, there is only what the rule [tells](super::Rule::tells), and arrays may be objects with positions as
    /// names. Lists of jobs are filtered elsewhere.
    fn learn(&self, _operation: &Operation, _status: StatusCode, _answer: &mut Value) -> Learned {
        Learned::default()
    }

    /// The request that finds out what a job has used; what its rule tells goes to [`Adapter::learn`]. `None` if there is no such.
    fn settle(&self, _job: &JobReference, _place: &str) -> Option<Operation> {
        None
    }

    /// A denial in the provider's own shape, so that its client shows a clear message.
    fn deny(&self, head: &Head<'_>, denial: &Denial) -> Response<Bytes>;

    /// Absolute addresses of the provider in answers, and the paths below the token's address that take their place.
    fn addresses(&self) -> Vec<(String, String)>;
}

/// Who asks, as far as an adapter needs to know.
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The token that is used.
    pub token: QpuTokenId,
    /// The key that was presented.
    pub key: UseKey,
    /// The token's address as the client sees it, without a slash at the end.
    pub address: String,
    /// When.
    pub now: Timestamp,
}

/// A request to the provider, without its body.
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Where to: base, path and query.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, where it was read; streamed otherwise.
    pub body: Option<Bytes>,
}

/// What may be put into a request.
pub struct Secrets<'a> {
    /// The stored credential.
    pub credential: &'a OpenedCredential,
    /// The temporary token that it was exchanged for.
    pub exchanged: Option<&'a str>,
}

/// What an answer has told.
#[derive(Debug, Default)]
pub struct Learned {
    /// What became of what was submitted, in the order of the submission.
    pub created: Vec<Created>,
    /// Jobs that are over, with what they used in the provider's native unit.
    pub used: Vec<(JobReference, i64)>,
    /// A job with the jobs that it consists of, or the place that its results are in, where those have names of their own: they
    /// belong to whoever it belongs to, and what they used is part of what it used.
    pub parts: Option<(JobReference, Vec<JobReference>)>,
    /// Jobs that the provider does not know.
    pub gone: bool,
    /// Whether the answer was changed.
    pub changed: bool,
}
