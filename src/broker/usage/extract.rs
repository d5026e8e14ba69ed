//! The few values that somebody wants to know of an answer of any length, taken out while it passes by. Whoever reads the answer as
//! a whole may take another one of two members of the same name: then nothing is known.

use std::borrow::Cow;

use json_event_parser::JsonEvent;
use serde_json::{Map, Value};

use super::events::{Events, Unintelligible};

/// Most values that are kept.
const MOST_VALUES: usize = 10_000;

/// Most bytes of names and texts that are kept.
const MOST_BYTES: usize = 256 * 1024;

/// What is known of one answer so far.
pub struct Extract {
    /// What is wanted; the first is the whole answer.
    wanted: Vec<Wanted>,
    /// `None` if what came is no JSON, ambiguous, or more than is kept.
    events: Option<Events>,
    kept: Kept,
}

/// A value that is wanted, or that has such in it.
#[derive(Default)]
struct Wanted {
    all: bool,
    /// Names or positions, and where they are among what is wanted.
    inside: Vec<(String, usize)>,
}

#[derive(Default)]
struct Kept {
    /// Objects and arrays that have begun and not ended.
    open: Vec<Open>,
    /// How many of those that have begun in the innermost of them are not wanted.
    skipped: usize,
    root: Option<Value>,
    values: usize,
    bytes: usize,
}

/// An object or array of which something is kept.
struct Open {
    /// What of it is wanted; `None` if all is.
    wanted: Option<usize>,
    /// What is there so far. Of an array of which not all is wanted it is an object with positions as names: JSON pointers do
    /// not know the difference, and what is left out takes no room.
    value: Value,
    is_array: bool,
    /// How many items there were, where this is an array.
    position: usize,
    /// The member that comes next; `None` if it is not wanted.
    name: Option<String>,
}

/// What becomes of a value.
#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    /// It is kept as far as this says.
    Wanted(usize),
    /// It is part of what is kept whole.
    Within,
}

impl Extract {
    /// Of what these pointers lead to.
    #[must_use]
    pub fn new(pointers: &[Cow<'static, str>]) -> Self {
        let mut wanted = vec![Wanted::default()];
        for pointer in pointers {
            let mut at = 0;
            for name in pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")) {
                let known = wanted[at].inside.iter().find(|(inside, _)| *inside == name).map(|(_, place)| *place);
                at = known.unwrap_or_else(|| {
                    let new = wanted.len();
                    wanted[at].inside.push((name, new));
                    wanted.push(Wanted::default());
                    new
                });
            }
            wanted[at].all = true;
        }
        Self { wanted, events: Some(Events::new()), kept: Kept::default() }
    }

    /// Takes the next chunk of the answer.
    pub fn read(&mut self, chunk: &[u8]) {
        let (wanted, kept) = (&self.wanted, &mut self.kept);
        let events = self.events.as_mut().map(|events| events.read(chunk, &mut |event| kept.take(wanted, event)));
        if events == Some(Err(Unintelligible)) {
            self.events = None;
        }
    }

    /// Takes the end. What is wanted and was there, where it was; `None` if that cannot be said for certain.
    #[must_use]
    pub fn finish(self) -> Option<Value> {
        let Self { wanted, events, mut kept } = self;
        events?.finish(&mut |event| kept.take(&wanted, event)).ok()?;
        // Of the answer nothing may be wanted, but there was one.
        Some(kept.root.unwrap_or_default())
    }
}

impl Kept {
    fn take(&mut self, wanted: &[Wanted], event: JsonEvent<'_>) -> Result<(), Unintelligible> {
        let value = match event {
            JsonEvent::StartObject => {
                self.begin(wanted, Value::Object(Map::new()));
                return Ok(());
            }
            JsonEvent::StartArray => {
                self.begin(wanted, Value::Array(Vec::new()));
                return Ok(());
            }
            JsonEvent::EndObject | JsonEvent::EndArray => return self.end(),
            JsonEvent::ObjectKey(name) => return self.name(wanted, name),
            JsonEvent::Eof => return Ok(()),
            scalar => scalar,
        };
        let place = self.place(wanted);
        if matches!(place, Place::Nowhere) {
            return Ok(());
        }
        let value = match value {
            JsonEvent::String(text) => {
                self.count(text.len())?;
                Value::String(text.into_owned())
            }
            JsonEvent::Number(number) => Value::Number(number.parse().map_err(|_| Unintelligible)?),
            JsonEvent::Boolean(flag) => Value::Bool(flag),
            _ => Value::Null,
        };
        self.put(value)
    }

    fn begin(&mut self, wanted: &[Wanted], empty: Value) {
        let is_array = empty.is_array();
        let (wanted, value) = match self.place(wanted) {
            Place::Nowhere => {
                self.skipped += 1;
                return;
            }
            Place::Wanted(place) if !wanted[place].all => (Some(place), Value::Object(Map::new())),
            Place::Wanted(_) | Place::Within => (None, empty),
        };
        self.open.push(Open { wanted, value, is_array, position: 0, name: None });
    }

    fn end(&mut self) -> Result<(), Unintelligible> {
        if let Some(left) = self.skipped.checked_sub(1) {
            self.skipped = left;
            return Ok(());
        }
        let ended = self.open.pop().ok_or(Unintelligible)?;
        self.put(ended.value)
    }

