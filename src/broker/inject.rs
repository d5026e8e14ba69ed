//! Phase 3: the request to the provider, built from scratch. The credential is opened here, put in, and closed again; what
//! stays of it are the needles that the answer is searched for.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::Broker;
use super::adapter::{Adapter, Outgoing, Secrets};
use super::body::{Moved, Timed, Unreadable, full, read};
use super::clean::Needles;
use super::denial::Denial;
use super::exchange::{Exchanged, LastExchange};
use super::head::Head;
use super::rule::{Operation, Passage};
use crate::vault::{Binding, OpeningProof, SealedCredential};

/// Headers that ask for a part of an answer. They go on only where a rule says so: half a credential would not be found.
const PARTS: [HeaderName; 2] = [header::IF_RANGE, header::RANGE];

/// Headers that go on to every provider. All that says who the client is, where it comes from or what it would like the next hop to
/// do stays here.
const PASSED: [HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
];

/// Longest answer to an exchange, in bytes.
const LONGEST_EXCHANGE: usize = 64 * 1024;

/// A request with its credential, and what must not come back.
pub(super) struct Injected {
    pub(super) outgoing: Outgoing,
    pub(super) needles: Arc<Needles>,
    /// The temporary token that went along, to be forgotten if the provider does not take it.
    pub(super) exchanged: Option<Arc<Exchanged>>,
}

/// The body of a request, as far as its head must tell of it.
pub(super) struct Sent {
    /// The body, if it was read.
    pub(super) bytes: Option<Bytes>,
    /// Whether it is the one that came, in its coding.
    pub(super) as_it_came: bool,
}

