//! Phase 1: whose key is it, and may it do this with this token? One statement, with every request, and once more where a body has
//! been waited for.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::timeout;

use super::adapter::{Adapter, Caller};
use super::body::{Body, full, read};
use super::content::Content;
use super::denial::Denial;
use super::head::Head;
use super::rule::{Effect, Operation};
use super::{Broker, Door};
use crate::authentication::UseKey;
use crate::authorization::Grant;
use crate::authorization::action::jobs::{Submit, Use};
use crate::repository::Admission;
use crate::vault::{Binding, SealedCredential};

/// Longest body that a key is looked for in, in bytes, and how long it may take to come: nobody has said yet who they are.
const LONGEST_WITH_KEY: usize = 64 * 1024;
const TIME_FOR_KEY: Duration = Duration::from_secs(10);

/// Most ids in a path and a query. (D-Wave's client asks for 100 at a time.)
const MOST_NAMED: usize = 200;

/// A request that may be done.
pub(super) enum Admitted {
    /// By somebody with a key.
    Member(Box<Member>),
    /// By anybody; it gets no credential.
    Anonymous(Operation),
}

/// Somebody who may do it, and what it needs.
pub(super) struct Member {
    pub(super) grant: Grant<Use>,
    /// There if something is to be submitted.
    pub(super) submit: Option<Grant<Submit>>,
    pub(super) caller: Caller,
    pub(super) operation: Operation,
    pub(super) binding: Binding,
    pub(super) sealed: SealedCredential,
}

impl Broker {
    pub(super) async fn admit(
        &self,
        adapter: &dyn Adapter,
        door: &Door<'_>,
        head: &Head<'_>,
        body: Body,
    ) -> Result<(Admitted, Body), Denial> {
        let operation = adapter.operation(head);
        let (key, body) = presented(adapter, operation.as_ref(), head, body).await?;
        let (key, operation) = match (key, operation) {
            (None, Some(operation)) if operation.rule.anonymous => return Ok((Admitted::Anonymous(operation), body)),
            (None, _) => return Err(Denial::no_key()),
            (Some(key), operation) => (key, operation),
        };
        if operation.as_ref().is_some_and(|operation| operation.jobs.len() > MOST_NAMED) {
            return Err(Denial::bad_request("too many ids at once"));
        }
        let none = HashSet::new();
        let jobs = operation.as_ref().map_or(&none, |operation| &operation.jobs);
        // What a cancellation is about may be in its body, and is nothing but jobs.
        let of_own =
            !jobs.is_empty() || operation.as_ref().is_some_and(|operation| operation.rule.effect == Effect::Cancel);
        let admission = self.in_time(self.repository.admit(&key, door.token, jobs, of_own, &door.origin)).await?;
        let Admission { grant, binding, sealed, place } = admission;
        let Some(mut operation) = operation else {
            self.tally.count(grant, "not_allowed".into(), true);
            return Err(Denial::not_allowed());
        };
        operation.address.clone_from(&door.address);
        if operation.place.is_empty() {
            operation.place = place.unwrap_or_default();
        }
        let submit = match operation.rule.effect {
            Effect::Submit(_) => Some(grant.with_job::<Submit>()?),
            Effect::Read | Effect::Cancel | Effect::Here => None,
        };
        let caller = Caller {
            user: grant.caller().ok_or_else(Denial::internal)?,
            token: door.token,
            key,
            address: door.address.clone(),
            now: self.repository.clock().now(),
        };
        Ok((Admitted::Member(Box::new(Member { grant, submit, caller, operation, binding, sealed })), body))
    }

    /// Asks again once a body has come, with all that it names. It may have taken its time, and whatever was taken away meanwhile is
    /// gone; and what a body names is asked about with the credential that submitted it, as what a path names is.
    pub(super) async fn admit_again(&self, member: &mut Member, door: &Door<'_>) -> Result<(), Denial> {
        let Member { caller, operation, .. } = &*member;
        let of_own = !operation.jobs.is_empty() || operation.rule.effect == Effect::Cancel;
        let admission = self.repository.admit(&caller.key, door.token, &operation.jobs, of_own, &door.origin);
        let Admission { grant, binding, sealed, place } = self.in_time(admission).await?;
        if member.operation.place.is_empty() {
            member.operation.place = place.unwrap_or_default();
        }
        if member.submit.is_some() {
            // What is new goes with the newest credential, also into a session of before: the older one may be revoked by now.
            member.submit = Some(grant.with_job::<Submit>()?);
        } else {
            (member.binding, member.sealed) = (binding, sealed);
        }
        member.grant = grant;
        Ok(())
    }
}

/// The key that comes with a request, if there is one, and the body: it is read if the key is in it.
async fn presented(
    adapter: &dyn Adapter,
    operation: Option<&Operation>,
    head: &Head<'_>,
    body: Body,
) -> Result<(Option<UseKey>, Body), Denial> {
    let Some(operation) = operation.filter(|operation| operation.rule.key_in_body) else {
        return Ok((adapter.key(head).transpose()?, body));
    };
    let bytes = read_for_key(body).await?;
    // As it came: nobody unpacks anything for strangers.
    let key = adapter.key_in(operation, &Content::new(bytes.clone(), "identity"));
    Ok((key.transpose()?, full(bytes)))
}

async fn read_for_key(body: Body) -> Result<Bytes, Denial> {
    let refused = |status, message| Denial::new(status, "invalid_request", message);
    match timeout(TIME_FOR_KEY, read(body, LONGEST_WITH_KEY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(refused(StatusCode::BAD_REQUEST, "the request's content is too long or incomplete")),
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the request's content did not come in time")),
    }
}
