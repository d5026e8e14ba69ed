//! Phase 4: send the request and take what comes, whatever it is. From here on something may have been submitted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{Method, Response};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::adapter::Adapter;
use super::admit::Member;
use super::answer::Asked;
use super::body::{Body, Moved, full, in_pieces};
use super::clean::Needles;
use super::denial::Denial;
use super::failed::Failed;
use super::head::Head;
use super::inject::{Injected, Sent, build};
use super::prepare::{Payload, Ready, Reservation};
use super::rule::{Effect, Operation};
use super::tally::Counted;
use super::upstream::Failure;
use super::{Broker, Door};
use crate::authorization::Grant;
use crate::authorization::action::jobs::Use;
use crate::vault::{Binding, SealedCredential};

/// What is the same for all that one request of a client leads to.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) adapter: &'a Arc<dyn Adapter>,
    pub(super) door: &'a Door<'a>,
    pub(super) head: &'a Head<'a>,
    pub(super) grant: &'a Grant<Use>,
    pub(super) binding: &'a Binding,
    pub(super) sealed: &'a SealedCredential,
}

impl Broker {
    pub(super) async fn forward(
        &self,
        adapter: &Arc<dyn Adapter>,
        ready: Ready,
        door: &Door<'_>,
        head: &Head<'_>,
    ) -> Result<Response<Body>, Denial> {
        let Ready { member, payload, reservation } = ready;
        let Member { grant, operation, binding, sealed, .. } = member;
        let (rule, grant) = (Arc::clone(&operation.rule), Arc::new(grant));
        let (tally, counted_for, name) = (&self.tally, Arc::clone(&grant), rule.name.clone());
        let mut counted = Counted { tally, grant: counted_for, operation: name, refused: false };
        let way = Way { adapter, door, head, grant: &grant, binding: &binding, sealed: &sealed };
        let sent = async {
            if let Some((list, pages)) = rule.list.as_ref().and_then(|list| Some((list, list.pages.as_ref()?))) {
                Box::pin(self.turn_pages(way, &operation, list, pages)).await.map_err(Failed::from)
            } else {
                self.send(way, operation, payload, reservation.as_ref()).await
            }
        };
        // Here and not around everything: it is known here that something may have been submitted, and what was reserved for it.
        let outcome = AssertUnwindSafe(sent).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(Failed::InDoubt(Denial::after_panic())));
        let outcome = match outcome {
            Ok(answer) => Ok(answer),
            Err(failed) => Err(Box::pin(self.give_up(rule.effect, head, reservation, failed)).await),
        };
        counted.refused = outcome.is_err();
        outcome
    }

    async fn send(
        &self,
        way: Way<'_>,
        mut operation: Operation,
        Payload { body, sent, moved, room }: Payload,
        reservation: Option<&Reservation>,
    ) -> Result<Response<Body>, Failed> {
        let Way { adapter, door, grant, .. } = way;
        let mut injected = self.ready(way, &mut operation, sent).await.map_err(Failed::Untaken)?;
        // What comes from a client is timed as it comes. What is there already the provider may take as slowly, and no more slowly.
        let (body, limit) = match injected.outgoing.body.take() {
            Some(bytes) => (in_pieces(bytes, moved.clone()), self.patience.submission + self.patience.answer),
            None => (body, Duration::MAX),
        };
        let answer = timeout(limit, self.upstream.send(injected.outgoing, body, &moved)).await;
        let answer = answer.unwrap_or(Err(Failure::TimedOut))?;
        drop(room);
        self.accepted(&**adapter, answer.status(), injected.exchanged.as_ref()).map_err(Failed::Untaken)?;
        let asked = Asked { adapter, operation: &Arc::new(operation), door, grant };
        self.answer(&asked, answer, injected.needles, reservation).await
    }

    /// The request with all that it needs. Nothing has been sent of it yet.
    async fn ready(&self, way: Way<'_>, operation: &mut Operation, sent: Sent) -> Result<Injected, Denial> {
        let Way { adapter, head, binding, sealed, .. } = way;
        if operation.rule.destroys {
            Box::pin(self.settle_first(way, operation)).await?;
        }
        let outgoing = build(&**adapter, operation, head, sent);
        self.inject(&**adapter, operation, outgoing, binding, sealed).await
    }

    /// Releases what was reserved and says what is known.
    async fn give_up(
        &self,
        effect: Effect,
        head: &Head<'_>,
        reservation: Option<Reservation>,
        failed: Failed,
    ) -> Denial {
        let (denial, in_doubt) = match failed {
            Failed::Taken(denial) => return denial,
            Failed::InDoubt(denial) => (denial, true),
            Failed::Untaken(denial) => (denial, false),
        };
        if let Some(Reservation { grant, ids, .. }) = reservation
            && let Err(error) = self.in_time(self.repository.release_jobs(&grant, &ids, denial.code)).await
        {
            // It expires by itself.
            tracing::warn!(code = error.code, "a reservation could not be released");
        }
        if in_doubt && matches!(effect, Effect::Submit(_)) {
            let message = format!("{}; whether it took what was submitted is not known", denial.message);
            return Denial { message, ..denial }.after_submission();
        }
        if *head.method == Method::GET || *head.method == Method::HEAD { denial } else { denial.after_submission() }
    }

    /// For the few things that need no key: the same way, without a credential and without anything to be counted for.
    pub(super) async fn forward_anonymously(
        &self,
        adapter: &dyn Adapter,
        operation: &Operation,
        door: &Door<'_>,
        head: &Head<'_>,
    ) -> Result<Response<Body>, Denial> {
        let outgoing = build(adapter, operation, head, Sent { bytes: None, as_it_came: false });
        let answer: Response<Incoming> = self.upstream.send(outgoing, full(""), &Moved::new()).await?;
        let nothing = Arc::new(Needles::new(std::iter::empty::<&str>()));
        let (parts, body) = self.cleaned(adapter, door, answer, nothing)?;
        Ok(Response::from_parts(parts, body))
    }
}
