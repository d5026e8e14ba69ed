//! Lists that come in pages counted by position. What a member sees is a part of what the provider lists, so the member's
//! positions are not the provider's: the broker turns the provider's pages until it has what was asked for.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header;
use http::response::Parts;
use http::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;
use url::form_urlencoded;

use super::Broker;
use super::answer::{Asked, not_understood};
use super::body::{Body, Moved, Unreadable, full};
use super::denial::Denial;
use super::forward::Way;
use super::head::Head;
use super::inject::{Sent, build};
use super::room::{Held, Sender};
use super::rule::{List, Operation, Pages};
use super::upstream::Failure;

/// Most pages that are turned for one request.
const MOST_PAGES: usize = 100;

/// One page of the provider's.
struct Page {
    parts: Parts,
    bytes: Bytes,
    /// The answer, without its items; `None` if it is no list but a refusal.
    rest: Option<Value>,
    /// The items that the caller may see.
    visible: Vec<Value>,
    /// How many there were.
    listed: usize,
}

/// The part of a list that is asked for.
struct Part {
    offset: usize,
    limit: usize,
}

impl Part {
    fn asked_for(head: &Head<'_>, pages: &Pages) -> Self {
        let number = |name| head.parameters().find(|(known, _)| known == name)?.1.parse::<usize>().ok();
        let limit = number(pages.limit).filter(|limit| (1..=pages.most).contains(limit)).unwrap_or(pages.most);
        Self { offset: number(pages.offset).unwrap_or_default(), limit }
    }

    fn end(&self) -> usize {
        self.offset.saturating_add(self.limit)
    }

    /// This part of all that is visible, in the words of the provider's last answer, with the member's own numbers.
    fn of(&self, visible: Vec<Value>, mut answer: Value, list: &List, pages: &Pages) -> Value {
        for pointer in &list.counts {
            put(answer.pointer_mut(pointer), visible.len());
        }
        let items: Vec<Value> = visible.into_iter().skip(self.offset).take(self.limit).collect();
        put(answer.pointer_mut(&list.items), items);
        put(answer.get_mut(pages.limit), self.limit);
        put(answer.get_mut(pages.offset), self.offset);
        answer
    }
}

/// Only where the provider has such a thing, too.
fn put(place: Option<&mut Value>, value: impl Into<Value>) {
    if let Some(place) = place {
        *place = value.into();
    }
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
            self.turned(way, operation, list, pages).await
        };
        timeout(self.patience.answer, turned).await.unwrap_or_else(|_| Err(Failure::TimedOut.into()))
    }

    async fn turned(
        &self,
        way: Way<'_>,
        operation: &Operation,
        list: &List,
        pages: &Pages,
    ) -> Result<Response<Body>, Denial> {
        let part = Part::asked_for(way.head, pages);
        let known = self.in_time(self.repository.count_visible_jobs(way.grant)).await?;
        let (mut visible, mut seen, mut listed) = (Vec::new(), HashSet::new(), 0);
        let mut newest = None;
        for _ in 0..MOST_PAGES {
            let mut wanted = operation.clone();
            wanted.target = target(operation, way.head, pages, listed);
            let page = self.page(way, wanted, list).await?;
            let Some(rest) = page.rest else {
                return Ok(Response::from_parts(page.parts, full(page.bytes)));
            };
            listed += page.listed;
            // What is submitted meanwhile moves the others to the next page, where they come a second time.
            let id = |item: &Value| item.pointer(&list.id).and_then(Value::as_str).map(ToOwned::to_owned);
            visible.extend(page.visible.into_iter().filter(|item| id(item).is_some_and(|id| seen.insert(id))));
            let total = list.counts.first().and_then(|count| rest.pointer(count)).and_then(Value::as_u64);
            let is_end = page.listed == 0 || total.is_some_and(|total| listed as u64 >= total);
            newest = Some((page.parts, rest));
            // One more than was asked for tells the client that there is more.
            if is_end || visible.len() > part.end() || visible.len() >= known {
                break;
            }
        }
        let (mut parts, rest) = newest.ok_or_else(|| not_understood(Unreadable::Broken))?;
        parts.headers.remove(header::ETAG);
        Ok(Response::from_parts(parts, full(part.of(visible, rest, list, pages).to_string())))
    }

    /// Asks for one page, books what it tells, and leaves of it what the caller may see.
    async fn page(&self, way: Way<'_>, mut operation: Operation, list: &List) -> Result<Page, Denial> {
        let adapter = way.adapter;
        let sent = Sent { bytes: None, as_it_came: false };
        let outgoing = build(&**adapter, &operation, way.head, sent);
        let injected = self.inject(&**adapter, &mut operation, outgoing, way.binding, way.sealed).await?;
        let answer = self.upstream.send(injected.outgoing, full(""), &Moved::new()).await?;
        let status = answer.status();
        self.accepted(&**adapter, status, injected.exchanged.as_ref())?;
        let (parts, body) = self.cleaned(&**adapter, way.door, answer, injected.needles)?;
        let caller = way.grant.caller().ok_or_else(Denial::internal)?;
        let sender = Sender::Provider;
        let held = self.large.read(caller, body, sender).await.map_err(not_understood)?;
        if status != StatusCode::OK {
            return Ok(Page { parts, bytes: held.bytes, rest: None, visible: Vec::new(), listed: 0 });
        }
        let broken = || not_understood(Unreadable::Broken);
        let (Held { bytes, room: _room }, _, value) =
            self.parsed(caller, sender, held).await.map_err(not_understood)?;
        let mut value = value.ok_or_else(broken)?;
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
        Ok(Page { parts, bytes, rest: Some(value), visible, listed })
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
