//! JSON of strangers. It is weighed before it is read. No object may have two members of the same name: readers differ in which of
//! the two they take, and what is checked here could be another one than what the other end does.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::room::weigh;

/// The most that a text may become, in bytes: two million numbers in an array, half a million arrays of three, or a hundred thousand
/// small objects.
pub(super) const HEAVIEST: usize = 96 * 1024 * 1024;

/// Reads a text; `None` if it is no JSON, too much of it, or ambiguous.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Value> {
    weigh(text, HEAVIEST)?;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Unambiguous.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

#[derive(Clone, Copy)]
struct Unambiguous;

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
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

    fn list(item: &str, count: usize) -> Vec<u8> {
        format!("[{}{item}]", format!("{item},").repeat(count - 1)).into_bytes()
    }

    /// Each object takes a hundred times its text.
    #[test]
    fn there_may_not_be_too_many_objects() {
        assert!(parse(&list(r#"{"":0}"#, 990_000)).is_none());
        assert!(parse(&list(r#"{"":0}"#, 100_000)).is_some());
    }

    #[test]
    fn long_problems_are_read() {
        for (item, count) in
            [("0", 2_000_000), ("[12,34,0.5]", 500_000), (r#"{"gate":"cnot","control":1,"target":2}"#, 100_000)]
        {
            assert!(parse(&list(item, count)).is_some(), "{item}");
        }
        assert!(parse(&list("0", 3_000_000)).is_none());
        let text = "QUJD".repeat(16 * 1024 * 1024 - 8);
        assert_eq!(parse(format!(r#"{{"lin":"{text}"}}"#).as_bytes()), Some(json!({"lin": text})));
    }
}
