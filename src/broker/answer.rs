//! Phase 6: what the client gets to see. Headers by allow-list, addresses that keep the client here, lists with the caller's own
//! part, and no trace of the credential.

use std::collections::HashSet;
use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::adapter::Adapter;
use super::body::{Body, Moved, Timed, Unreadable, full, held, read};
use super::clean::{CleanBody, Needles, Rewrites};
use super::denial::Denial;
use super::exchange::Exchanged;
use super::failed::Failed;
use super::inject::refused_by_provider;
use super::json::{HEAVIEST, parse};
use super::prepare::Reservation;
use super::returned::returned;
use super::room::{Effort, Held, LONGEST, Sender, effort, weigh};
use super::rule::{Effect, List, Operation, Passage};
use super::upstream::boxed;
use super::{Broker, Door};
use crate::authorization::Grant;
use crate::authorization::action::jobs::Use;
use crate::domain::{JobReference, UserId};

/// Answers up to this length, in bytes, are passed on in one piece.
const SHORT: u64 = 64 * 1024;

/// What was asked, for whoever reads the answer.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) adapter: &'a Arc<dyn Adapter>,
    pub(super) operation: &'a Arc<Operation>,
    pub(super) door: &'a Door<'a>,
    pub(super) grant: &'a Grant<Use>,
}

