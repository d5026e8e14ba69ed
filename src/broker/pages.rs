//! Lists that come in pages counted by position. What a member sees is a part of what the provider lists, so the member's
//! positions are not the provider's: the broker turns the provider's pages until it has what was asked for.

use std::sync::Arc;

use http::header;
use http::response::Parts;
use http::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;
use url::form_urlencoded;

use super::Broker;
use super::answer::{Asked, not_understood};
use super::body::{Body, Moved, Unreadable, full, held};
use super::denial::Denial;
use super::forward::Way;
use super::head::Head;
use super::inject::{Sent, build};
use super::room::{Effort, Held, LARGE, Room, Sender, weigh};
use super::rule::{List, Operation, Pages};
use super::turned::{TOO_LONG, Turned, put};
use super::upstream::Failure;
use crate::domain::UserId;

/// Most pages that are turned for one request.
const MOST_PAGES: usize = 100;

/// One page of the provider's.
struct Page {
    parts: Parts,
    held: Held,
    /// What it takes in memory once it is read, in bytes.
    weight: usize,
    /// The answer, without its items; `None` if it is no list but a refusal.
    rest: Option<Value>,
    /// The items that the caller may see.
    visible: Vec<Value>,
    /// How many there were.
    listed: usize,
}

impl Broker {
    /// Turns pages in its turn, and as long as any other answer may take: what costs the member one request costs the provider up
    /// to a hundred, so they come one after the other, as if the member asked for each.
    pub(super) async fn turn_pages(
        &self,
        way: Way<'_>,
        operation: &Operation,
        list: &List,
        pages: &Pages,
    ) -> Result<Response<Body>, Denial> {
        let turned = async {
            let caller = way.grant.caller().ok_or_else(Denial::internal)?;
            let _turn = self.turning.turn(caller).await.map_err(|_| Denial::internal())?;
            self.turned(way, caller, operation, Turned::new(way.head, list, pages)).await
        };
        timeout(self.patience.answer, turned).await.unwrap_or_else(|_| Err(Failure::TimedOut.into()))
    }

    async fn turned(
        &self,
        way: Way<'_>,
        caller: UserId,
        operation: &Operation,
        mut turned: Turned<'_>,
    ) -> Result<Response<Body>, Denial> {
        let known = self.in_time(self.repository.count_visible_jobs(way.grant)).await?;
        let mut listed = 0;
        for turn in 1..=MOST_PAGES {
            let mut wanted = operation.clone();
            wanted.target = target(operation, way.head, turned.pages, listed);
            let page = self.page(way, caller, wanted, turned.list).await?;
            let Some(rest) = page.rest else {
                return Ok(Response::from_parts(page.parts, held(page.held.bytes, page.held.room)));
            };
            listed += page.listed;
            if turned.add(page.visible, page.held.bytes.len(), page.weight)? && turned.room.is_none() {
                turned.room = self.room_for(&turned, caller, page.held.room).await?;
            }
            let total = turned.list.counts.first().and_then(|count| rest.pointer(count)).and_then(Value::as_u64);
            let is_end = page.listed == 0 || total.is_some_and(|total| listed as u64 >= total);
            let is_all = is_end || turned.found() >= known;
            if is_all || turned.has_more() || turn == MOST_PAGES && turned.is_full() {
                return self.written(turned, caller, is_all, page.parts, rest).await;
            }
        }
        let message = format!(
            "not all that is asked for is among the first {listed} that the provider lists, and it is not looked for any \
             further; ask for fewer at once, or narrow the list down"
        );
        Err(Denial::new(StatusCode::UNPROCESSABLE_ENTITY, TOO_LONG, message))
    }

    /// What has been turned up takes room as any long answer does; that of a long page will do.
    async fn room_for(
        &self,
        turned: &Turned<'_>,
        caller: UserId,
        of_page: Option<Room>,
    ) -> Result<Option<Room>, Denial> {
        if of_page.is_some() || turned.length <= LARGE {
            return Ok(of_page);
        }
        self.large.room(caller, Sender::Provider).await.map(Some).map_err(not_understood)
    }

