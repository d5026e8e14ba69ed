//! JSON of strangers. A value takes many times the room of its text, so how many there may be is bounded. No object may have two
//! members of the same name: readers differ in which of the two they take, and what is checked here could be another one than
//! what the other end does.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Most values in one text, those within others counted too.
const MOST_VALUES: usize = 2_000_000;

/// Reads a text; `None` if it is no JSON, too much of it, or ambiguous.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Value> {
    parse_up_to(text, MOST_VALUES)
}

fn parse_up_to(text: &[u8], most: usize) -> Option<Value> {
    let left = Cell::new(most);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Bounded(&left).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

/// How many values there may still be.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.insert(name, members.next_value_seed(self)?).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_what_serde_reads() {
        let value = json!({"a": [1, -2, 2.5, true, null, "é\n\u{1f600}"], "b": {"c": u64::MAX, "d": {}}, "e": []});
        assert_eq!(parse(value.to_string().as_bytes()), Some(value));
        assert_eq!(parse(b" [] "), Some(json!([])));
        for twice in [r#"{"id":1,"id":2}"#, r#"[{"a":{"id":1,"id":1}}]"#, r#"{"id":1,"\u0069d":2}"#] {
            assert_eq!(parse(twice.as_bytes()), None, "{twice}");
        }
        for wrong in ["", "[", "[1,]", "{} {}", "nul", "\u{feff}[]", "NaN"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse("[".repeat(100_000).as_bytes()), None);
    }

    #[test]
    fn there_may_not_be_too_many_values() {
        assert_eq!(parse_up_to(b"[1, [2, 3]]", 5), Some(json!([1, [2, 3]])));
        assert_eq!(parse_up_to(b"[1, [2, 3]]", 4), None);
        assert_eq!(parse_up_to(br#"{"a": {"b": 1}}"#, 2), None);
    }
}
