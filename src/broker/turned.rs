//! What turning the provider's pages has turned up: the part of a list that a member has asked for. Of all else only the names are
//! kept, and of that part no more than of any answer.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::Value;

use super::denial::Denial;
use super::head::Head;
use super::json::HEAVIEST;
use super::room::{LONGEST, Room};
use super::rule::{List, Pages};
use crate::domain::JobReference;

/// The code of a list that is not told, because it or the way to it is too long.
pub(super) const TOO_LONG: &str = "list_too_long";

/// A part of a list, as far as it is there.
pub(super) struct Turned<'a> {
    pub(super) list: &'a List,
    pub(super) pages: &'a Pages,
    offset: usize,
    limit: usize,
    /// What the caller may see of all that was turned. What is submitted meanwhile moves the others to the next page, where they
    /// come a second time.
    seen: HashSet<JobReference>,
    /// Of these the part that was asked for.
    items: Vec<Value>,
    /// How long the pages are that it is from, in bytes.
    pub(super) length: usize,
    /// What they take in memory, in bytes.
    weight: usize,
    /// What the part takes, if that is much.
    pub(super) room: Option<Room>,
}

impl<'a> Turned<'a> {
    /// Nothing is there yet of what is asked for.
    pub(super) fn new(head: &Head<'_>, list: &'a List, pages: &'a Pages) -> Self {
        let number = |name| head.parameters().find(|(known, _)| known == name)?.1.parse::<usize>().ok();
        let limit = number(pages.limit).filter(|limit| (1..=pages.most).contains(limit)).unwrap_or(pages.most);
        let offset = number(pages.offset).unwrap_or_default();
        let (seen, items) = (HashSet::new(), Vec::new());
        Self { list, pages, offset, limit, seen, items, length: 0, weight: 0, room: None }
    }

    /// Takes what the caller may see of a page of this length and weight. Answers whether anything of it is kept.
    pub(super) fn add(&mut self, visible: Vec<Value>, length: usize, weight: usize) -> Result<bool, Denial> {
        let before = self.items.len();
        for item in visible {
            let position = self.seen.len();
            let is_new = self.list.reference(&item).is_some_and(|job| self.seen.insert(job));
            if is_new && (self.offset..self.end()).contains(&position) {
                self.items.push(item);
            }
        }
        if self.items.len() == before {
            return Ok(false);
        }
        self.length = self.length.saturating_add(length);
        self.weight = self.weight.saturating_add(weight);
        if self.length > LONGEST || self.weight > HEAVIEST {
            let message = "this list is too long; ask for fewer at once";
            return Err(Denial::new(StatusCode::UNPROCESSABLE_ENTITY, TOO_LONG, message));
        }
        Ok(true)
    }

    fn end(&self) -> usize {
        self.offset.saturating_add(self.limit)
    }

    /// How many there are that the caller may see.
    pub(super) fn found(&self) -> usize {
        self.seen.len()
    }

    /// Whether all of the part is there.
    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= self.end()
    }

    /// Whether there is more than was asked for: one is enough to tell the client so.
    pub(super) fn has_more(&self) -> bool {
        self.seen.len() > self.end()
    }

    /// This part in the words of the provider's last answer, with the member's own numbers. Unless that `is_all` that there is, there
    /// is one more than the part at least, so that the client asks for it.
    pub(super) fn answer(self, mut answer: Value, is_all: bool) -> (Value, Option<Room>) {
        let more = usize::from(!is_all && !self.has_more());
        for pointer in &self.list.counts {
            put(answer.pointer_mut(pointer), self.seen.len() + more);
        }
        put(answer.get_mut(self.pages.limit), self.limit);
        put(answer.get_mut(self.pages.offset), self.offset);
        put(answer.pointer_mut(&self.list.items), self.items);
        (answer, self.room)
    }
}

/// Only where the provider has such a thing, too.
pub(super) fn put(place: Option<&mut Value>, value: impl Into<Value>) {
    if let Some(place) = place {
        *place = value.into();
    }
}
