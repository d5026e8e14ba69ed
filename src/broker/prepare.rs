//! Phase 2: read what a request submits or names, and reserve room for it. Nothing has been sent yet.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::admit::Member;
use super::body::{Body, Moved, Timed, Unreadable, full};
use super::content::Content;
use super::denial::Denial;
use super::head::Head;
use super::inject::Sent;
use super::room::{Effort, Held, LARGE, LONGEST, Room, Sender};
use super::rule::{Effect, Estimate, Passage};
use super::{Broker, Door, Reachable};
use crate::authorization::Grant;
use crate::authorization::action::jobs::Submit;
use crate::domain::{JobId, JobKind, UserId};
use crate::repository::{self, Submission};

/// Most ids in a request's body.
const MOST_FOUND: usize = 1000;

/// What becomes of a request after it was read.
pub(super) enum Prepared {
    /// It goes to the provider.
    Forward(Box<Ready>),
    /// The broker has answered.
    Answered(Response<Bytes>),
}

/// A request that is ready to go.
pub(super) struct Ready {
    pub(super) member: Member,
    pub(super) payload: Payload,
    pub(super) reservation: Option<Reservation>,
}

/// A request's body on its way to the provider.
pub(super) struct Payload {
    pub(super) body: Body,
    /// What the request's head must tell of it.
    pub(super) sent: Sent,
    pub(super) moved: Moved,
    /// What it takes, if it is large.
    pub(super) room: Option<Room>,
}

/// Room in the limits for what is being submitted.
pub(super) struct Reservation {
    pub(super) grant: Arc<Grant<Submit>>,
    pub(super) kind: JobKind,
    pub(super) ids: Vec<JobId>,
}

/// A body that was read.
struct Read {
    content: Content,
    effort: Effort,
    room: Option<Room>,
}

/// A body that was looked at.
struct Looked {
    /// The broker's own answer, if it gives one.
    answered: Result<Option<Response<Bytes>>, Denial>,
    member: Box<Member>,
    /// What to send, and whether it is still what came.
    content: (Bytes, bool),
    room: Option<Room>,
}