/// A request without a credential.
pub(super) fn build(adapter: &dyn Adapter, operation: &Operation, head: &Head<'_>, sent: Sent) -> Outgoing {
    let mut headers = HeaderMap::with_capacity(16);
    let particular = adapter.passes().iter().map(|name| HeaderName::from_static(name));
    let parts = PARTS.into_iter().filter(|_| operation.rule.in_parts);
    for name in PASSED.into_iter().chain(parts).chain(particular) {
        for value in head.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if sent.as_it_came {
        for coding in head.headers.get_all(header::CONTENT_ENCODING) {
            headers.append(header::CONTENT_ENCODING, coding.clone());
        }
        // As announced, so that a body that is passed on as it comes is not cut in chunks.
        if let Some(length) = head.headers.get(header::CONTENT_LENGTH).filter(|_| sent.bytes.is_none()) {
            headers.insert(header::CONTENT_LENGTH, length.clone());
        }
    }
    // What was read as JSON must be taken for that at the other end, too, and in no other character set.
    let was_read =
        operation.rule.request == Some(Passage::Whole) && sent.bytes.as_ref().is_some_and(|bytes| !bytes.is_empty());
    if operation.rule.request.is_none() {
        headers.remove(header::CONTENT_TYPE);
        // Methods that may have a body say that they have none (RFC 9110, section 8.6).
        if [Method::POST, Method::PUT, Method::PATCH].contains(head.method) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
    if was_read && !is_plain_json(&headers) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let url = format!("{}/{}", adapter.base(operation), operation.target);
    Outgoing { method: head.method.clone(), url, headers, body: sent.bytes }
}

/// Whether there is one type, and it says JSON in UTF-8 and nothing else.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let kind = kind.trim_ascii().to_ascii_lowercase();
    let is_json = kind == "application/json"
        || kind.starts_with("application/") && (kind.ends_with("+json") || kind.contains("-json-"));
    let parameters = parameters.to_ascii_lowercase().replace([' ', '\t', '"'], "");
    let mut sets = parameters.split(';').filter_map(|parameter| parameter.strip_prefix("charset="));
    is_json && sets.all(|set| set == "utf-8")
}

impl Broker {
    /// Puts the credential into a request that is otherwise ready.
    pub(super) async fn inject(
        &self,
        adapter: &dyn Adapter,
        operation: &mut Operation,
        mut outgoing: Outgoing,
        binding: &Binding,
        sealed: &SealedCredential,
    ) -> Result<Injected, Denial> {
        let exchanged = self.exchanged(adapter, binding, sealed).await?;
        let text = exchanged.as_deref().map(Exchanged::text);
        let proof = OpeningProof::for_use_of_a_token();
        let opened = self.repository.vault().open(binding, sealed, &proof, |credential| {
            if let Some(place) = adapter.pinned(credential) {
                operation.place = place;
            }
            adapter.inject(operation, &mut outgoing, &Secrets { credential, exchanged: text })?;
            Some(Needles::new(adapter.secrets(credential).into_iter().chain(text)))
        });
        let needles = opened.await.map_err(crate::repository::Error::from)?.ok_or_else(|| unfit(adapter))?;
        Ok(Injected { outgoing, needles: Arc::new(needles), exchanged })
    }

    /// The temporary token that the credential was exchanged for, if this provider wants one.
    async fn exchanged(
        &self,
        adapter: &dyn Adapter,
        binding: &Binding,
        sealed: &SealedCredential,
    ) -> Result<Option<Arc<Exchanged>>, Denial> {
        if !adapter.exchanges() {
            return Ok(None);
        }
        let slot = self.exchanges.slot((binding.token, binding.secret_version));
        let mut last = slot.lock().await;
        if let Some(token) = last.now()? {
            return Ok(Some(token));
        }
        let fetched = timeout(self.patience.exchange, Box::pin(self.fetch(adapter, binding, sealed))).await;
        match fetched.unwrap_or_else(|_| Err(super::upstream::Failure::TimedOut.into())) {
            Ok(token) => {
                let token = Arc::new(token);
                *last = LastExchange::Token(Arc::clone(&token));
                Ok(Some(token))
            }
            Err(denial) => {
                *last = LastExchange::failed(denial.clone());
                Err(denial)
            }
        }
    }

    async fn fetch(
        &self,
        adapter: &dyn Adapter,
        binding: &Binding,
        sealed: &SealedCredential,
    ) -> Result<Exchanged, Denial> {
        let unreachable = |message: String| Denial::new(StatusCode::BAD_GATEWAY, "provider_unreachable", message);
        let proof = OpeningProof::for_use_of_a_token();
        let opened = self.repository.vault().open(binding, sealed, &proof, |credential| adapter.exchange(credential));
        let mut outgoing = opened.await.map_err(crate::repository::Error::from)?.ok_or_else(|| unfit(adapter))?;
        let body = full(outgoing.body.take().unwrap_or_default());
        let answer = self.upstream.send(outgoing, body, &Moved::new()).await;
        let answer = answer.map_err(|failure| unreachable(failure.to_string()))?;
        let status = answer.status();
        let body = Timed::new(answer.into_body(), self.patience.idle, Moved::new()).boxed_unsync();
        let improper = || unreachable("the provider gave no proper answer".to_owned());
        let body = read(body, LONGEST_EXCHANGE).await.map_err(|_: Unreadable| improper())?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unreachable("the provider gives no temporary tokens at the moment".to_owned()));
        }
        if status.is_client_error() {
            return Err(refused_by_provider());
        }
        // Nobody has refused the credential: there is nothing that an admin could replace.
        let token = status.is_success().then(|| serde_json::from_slice(&body).ok()).flatten();
        let (text, lifetime) = token.and_then(|answer| adapter.exchanged(&answer)).ok_or_else(improper)?;
        Ok(Exchanged::new((binding.token, binding.secret_version), text, lifetime))
    }
}

fn unfit(adapter: &dyn Adapter) -> Denial {
    Denial::new(StatusCode::FORBIDDEN, "credential_unfit", adapter.unfit())
}

/// The provider does not take the organization's credential.
pub(super) fn refused_by_provider() -> Denial {
    let message =
        "the provider does not accept the organization's credential; an admin of the organization can replace it";
    Denial::new(StatusCode::FORBIDDEN, "credential_refused", message)
}
