//! JSON as it comes, in chunks of any size: what it consists of, one event after the other, in little memory however long it is.

use json_event_parser::{JsonEvent, LowLevelJsonParser};
use memchr::{memchr, memchr2};

/// Longest text or number that is read, in bytes as it is written.
const LONGEST: usize = 4096;

/// Stands in the place of a longer text, which is read over: the parser wants to see a text whole.
const TOO_LONG: &[u8] = b"\"\\ufffd\"";

/// How deep values may be within others.
const DEEPEST: usize = 128;

/// It is no JSON, or such as nobody writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Unintelligible;

/// Reads one value.
pub struct Events {
    parser: LowLevelJsonParser,
    /// What the parser has not taken yet: at the end of a chunk no more than the beginning of one token.
    held: Vec<u8>,
    text: Option<Text>,
}

/// A text whose end has not come yet.
struct Text {
    /// Where it begins in what is held; `None` if it is too long.
    from: Option<usize>,
    /// The next byte belongs to a backslash.
    escaped: bool,
}

impl Events {
    /// At the beginning.
    #[must_use]
    pub fn new() -> Self {
        let parser = LowLevelJsonParser::new().with_max_stack_size(DEEPEST);
        Self { parser, held: Vec::new(), text: None }
    }

    /// Takes the next chunk, and tells of what has ended in it.
    pub fn read(
        &mut self,
        chunk: &[u8],
        told: &mut impl FnMut(JsonEvent<'_>) -> Result<(), Unintelligible>,
    ) -> Result<(), Unintelligible> {
        self.hold(chunk);
        let mut taken = 0;
        loop {
            let result = self.parser.parse_next(&self.held[taken..], false);
            taken += result.consumed_bytes;
            match result.event {
                Some(Ok(event)) => told(event)?,
                Some(Err(_)) => return Err(Unintelligible),
                None => break,
            }
        }
        self.held.drain(..taken);
        if let Some(Text { from: Some(from), .. }) = &mut self.text {
            *from -= taken;
        }
        if self.held.len() > LONGEST + TOO_LONG.len() { Err(Unintelligible) } else { Ok(()) }
    }

    /// Takes the end.
    pub fn finish(
        mut self,
        told: &mut impl FnMut(JsonEvent<'_>) -> Result<(), Unintelligible>,
    ) -> Result<(), Unintelligible> {
        let mut taken = 0;
        loop {
            let result = self.parser.parse_next(&self.held[taken..], true);
            taken += result.consumed_bytes;
            match result.event {
                Some(Ok(JsonEvent::Eof)) => return Ok(()),
                Some(Ok(event)) => told(event)?,
                Some(Err(_)) | None => return Err(Unintelligible),
            }
        }
    }

    /// Appends a chunk to what is held, without what is in texts that are too long.
    fn hold(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let Some(text) = &mut self.text else {
                let end = memchr(b'"', chunk).map_or(chunk.len(), |quote| quote + 1);
                self.held.extend_from_slice(&chunk[..end]);
                if chunk[end - 1] == b'"' {
                    self.text = Some(Text { from: Some(self.held.len() - 1), escaped: false });
                }
                chunk = &chunk[end..];
                continue;
            };
            let end = text.end(chunk);
            let inside = &chunk[..end.unwrap_or(chunk.len())];
            if let Some(from) = text.from {
                if self.held.len() - from + inside.len() > LONGEST {
                    self.held.truncate(from);
                    text.from = None;
                } else {
                    self.held.extend_from_slice(inside);
                }
            }
            let Some(end) = end else { return };
            self.held.extend_from_slice(if text.from.is_some() { b"\"" } else { TOO_LONG });
            self.text = None;
            chunk = &chunk[end + 1..];
        }
    }
}

impl Text {
    /// Where the quote is that ends it.
    fn end(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = usize::from(std::mem::take(&mut self.escaped));
        while let Some(found) = chunk.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            at += found;
            if chunk[at] == b'"' {
                return Some(at);
            }
            at += 2;
        }
        self.escaped = at > chunk.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All events of a text that comes in chunks of `size` bytes, and the most that was held.
    fn events(text: &[u8], size: usize) -> Result<(Vec<String>, usize), Unintelligible> {
        let (mut reading, mut events, mut most) = (Events::new(), Vec::new(), 0);
        let mut told = |event: JsonEvent<'_>| {
            events.push(format!("{event:?}"));
            Ok(())
        };
        for chunk in text.chunks(size) {
            reading.read(chunk, &mut told)?;
            most = most.max(reading.held.len());
        }
        reading.finish(&mut told)?;
        Ok((events, most))
    }

    #[test]
    fn chunks_make_no_difference() {
        let long = "é\\\"\\\\\\u00e9".repeat(LONGEST);
        let text = format!(r#" {{"a\"":[1,-2.5e3,true,null,"\\"],"\u0062":"x{long}","{long}":{{}}, "c":"" }} "#);
        let whole = events(text.as_bytes(), usize::MAX).unwrap().0;
        assert_eq!(whole.iter().filter(|event| event.contains('\u{fffd}')).count(), 2, "{whole:?}");
        for size in [1, 2, 3, 7, 4096, 5000] {
            assert_eq!(events(text.as_bytes(), size).unwrap().0, whole, "{size}");
        }
    }

    #[test]
    fn nothing_endless_is_held() {
        let endless = |begin: &str, middle: &str| format!("{begin}{}", middle.repeat(1_000_000));
        for text in
            [endless("\"", "x"), endless("\"", "\\\""), endless("{\"", "x"), endless("", " "), endless("[", "0,")]
        {
            let mut reading = Events::new();
            for chunk in text.as_bytes().chunks(1000) {
                reading.read(chunk, &mut |_| Ok(())).unwrap();
                assert!(reading.held.len() <= LONGEST, "{}", &text[..10]);
            }
            assert!(reading.held.capacity() < 8 * LONGEST, "{}", reading.held.capacity());
        }
        for text in [endless("", "1"), endless("0.", "0"), endless("", "["), endless("", "{\"a\":")] {
            assert_eq!(events(text.as_bytes(), 1000), Err(Unintelligible), "{}", &text[..10]);
        }
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        for text in [
            "",
            " ",
            "[",
            "[1,]",
            "{} {}",
            "nul",
            "NaN",
            "\"",
            "<html>",
            "{\"a\" 1}",
            "{a:1}",
            "[\"\\x\"]",
            "\"\u{1}\"",
        ] {
            assert_eq!(events(text.as_bytes(), 2), Err(Unintelligible), "{text}");
        }
        assert_eq!(events(b"[\"\xff\"]", 9), Err(Unintelligible));
    }
}