fn unreadable(unreadable: Unreadable) -> Denial {
    match unreadable {
        Unreadable::TooLong => {
            let message = format!("the request's content is longer than {LONGEST} bytes");
            Denial::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
        Unreadable::Broken => Denial::new(StatusCode::BAD_REQUEST, "incomplete_body", "the content ended early"),
        Unreadable::Crowded => Denial::crowded(),
    }
}

impl Broker {
    pub(super) async fn prepare(
        &self,
        provider: &Reachable,
        mut member: Box<Member>,
        door: &Door<'_>,
        head: &Head<'_>,
        body: Body,
    ) -> Result<Prepared, Denial> {
        let moved = Moved::new();
        let empty = body.is_end_stream();
        let (mut body, mut bytes, mut as_it_came, mut room) = (body, None, true, None);
        if member.operation.rule.request == Some(Passage::Whole) {
            let read = Box::pin(self.read_content(head, member.caller.user, body, &moved)).await?;
            let named = member.operation.jobs.clone();
            let looked = Box::pin(self.look(provider, member, read)).await?;
            let Looked { answered, content, room: taken, .. } = looked;
            member = looked.member;
            if member.operation.rule.effect == Effect::Here {
                let name = member.operation.rule.name.clone();
                self.tally.count(member.grant, name, answered.is_err());
                return answered?.map(Prepared::Answered).ok_or_else(Denial::internal);
            }
            answered?;
            if member.operation.jobs.difference(&named).count() > MOST_FOUND {
                return Err(Denial::bad_request("too many ids at once"));
            }
            let (read, same) = content;
            // Also if nothing came in the end.
            if !empty {
                Box::pin(self.admit_again(&mut member, door)).await?;
            }
            room = taken.filter(|_| read.len() > LARGE);
            (body, bytes, as_it_came) = (full(read.clone()), Some(read), same);
        } else if member.operation.rule.request.is_none() {
            (body, as_it_came) = (full(""), false);
        } else if !empty {
            let timed = Timed::new(body, self.patience.idle, moved.clone());
            body = match member.operation.rule.effect {
                Effect::Submit(_) => timed.until(Instant::now() + self.patience.submission).boxed_unsync(),
                Effect::Read | Effect::Cancel | Effect::Here => timed.boxed_unsync(),
            };
        }
        let reservation = match (member.operation.rule.effect, member.submit.take()) {
            (Effect::Submit(kind), Some(grant)) => {
                Some(Box::pin(self.reserve(provider, &mut member, kind, grant)).await?)
            }
            _ => None,
        };
        let member = *member;
        let payload = Payload { body, sent: Sent { bytes, as_it_came }, moved, room };
        Ok(Prepared::Forward(Box::new(Ready { member, payload, reservation })))
    }

    /// The body, and the room that it takes. What is coded may grow, however short it is, and so may what is made of a text.
    async fn read_content(&self, head: &Head<'_>, caller: UserId, body: Body, moved: &Moved) -> Result<Read, Denial> {
        let coding = head.list(header::CONTENT_ENCODING).ok_or_else(|| Denial::bad_request("this is no coding"))?;
        let body = Timed::new(body, self.patience.idle, moved.clone()).boxed_unsync();
        let Held { bytes, mut room } = self.large.read(caller, body, Sender::Client).await.map_err(unreadable)?;
        let mut content = Content::new(bytes, &coding);
        let mut effort = Effort::Large;
        if room.is_none() && content.is_coded() {
            let look = move || (content.effort(), content);
            (effort, content) = self.workshop.run(caller, Sender::Client, look).await.map_err(unreadable)?;
        } else if room.is_none() {
            effort = content.effort();
        }
        if room.is_none() && effort == Effort::Large {
            room = Some(self.large.room(caller, Sender::Client).await.map_err(unreadable)?);
        }
        Ok(Read { content, effort, room })
    }

    /// Has the adapter look at the body, change it, and perhaps answer.
    async fn look(&self, provider: &Reachable, mut member: Box<Member>, read: Read) -> Result<Looked, Denial> {
        let (adapter, user) = (Arc::clone(&provider.adapter), member.caller.user);
        let Read { mut content, effort, room } = read;
        let look = move || {
            let Member { operation, caller, .. } = &mut *member;
            let answered = if operation.rule.effect == Effect::Here {
                adapter.answer_here(operation, caller, &content).map(Some)
            } else {
                adapter.prepare(operation, caller, &mut content).map(|()| None)
            };
            Looked { answered, member, content: content.into_bytes(), room }
        };
        if effort == Effort::Little {
            Ok(look())
        } else {
            self.workshop.run(user, Sender::Client, look).await.map_err(unreadable)
        }
    }

    /// Reserves what the request submits; a refusal is remembered, the first of many as an event of its own.
    async fn reserve(
        &self,
        provider: &Reachable,
        member: &mut Member,
        kind: JobKind,
        grant: Grant<Submit>,
    ) -> Result<Reservation, Denial> {
        let default = if kind == JobKind::Upload { 0 } else { provider.estimate };
        if member.operation.estimates.is_empty() {
            member.operation.estimates.push(Estimate::Unknown);
        }
        let amounts: Vec<i64> = member.operation.estimates.iter().map(|estimate| estimate.amount(default)).collect();
        let submission = Submission {
            secret_version: member.binding.secret_version,
            kind,
            place: &member.operation.place,
            amounts: &amounts,
        };
        let reserved = async {
            match self.repository.reserve_jobs(&grant, &submission).await {
                Err(repository::Error::Refused(refusal)) => {
                    let code = refusal.code();
                    if !self.tally.is_to_be_told(&grant, code) {
                        self.tally.count(member.grant.with_job()?, code.into(), true);
                    } else if let Err(error) = self.repository.submission_refused(&grant, code).await {
                        self.tally.was_not_told(&grant, code);
                        return Err(error);
                    }
                    Err(repository::Error::Refused(refusal))
                }
                outcome => outcome,
            }
        };
        let _turn = self.ledger.turn(Some(member.caller.user)).await;
        let ids = self.in_time(reserved).await.map_err(|denial| match denial.code {
            "quota_exhausted" => {
                let (total, unit) = (amounts.iter().fold(0_i64, |sum, one| sum.saturating_add(*one)), &provider.unit);
                let message = format!(
                    "the limit on this QPU token has no room for the {total} {unit} that are reserved for this"
                );
                Denial { message, ..denial }
            }
            _ => denial,
        })?;
        Ok(Reservation { grant: Arc::new(grant), kind, ids })
    }
}
