//! `limit` and `cursor`.

use std::str::FromStr;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use uuid::Uuid;

use super::input::Violations;
use crate::domain::PageRequest;

/// At most so many items: 1–200.
#[derive(Debug, Clone, Copy)]
pub struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

/// Where a page begins: behind the item of this id.
#[derive(Debug, Clone, Copy)]
pub struct Cursor(Uuid);

macro_rules! from_text {
    ($type:ident: $text:ident => $parse:expr, $expected:literal) => {
        impl Deserr<Violations> for $type {
            fn deserialize_from_value<V: IntoValue>(
                value: Value<V>,
                location: ValuePointerRef,
            ) -> Result<Self, Violations> {
                let parsed = match value {
                    Value::String($text) => $parse,
                    _ => None,
                };
                parsed.map(Self).ok_or_else(|| Violations::one(location, $expected))
            }
        }
    };
}

from_text!(Limit: text => u16::from_str(&text).ok().filter(|limit| (1..=200).contains(limit)), "must be a number from 1 to 200");
from_text!(Cursor: text => Uuid::try_parse(&text).ok(), "must be the next_cursor of another page of this list");

/// The query of a list: its filters and, behind them, `limit` and `cursor`. A macro, because neither `deserr` nor `utoipa` takes
/// members over from another struct.
macro_rules! list_query {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident { $($filters:tt)* }) => {
        $(#[$doc])*
        #[derive(deserr::Deserr, utoipa::IntoParams)]
        #[deserr(error = $crate::http::input::Violations, deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        $visibility struct $name {
            $($filters)*
            /// At most so many items.
            #[deserr(default)]
            #[param(value_type = Option<u16>, minimum = 1, maximum = 200, default = 50)]
            limit: $crate::http::page::Limit,
            /// The `next_cursor` of the page before.
            #[deserr(default)]
            #[param(value_type = Option<String>)]
            cursor: Option<$crate::http::page::Cursor>,
        }

        impl $name {
            /// The page that is asked for.
            $visibility fn page(&self) -> $crate::domain::PageRequest {
                $crate::http::page::request(self.limit, self.cursor)
            }
        }
    };
}
pub(super) use list_query;

/// The page that these two ask for.
pub fn request(limit: Limit, cursor: Option<Cursor>) -> PageRequest {
    PageRequest { after: cursor.map(|cursor| cursor.0), limit: limit.0 }
}

list_query! {
    /// The query of a list without filters.
    pub struct PageQuery {}
}