    fn name(&mut self, wanted: &[Wanted], name: Cow<'_, str>) -> Result<(), Unintelligible> {
        if self.skipped > 0 {
            return Ok(());
        }
        let open = self.open.last_mut().ok_or(Unintelligible)?;
        let is_wanted = open.wanted.is_none_or(|place| wanted[place].inside.iter().any(|(inside, _)| *inside == *name));
        if !is_wanted {
            open.name = None;
            return Ok(());
        }
        if open.value.get(&*name).is_some() {
            return Err(Unintelligible);
        }
        let length = name.len();
        open.name = Some(name.into_owned());
        self.count(length)
    }

    /// Where the value that begins now belongs.
    fn place(&mut self, wanted: &[Wanted]) -> Place {
        if self.skipped > 0 {
            return Place::Nowhere;
        }
        let Some(open) = self.open.last_mut() else { return Place::Wanted(0) };
        let Some(of) = open.wanted else { return Place::Within };
        if open.is_array {
            let position = open.position.to_string();
            open.position += 1;
            open.name = wanted[of].inside.iter().any(|(inside, _)| *inside == position).then_some(position);
        }
        let Some(name) = &open.name else { return Place::Nowhere };
        let place = wanted[of].inside.iter().find(|(inside, _)| inside == name);
        place.map_or(Place::Nowhere, |(_, place)| Place::Wanted(*place))
    }

    /// Puts a value where it belongs, once it has ended.
    fn put(&mut self, value: Value) -> Result<(), Unintelligible> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Unintelligible);
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open { value: Value::Array(items), .. }) => items.push(value),
            Some(open) => {
                let (Some(name), Some(members)) = (open.name.take(), open.value.as_object_mut()) else {
                    return Err(Unintelligible);
                };
                members.insert(name, value);
            }
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Unintelligible> {
        self.bytes += bytes;
        if self.bytes > MOST_BYTES { Err(Unintelligible) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn extract(pointers: &[&'static str], text: &str, size: usize) -> Option<Value> {
        let pointers: Vec<Cow<'static, str>> = pointers.iter().copied().map(Cow::Borrowed).collect();
        let mut extract = Extract::new(&pointers);
        text.as_bytes().chunks(size).for_each(|chunk| extract.read(chunk));
        extract.finish()
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let text = json!({
            "status": "Done", "id": 7, "other": [{"status": 1}, [[]]],
            "solution": {"timing": {"solve_time": "12.5", "all": [1, {"x": null}]}, "status": {"status": 2}, "energy": 1},
            "a/b~c": [true, false, [{"t": 1}, {"t": 2, "u": 3}]],
        })
        .to_string();
        for size in [1, 5, 1000] {
            let found = |pointers| extract(pointers, &text, size).unwrap();
            assert_eq!(found(&["/status", "/id", "/none"]), json!({"status": "Done", "id": 7}));
            let timing = json!({"solve_time": "12.5", "all": [1, {"x": null}]});
            assert_eq!(found(&["/solution/timing"]), json!({"solution": {"timing": timing}}));
            assert_eq!(
                found(&["/solution/timing/solve_time"]),
                json!({"solution": {"timing": {"solve_time": "12.5"}}})
            );
            assert_eq!(found(&["/a~1b~0c/2/1/t"]).pointer("/a~1b~0c/2/1/t"), Some(&json!(2)));
            assert_eq!(found(&["/a~1b~0c/2/1"]).pointer("/a~1b~0c/2/1"), Some(&json!({"t": 2, "u": 3})));
            assert_eq!(found(&["/status/x", "/other/00"]), json!({"status": "Done", "other": {}}));
            assert_eq!(found(&[""]).to_string(), serde_json::from_str::<Value>(&text).unwrap().to_string());
            assert_eq!(found(&[]), json!({}));
        }
        assert_eq!(extract(&["/0/id"], r#"[{"id": "a"}]"#, 1).unwrap().pointer("/0/id"), Some(&json!("a")));
    }

    #[test]
    fn what_could_be_taken_for_another_is_not_known() {
        let wanted: &[&'static str] = &["/status", "/t/time", "/t/all"];
        for text in [
            r#"{"status": "Done", "status": "Done"}"#,
            r#"{"status": "Done", "\u0073tatus": "Running"}"#,
            r#"{"t": {"time": 1}, "t": {}}"#,
            r#"{"t": {"time": 1, "time": 2}}"#,
            r#"{"t": {"all": [{"x": 1, "x": 1}]}}"#,
            r#"{"status": "Done""#,
            r#"{"status": "Done"} {"status": "Done"}"#,
            r#"{"status": 1e999}"#,
            "",
        ] {
            assert_eq!(extract(wanted, text, 3), None, "{text}");
        }
        // What nobody wants may be there twice.
        let text = r#"{"x": 1, "x": 2, "y": {"status": 1, "status": 2}, "t": {"x": 1, "x": 2}, "n": 1e999}"#;
        assert_eq!(extract(wanted, text, 3), Some(json!({"t": {}})));
    }

    #[test]
    fn no_more_is_kept_than_anybody_needs() {
        let many = |item: &str| format!("{{\"t\": {{\"all\": [{}0]}}}}", item.repeat(MOST_VALUES));
        assert_eq!(extract(&["/t/all"], &many("0,"), 1000), None);
        assert_eq!(extract(&["/t/all"], &many(&format!("\"{}\",", "x".repeat(100))), 1000), None);
        assert_eq!(extract(&["/t/all/0"], &many("0,"), 1000), Some(json!({"t": {"all": {"0": 0}}})));
        let members: Vec<String> = (0..MOST_VALUES).map(|number| format!("\"{number}\":0,")).collect();
        let members = members.concat();
        assert_eq!(extract(&[""], &format!("{{{members}\"x\":0}}"), 1000), None);
    }
}
