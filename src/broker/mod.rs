//! Using a token without reading it. A member points the provider's own client at the token's address and presents the own Luna
//! API key; the request goes through six phases, a file each:
//!
//! 1. [`admit`](admit): whose key is it, may this user use this token, is the operation allowed, are the jobs the caller's;
//! 2. [`prepare`](prepare): read what the request submits, reserve room in the limits;
//! 3. [`inject`](inject): build the request to the provider from scratch and put the real credential in, at the last moment;
//! 4. [`forward`](forward): send it, follow nothing;
//! 5. [`meter`](meter): learn which jobs were made and what they used, book it once;
//! 6. [`answer`](answer): give back what the allow-list of headers lets through, with every trace of the credential removed.
//!
//! A request is one future, as large as the largest of its branches, and is moved several times. What few requests need is boxed.
//!
//! What may have become of a request that got no answer is in [`failed`](failed).
//!
//! What is particular to a provider is behind [`Adapter`], in [`providers`]. Beside the phases, [`settle`](settle) asks
//! about jobs that nobody comes back for, [`pages`](pages) puts a member's list together from the provider's pages ([`turned`](turned)),
//! [`exchange`](exchange) keeps temporary tokens, [`ledger`](ledger) writes down later what the database does not take now,
//! [`tally`](tally) counts, and [`redemption`](redemption) gives a solver the credential for a lease. Three rooms have walls of their own: [`clean`](clean) removes the credential from what passes,
//! [`usage`](usage) finds out in passing what a job used, and [`room`](room) is what one request may take of everybody's machine.

mod adapter;
mod address;
mod admit;
mod answer;
mod body;
mod clean;
mod content;
mod denial;
mod exchange;
mod failed;
mod forward;
mod head;
mod inject;
mod json;
mod ledger;
mod meter;
mod pages;
mod patience;
mod prepare;
pub mod providers;
mod redemption;
mod returned;
mod room;
mod rule;
mod settle;
mod tally;
mod turned;
mod upstream;
mod usage;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::TimeDelta;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub use adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
pub use body::{Body, BoxError, full};
pub use content::Content;
pub use denial::Denial;
pub use head::Head;
pub use patience::Patience;
pub use redemption::RedeemedLease;
pub use rule::{AllowList, Effect, Estimate, Operation, Pages, Passage, Rule};

use crate::authorization::Origin;
use crate::domain::{ProviderName, QpuTokenId};
use crate::repository::{self, Repository};
use exchange::Exchanges;
use ledger::Ledger;
use room::{Large, Shares, Workshop};
use tally::Tally;
use upstream::Upstream;

/// How many tokens' providers are remembered.
const REMEMBERED: usize = 100_000;

/// A provider that can be reached.
pub struct Reachable {
    /// How.
    pub adapter: Arc<dyn Adapter>,
    /// Its native unit, as people say it.
    pub unit: String,
    /// What to reserve for a job of unknown size, in that unit.
    pub estimate: i64,
}

/// The way to the hardware.
pub struct Broker {
    repository: Repository,
    ledger: Ledger,
    providers: BTreeMap<ProviderName, Reachable>,
    upstream: Upstream,
    patience: Patience,
    exchanges: Exchanges,
    tally: Tally,
    large: Large,
    workshop: Workshop,
    /// Of one caller, one request at a time leads to many of the broker's.
    turning: Shares,
    /// What is still to be written down when its client has the answer, or has gone.
    tasks: TaskTracker,
    /// After how long a new job is first asked about.
    settle_after: TimeDelta,
    /// The provider of a token never changes. This decides only which client's language is spoken.
    known: RwLock<HashMap<QpuTokenId, ProviderName>>,
}

/// Where a request has come in.
pub struct Door<'a> {
    /// The token.
    pub token: QpuTokenId,
    /// Its address as the client sees it, without a slash at the end.
    pub address: String,
    /// The path below it, raw, without the slash in front.
    pub path: &'a str,
    /// From where it came.
    pub origin: Origin,
}