impl Broker {
    /// Passes an answer on of a provider that has [accepted](Self::accepted) the credential.
    pub(super) async fn answer(
        &self,
        asked: &Asked<'_>,
        answer: Response<Incoming>,
        needles: Arc<Needles>,
        reservation: Option<&Reservation>,
    ) -> Result<Response<Body>, Failed> {
        let announced = answer.body().size_hint().exact();
        let plain = !answer.headers().contains_key(header::CONTENT_ENCODING);
        let short = plain && announced.is_some_and(|length| length <= SHORT);
        // To HEAD, it is the length of what is not there.
        let is_head = asked.operation.rule.method == Method::HEAD;
        let length = answer.headers().get(header::CONTENT_LENGTH).filter(|_| is_head && plain).cloned();
        let (mut parts, body) = self.cleaned(&**asked.adapter, asked.door, answer, needles)?;
        if let Some(length) = length {
            parts.headers.insert(header::CONTENT_LENGTH, length);
        }
        let operation = asked.operation;
        if operation.rule.effect == Effect::Cancel && parts.status.is_success() {
            Box::pin(self.cancelled(asked)).await?;
        }
        let body = match operation.rule.answer {
            Passage::Whole => {
                let (Held { bytes, room }, changed) =
                    Box::pin(self.whole(asked, parts.status, body, reservation)).await?;
                if changed {
                    parts.headers.remove(header::ETAG);
                }
                held(bytes, room)
            }
            passage if short => {
                let bytes = read(body, LONGEST).await.map_err(not_understood)?;
                if passage == Passage::Watch {
                    Box::pin(self.watched(asked, parts.status, &bytes)).await;
                }
                full(bytes)
            }
            Passage::Stream => body,
            Passage::Watch => self.watching(asked, parts.status, body).boxed_unsync(),
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Whether the provider took the credential. If not, the temporary token is forgotten.
    pub(super) fn accepted(
        &self,
        adapter: &dyn Adapter,
        status: StatusCode,
        exchanged: Option<&Arc<Exchanged>>,
    ) -> Result<(), Denial> {
        if !adapter.is_refusal(status) {
            return Ok(());
        }
        if let Some(token) = exchanged {
            self.exchanges.forget(token);
        }
        Err(refused_by_provider())
    }

    /// The head as the client may see it, and the body without codings and without the credential.
    pub(super) fn cleaned(
        &self,
        adapter: &dyn Adapter,
        door: &Door<'_>,
        answer: Response<Incoming>,
        needles: Arc<Needles>,
    ) -> Result<(Parts, Body), Denial> {
        let rewrites = Arc::new(rewrites(adapter, &door.address));
        let (mut parts, body) = answer.into_parts();
        let coding = codings(&parts.headers);
        parts.headers = returned(adapter, door, &parts, &needles, &rewrites)?;
        parts.extensions.clear();
        parts.version = http::Version::HTTP_11;
        let body = CleanBody::new(boxed(body), &coding, needles, rewrites)
            .map_err(|_| Denial::new(StatusCode::BAD_GATEWAY, "provider_not_understood", UNDERSTOOD))?;
        Ok((parts, Timed::new(body, self.patience.idle, Moved::new()).boxed_unsync()))
    }

    /// Reads an answer as a whole, learns from it and shows the caller's part.
    async fn whole(
        &self,
        asked: &Asked<'_>,
        status: StatusCode,
        body: Body,
        reservation: Option<&Reservation>,
    ) -> Result<(Held, bool), Failed> {
        let caller = asked.grant.caller().ok_or_else(Denial::internal)?;
        let sender = if reservation.is_some() { Sender::Taker } else { Sender::Provider };
        let read = async {
            let held = self.large.read(caller, body, sender).await?;
            self.parsed(caller, sender, held).await
        };
        let (Held { bytes, room }, effort, value) = match read.await {
            Ok(read) => read,
            Err(unreadable) => return Err(self.unread(asked, reservation, status, unreadable).await),
        };
        let Some(mut value) = value else {
            if asked.operation.rule.list.is_some() && status.is_success() {
                return Err(not_understood(Unreadable::Broken).into());
            }
            // What must be looked into does not pass unread.
            if status.is_success() && weigh(&bytes, HEAVIEST).is_none() {
                return Err(self.unread(asked, reservation, status, Unreadable::TooLong).await);
            }
            if status.is_success() && !bytes.is_empty() {
                return Err(not_understood(Unreadable::TooLong).into());
            }
            self.learned(asked, reservation, status, super::Learned::default()).await?;
            return Ok((Held { bytes, room }, false));
        };
        let learned = asked.adapter.learn(asked.operation, status, &mut value);
        let mut changed = learned.changed;
        self.learned(asked, reservation, status, learned).await?;
        if let Some(list) = asked.operation.rule.list.as_ref().filter(|_| status.is_success()) {
            self.keep_visible(asked.grant, list, &mut value).await?;
            changed = true;
        }
        if !changed {
            return Ok((Held { bytes, room }, false));
        }
        let write = move || Held { bytes: value.to_string().into(), room };
        let held = if effort == Effort::Little { Ok(write()) } else { self.workshop.run(caller, sender, write).await };
        Ok((held.map_err(not_understood)?, true))
    }

    /// Why an answer could not be read. If something was taken, and it is our own bounds that hide its id, it counts as what was
    /// reserved: nobody shall run jobs for nothing by crowding out the answers to them.
    async fn unread(
        &self,
        asked: &Asked<'_>,
        reservation: Option<&Reservation>,
        status: StatusCode,
        unreadable: Unreadable,
    ) -> Failed {
        if reservation.is_some() && status.is_success() && unreadable != Unreadable::Broken {
            let nothing = super::Learned::default();
            if let Err(failed) = Box::pin(self.learned(asked, reservation, status, nothing)).await {
                return failed;
            }
        }
        not_understood(unreadable).into()
    }

    /// What an answer says in JSON, and what it took to read it; no value if it is no JSON, too much of it, or ambiguous.
    pub(super) async fn parsed(
        &self,
        caller: UserId,
        sender: Sender,
        mut held: Held,
    ) -> Result<(Held, Effort, Option<Value>), Unreadable> {
        let effort = effort(&held.bytes);
        if effort == Effort::Large && held.room.is_none() {
            held.room = Some(self.large.room(caller, sender).await?);
        }
        let read = move || {
            let value = parse(&held.bytes);
            (held, effort, value)
        };
        if effort == Effort::Little { Ok(read()) } else { self.workshop.run(caller, sender, read).await }
    }

    /// Leaves of a list what the caller may see.
    pub(super) async fn keep_visible(&self, grant: &Grant<Use>, list: &List, value: &mut Value) -> Result<(), Denial> {
        let not_understood = || not_understood(Unreadable::Broken);
        let items = value.pointer_mut(&list.items).and_then(Value::as_array_mut).ok_or_else(not_understood)?;
        let listed: Vec<JobReference> = items.iter().filter_map(|item| list.reference(item)).collect();
        let visible: HashSet<JobReference> = self.in_time(self.repository.visible_jobs(grant, &listed)).await?;
        items.retain(|item| list.reference(item).is_some_and(|job| visible.contains(&job)));
        let left = items.len();
        for count in &list.counts {
            if let Some(count) = value.pointer_mut(count) {
                *count = left.into();
            }
        }
        Ok(())
    }
}

const UNDERSTOOD: &str = "the provider's answer cannot be understood";

pub(super) fn not_understood(unreadable: Unreadable) -> Denial {
    let message = match unreadable {
        Unreadable::TooLong => "the provider's answer is too long to be looked into, or not what was expected",
        Unreadable::Broken => "the provider broke off in the middle of its answer",
        // The request was not too much, so it is not the client that is to blame.
        Unreadable::Crowded => return Denial { status: StatusCode::SERVICE_UNAVAILABLE, ..Denial::crowded() },
    };
    Denial::new(StatusCode::BAD_GATEWAY, "provider_not_understood", message)
}

fn rewrites(adapter: &dyn Adapter, address: &str) -> Rewrites {
    let below = |path: &str| if path.is_empty() { address.to_owned() } else { format!("{address}/{path}") };
    let pairs = adapter.addresses().into_iter().map(|(from, path)| (from, below(&path)));
    let pairs: Vec<_> = pairs.collect();
    Rewrites::new(pairs.iter().map(|(from, to)| (from.as_str(), to.as_str())))
}

/// All codings of a body, in the order in which they were applied.
fn codings(headers: &HeaderMap) -> String {
    let values = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?"));
    values.collect::<Vec<_>>().join(",")
}
