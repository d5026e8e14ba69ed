//! The way to the providers: pooled HTTP/1.1 connections over TLS, bounded in time. Follows no redirect.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::adapter::Outgoing;
use super::body::{Body, Moved};
use super::denial::Denial;
use super::patience::Patience;

/// Longest head of an answer, in bytes.
const LONGEST_HEAD: usize = 128 * 1024;

/// How long an idle connection is kept. Shorter than the minute that servers commonly keep it.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request cannot be sent.
    #[error("the address is not one that can be asked for")]
    Address,
    /// The provider was not reached: it has seen nothing of the request.
    #[error("the provider cannot be reached")]
    NotReached,
    /// The provider was reached and gave no answer that could be understood.
    #[error("the provider broke off or gave no proper answer")]
    BrokenOff,
    /// The client sent half of its request, and so the provider has got no more of it.
    #[error("the content ended early, or took too long")]
    HalfSent,
    /// The provider was reached and gave no answer in time.
    #[error("the provider did not answer in time")]
    TimedOut,
}

impl From<Failure> for Denial {
    fn from(failure: Failure) -> Self {
        let (status, code) = match failure {
            Failure::Address => (StatusCode::BAD_REQUEST, "invalid_request"),
            Failure::NotReached => (StatusCode::BAD_GATEWAY, "provider_unreachable"),
            Failure::BrokenOff => (StatusCode::BAD_GATEWAY, "provider_broke_off"),
            Failure::HalfSent => (StatusCode::BAD_REQUEST, "incomplete_body"),
            Failure::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "provider_timed_out"),
        };
        Self::new(status, code, failure.to_string())
    }
}

/// Connections to the providers.
pub struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    patience: Patience,
}

impl Upstream {
    /// No connections yet. Trusts what the system trusts; on a system that trusts nobody, Mozilla's list.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(patience.connection));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new();
        let tls = tls.with_native_roots().unwrap_or_else(|error| {
            tracing::warn!(%error, "the system has no root certificates; using Mozilla's");
            HttpsConnectorBuilder::new().with_webpki_roots()
        });
        let https = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .http1_max_buf_size(LONGEST_HEAD)
            .build(https);
        Self { client, patience }
    }

    /// Sends a request. The time for an answer counts from now, or from when the request's body last `moved`.
    pub async fn send(&self, outgoing: Outgoing, body: Body, moved: &Moved) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(outgoing.method).uri(outgoing.url);
        if let Some(headers) = request.headers_mut() {
            *headers = outgoing.headers;
        }
        let began = Instant::now();
        let deadline = || moved.last().max(began) + self.patience.answer;
        let mut answer = std::pin::pin!(self.client.request(request.body(body).map_err(|_| Failure::Address)?));
        loop {
            let until = deadline();
            match timeout_at(until, answer.as_mut()).await {
                // Nobody has asked to switch protocols.
                Ok(Ok(answer)) if answer.status().is_informational() => return Err(Failure::BrokenOff),
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if error.is_connect() => return Err(Failure::NotReached),
                Ok(Err(_)) if moved.is_broken() => return Err(Failure::HalfSent),
                Ok(Err(_)) => return Err(Failure::BrokenOff),
                Err(_) if deadline() > until => {}
                Err(_) => return Err(Failure::TimedOut),
            }
        }
    }
}

/// An answer's frames as the broker passes them on.
pub(super) fn boxed(body: Incoming) -> Body {
    body.map_err(Into::into).boxed_unsync()
}
