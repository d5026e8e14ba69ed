//! `limit` and `cursor`.

use std::str::FromStr;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use utoipa::IntoParams;
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

/// The page that these two ask for.
pub fn request(limit: Limit, cursor: Option<Cursor>) -> PageRequest {
    PageRequest { after: cursor.map(|cursor| cursor.0), limit: limit.0 }
}

/// The query of a list without filters.
#[derive(Deserr, IntoParams)]
#[deserr(error = Violations, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most so many items.
    #[deserr(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    #[deserr(default)]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

impl PageQuery {
    /// The page that is asked for.
    pub fn request(&self) -> PageRequest {
        request(self.limit, self.cursor)
    }
}