impl Broker {
    /// A broker to these providers.
    #[must_use]
    pub fn new(
        repository: Repository,
        providers: BTreeMap<ProviderName, Reachable>,
        settle_after: TimeDelta,
        patience: Patience,
    ) -> Self {
        let tasks = TaskTracker::new();
        Self {
            ledger: Ledger::new(repository.clone(), tasks.clone(), patience.database),
            repository,
            providers,
            upstream: Upstream::new(patience),
            patience,
            exchanges: Exchanges::default(),
            tally: Tally::default(),
            large: Large::new(patience),
            workshop: Workshop::new(),
            turning: Shares::new(1),
            tasks,
            settle_after,
            known: RwLock::default(),
        }
    }

    /// The providers that can be reached.
    pub fn providers(&self) -> impl Iterator<Item = (&ProviderName, &Reachable)> {
        self.providers.iter()
    }

    /// What goes on by itself, for whoever waits for its end.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Serves one request of a provider's client.
    pub async fn serve(&self, door: Door<'_>, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let head = Head { method: &parts.method, path: door.path, query: parts.uri.query(), headers: &parts.headers };
        let answered = match self.reachable(door.token).await {
            Ok(Some(provider)) => {
                let passed = AssertUnwindSafe(self.pass(provider, &door, &head, body)).catch_unwind().await;
                match passed.unwrap_or_else(|_| Err(Denial::after_panic())) {
                    Ok(answer) => return answer,
                    Err(denial) => provider.adapter.deny(&head, &denial),
                }
            }
            Ok(None) => providers::deny_at_large(&Box::pin(self.nowhere(&door, &head)).await),
            Err(denial) => providers::deny_at_large(&denial),
        };
        answered.map(full)
    }

    /// The way of one request through the phases.
    async fn pass(
        &self,
        provider: &Reachable,
        door: &Door<'_>,
        head: &Head<'_>,
        body: Body,
    ) -> Result<Response<Body>, Denial> {
        let adapter = &provider.adapter;
        let (admitted, body) = self.admit(&**adapter, door, head, body).await?;
        let admitted = match admitted {
            admit::Admitted::Member(admitted) => admitted,
            admit::Admitted::Anonymous(operation) => {
                return Box::pin(self.forward_anonymously(&**adapter, &operation, door, head)).await;
            }
        };
        let prepared = match self.prepare(provider, admitted, door, head, body).await? {
            prepare::Prepared::Forward(prepared) => prepared,
            prepare::Prepared::Answered(answer) => return Ok(answer.map(full)),
        };
        self.forward(adapter, *prepared, door, head).await
    }

    async fn reachable(&self, token: QpuTokenId) -> Result<Option<&Reachable>, Denial> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&token).cloned();
        if let Some(name) = known {
            return Ok(self.providers.get(&name));
        }
        let Some(name) = self.in_time(self.repository.provider_of(token)).await? else { return Ok(None) };
        let provider = self.providers.get(&name);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(token, name);
        Ok(provider)
    }

    /// Why nothing is there. Whether there is a token at all is for holders of a key to hear: everybody else gets the 401 that they
    /// would get at one. (In another form, since whose client it is cannot be told; but ids of tokens are not guessed.)
    async fn nowhere(&self, door: &Door<'_>, head: &Head<'_>) -> Denial {
        let Some(key) = providers::keys::anywhere(head) else { return Denial::no_key() };
        let none = HashSet::new();
        let admission = self.repository.admit(&key, door.token, &none, false, &door.origin);
        let message = "there is no such QPU token, or its provider cannot be reached from here";
        let unknown = || Denial::new(StatusCode::NOT_FOUND, "not_found", message);
        match self.in_time(admission).await {
            Err(denial) if denial.status != StatusCode::NOT_FOUND => denial,
            Ok(_) | Err(_) => unknown(),
        }
    }

    /// Does not wait for a database that does not answer at all.
    async fn in_time<T>(&self, work: impl Future<Output = repository::Result<T>>) -> Result<T, Denial> {
        if let Ok(outcome) = timeout(self.patience.database, work).await {
            return Ok(outcome?);
        }
        tracing::warn!("the database does not answer");
        Err(Denial::unavailable())
    }

    /// Writes down what has been counted.
    pub async fn flush(&self) {
        self.tally.flush(&self.repository, &self.ledger).await;
    }
}

/// A broker that several tasks share.
pub type Shared = Arc<Broker>;
