//! What JSON takes in memory once it is read: up to a hundred times its text, where that is full of small objects. It is weighed
//! before anything is made of it.

use memchr::memchr2;
use serde_json::Value;

/// Deepest that values may be in each other; `serde_json` goes no further.
const DEEPEST: usize = 128;

/// What the allocator adds to what it is asked for.
const ALLOCATED: usize = 16;

/// A value, where it stands in an array.
const VALUE: usize = size_of::<Value>();

/// The first items of an array, which there is room for at once; then the room is doubled again and again.
const FIRST_ITEMS: usize = 4;

/// Members in one node of an object, which is there from the first of them on. Full nodes are divided.
const NODE_MEMBERS: usize = 11;
const NODE: usize = NODE_MEMBERS * (size_of::<String>() + VALUE) + 2 * ALLOCATED;

/// What each further member adds to the nodes, on average: divided nodes are half full.
const MEMBER: usize = NODE / 5;

/// What a text takes besides its length.
const TEXT: usize = 2 * ALLOCATED;

/// A text longer than this, in bytes, or a heavier one, takes long to read.
const SHORT: usize = 256 * 1024;
const LIGHT: usize = 1024 * 1024;

/// Longer or heavier ones must have room.
const LONGEST_WITHOUT_ROOM: usize = 1024 * 1024;
const HEAVIEST_WITHOUT_ROOM: usize = 4 * 1024 * 1024;

/// What it takes to read a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Nothing to speak of.
    Little,
    /// So much time that it is not taken from the runtime's threads.
    Long,
    /// So much time, and room.
    Large,
}

/// Tells what it takes to read a text, whatever it is.
#[must_use]
pub fn effort(text: &[u8]) -> Effort {
    if text.len() > LONGEST_WITHOUT_ROOM {
        return Effort::Large;
    }
    match weigh(text, HEAVIEST_WITHOUT_ROOM) {
        None => Effort::Large,
        Some(weight) if weight > LIGHT || text.len() > SHORT => Effort::Long,
        Some(_) => Effort::Little,
    }
}

enum Open {
    Array { items: usize },
    Object { members: usize },
}

/// What a text takes in memory as a [`Value`], in bytes; `None` if that is more than `most`, or if it is too deep. Of what is no
/// JSON it is at least what is made of it before that is seen.
#[must_use]
pub fn weigh(text: &[u8], most: usize) -> Option<usize> {
    let (mut open, mut weight, mut rest) = (Vec::new(), VALUE, text);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (first, open.last_mut()) {
            (b'"', _) => {
                let length = length(rest);
                weight += length + TEXT;
                rest = rest.get(length + 1..).unwrap_or_default();
            }
            (b'[', _) => {
                weight += FIRST_ITEMS * VALUE + ALLOCATED;
                open.push(Open::Array { items: 1 });
            }
            (b'{', _) => open.push(Open::Object { members: 0 }),
            (b']' | b'}', _) => drop(open.pop()),
            (b',', Some(Open::Array { items })) => {
                if *items >= FIRST_ITEMS && items.is_power_of_two() {
                    weight += *items * VALUE;
                }
                *items += 1;
            }
            (b':', Some(Open::Object { members })) => {
                weight += match *members {
                    0 => NODE,
                    // The second node, and one above the two.
                    NODE_MEMBERS => 2 * NODE + NODE_MEMBERS * ALLOCATED,
                    few if few < NODE_MEMBERS => 0,
                    _ => MEMBER,
                };
                *members += 1;
            }
            _ => {}
        }
        if weight > most || open.len() > DEEPEST {
            return None;
        }
    }
    Some(weight)
}

/// Up to where a text goes whose first quotation mark was read.
fn length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> usize {
        weigh(text.as_bytes(), usize::MAX).unwrap()
    }

    #[test]
    fn small_objects_are_heavy_and_numbers_are_not() {
        let [numbers, objects] =
            ["0", r#"{"":0}"#].map(|item| all(&format!("[{}{item}]", format!("{item},").repeat(9_999))));
        assert!((10_000 * VALUE..20_000 * VALUE).contains(&numbers), "{numbers}");
        assert!(objects > numbers + 10_000 * 11 * (VALUE + size_of::<String>()), "{objects}");
        let members: Vec<_> = (0..10_000).map(|name| format!(r#""{name:05}":0"#)).collect();
        let one = all(&format!("{{{}}}", members.join(",")));
        assert!((10_000 * 2 * (VALUE + 29)..10_000 * 4 * (VALUE + 29)).contains(&one), "nodes are half full: {one}");
    }

    #[test]
    fn what_is_in_texts_weighs_nothing_more() {
        for text in [r#""[[[[{\"a\":0},,,,""#, r#""\\""#, r#""\"""#, r#""a\u0022""#, r#""unended"#, r#""\"#, "\""] {
            assert!(all(text) <= VALUE + TEXT + text.len(), "{text}");
        }
        assert_eq!(all(r#"["\\",[[]]]"#) - all(r#"["[,",[[]]]"#), 0, "the text has ended where it ends");
    }

    #[test]
    fn there_is_a_limit() {
        let weight = all("[1,[2,3]]");
        assert_eq!((weigh(b"[1,[2,3]]", weight), weigh(b"[1,[2,3]]", weight - 1)), (Some(weight), None));
        let deep = |depth: usize| weigh("[".repeat(depth).as_bytes(), usize::MAX);
        assert!(deep(DEEPEST).is_some() && deep(DEEPEST + 1).is_none());
        assert!(weigh(b"]]]]}}}},,,,::::", usize::MAX).is_some(), "what is no JSON is weighed, too");
    }

    #[test]
    fn what_is_small_needs_nothing() {
        let list = |item: &str, count: usize| format!("[{}{item}]", format!("{item},").repeat(count - 1));
        for (text, expected) in [
            (String::new(), Effort::Little),
            (list(r#"{"solver":"s","data":{"format":"qp","lin":"AAAA"}}"#, 20), Effort::Little),
            (format!("\"{}\"", "x".repeat(SHORT)), Effort::Long),
            (list(r#"{"":0}"#, 3_000), Effort::Long),
            (list(r#"{"":0}"#, 10_000), Effort::Large),
            (" ".repeat(LONGEST_WITHOUT_ROOM + 1), Effort::Large),
        ] {
            assert_eq!(effort(text.as_bytes()), expected, "{} bytes", text.len());
        }
    }
}
