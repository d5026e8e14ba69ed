//! Lists in pages: an opaque cursor names the last item seen, so that a page costs the same wherever it stands.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// Items after this id; `None` for the first page.
    pub after: Option<Uuid>,
    /// At most this many items, 1–200.
    pub limit: u16,
}

impl PageRequest {
    /// One more than wanted: whether it comes tells if there is a next page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The nil UUID sorts before every other.
    #[must_use]
    pub fn after_or_start(&self) -> Uuid {
        self.after.unwrap_or_else(Uuid::nil)
    }
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, oldest first unless the operation says otherwise.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; `null` on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Cuts off the extra item that [`PageRequest::fetch`] asked for and points behind the last one kept.
    #[must_use]
    pub fn new(mut items: Vec<T>, request: PageRequest, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::from(request.limit);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = more.then(|| items.last().map(|last| id(last).simple().to_string())).flatten();
        Self { items, next_cursor }
    }

    /// The same page of other items.
    #[must_use]
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(show).collect(), next_cursor: self.next_cursor }
    }
}