    /// The answer to what was asked, in the words of the provider's last one.
    async fn written(
        &self,
        turned: Turned<'_>,
        caller: UserId,
        is_all: bool,
        mut parts: Parts,
        rest: Value,
    ) -> Result<Response<Body>, Denial> {
        let is_long = turned.room.is_some();
        let (answer, room) = turned.answer(rest, is_all);
        let write = move || Held { bytes: answer.to_string().into(), room };
        let written = if is_long { self.workshop.run(caller, Sender::Provider, write).await } else { Ok(write()) };
        let Held { bytes, room } = written.map_err(not_understood)?;
        parts.headers.remove(header::ETAG);
        Ok(Response::from_parts(parts, held(bytes, room)))
    }

    /// Asks for one page, books what it tells, and leaves of it what the caller may see.
    async fn page(&self, way: Way<'_>, caller: UserId, mut operation: Operation, list: &List) -> Result<Page, Denial> {
        let adapter = way.adapter;
        let sent = Sent { bytes: None, as_it_came: false };
        let outgoing = build(&**adapter, &operation, way.head, sent);
        let injected = self.inject(&**adapter, &mut operation, outgoing, way.binding, way.sealed).await?;
        let answer = self.upstream.send(injected.outgoing, full(""), &Moved::new()).await?;
        let status = answer.status();
        self.accepted(&**adapter, status, injected.exchanged.as_ref())?;
        let (parts, body) = self.cleaned(&**adapter, way.door, answer, injected.needles)?;
        let sender = Sender::Provider;
        let held = self.large.read(caller, body, sender).await.map_err(not_understood)?;
        if status != StatusCode::OK {
            return Ok(Page { parts, held, weight: 0, rest: None, visible: Vec::new(), listed: 0 });
        }
        let broken = || not_understood(Unreadable::Broken);
        let (held, effort, value) = self.parsed(caller, sender, held).await.map_err(not_understood)?;
        let mut value = value.ok_or_else(broken)?;
        let weigh = move || (weigh(&held.bytes, usize::MAX).unwrap_or(usize::MAX), held);
        let weighed =
            if effort == Effort::Little { Ok(weigh()) } else { self.workshop.run(caller, sender, weigh).await };
        let (weight, held) = weighed.map_err(not_understood)?;
        let operation = Arc::new(operation);
        let asked = Asked { adapter, operation: &operation, door: way.door, grant: way.grant };
        let learned = adapter.learn(&operation, status, &mut value);
        self.told(&asked, learned).await?;
        let items = value.pointer(&list.items).and_then(Value::as_array);
        let listed = items.map(Vec::len).ok_or_else(broken)?;
        // The provider's own numbers tell where its list ends.
        let counts: Vec<Value> = list.counts.iter().filter_map(|count| value.pointer(count).cloned()).collect();
        self.keep_visible(way.grant, list, &mut value).await?;
        for (pointer, count) in list.counts.iter().zip(counts) {
            put(value.pointer_mut(pointer), count);
        }
        let Some(Value::Array(visible)) = value.pointer_mut(&list.items).map(Value::take) else { return Err(broken()) };
        Ok(Page { parts, held, weight, rest: Some(value), visible, listed })
    }
}

/// The same question, for the provider's page that begins at `offset`.
fn target(operation: &Operation, head: &Head<'_>, pages: &Pages, offset: usize) -> String {
    let path = operation.target.split('?').next().unwrap_or_default();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let own = |name: &str| [pages.limit, pages.offset].contains(&name) || pages.set.iter().any(|(set, _)| *set == name);
    query.extend_pairs(head.parameters().filter(|(name, _)| !own(name)));
    query.extend_pairs(pages.set);
    query.append_pair(pages.limit, &pages.most.to_string());
    query.append_pair(pages.offset, &offset.to_string());
    format!("{path}?{}", query.finish())
}
