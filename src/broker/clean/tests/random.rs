//! Random secrets, rendered at random, in random text. The seed is fixed.

use super::*;

/// Numbers that look random (xorshift64*).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    pub(super) fn byte(&mut self, limit: usize) -> u8 {
        u8::try_from(self.below(limit)).unwrap()
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn secret(&mut self) -> String {
        let length = 8 + self.below(40);
        let wild = self.below(2) == 0;
        let all = ["a", "Z", "0", "9", "-", "_", "e", "q", "X", "7"];
        let more = [
            "/", "\\", "\"", "'", "%", "&", "+", "=", "<", "*", "(", "[", "{", "$", "^", ".", "u", "x", "ü", "é", "😀",
            " ", ";", "#",
        ];
        let mut secret = String::from("s");
        while secret.len() < length {
            secret.push_str(if wild && self.below(3) == 0 { self.pick(&more) } else { self.pick(&all) });
        }
        secret + "e"
    }

    fn text(&mut self) -> String {
        let words = [
            "status", "\"", ":", "{", "}", "\\", "\\u00e9", "%41", "%", "&", "&amp;", "&#65;", "s", "se", "\n",
            "token", "🦀", "ab12", "==",
        ];
        (0..self.below(40)).map(|_| self.pick(&words)).collect()
    }

    /// One layer of escapes over a part of the characters.
    fn layer(&mut self, text: &[u8]) -> Vec<u8> {
        let share = 1 + self.below(4);
        let upper = self.below(2) == 0;
        match self.below(3) {
            0 => rendering::percent(text, upper, |byte| {
                matches!(byte, b'%' | b'&' | b'+') || !byte.is_ascii() || self.below(share) == 0
            }),
            1 => rendering::json(text, upper, self.below(2) == 0, |_| self.below(share) == 0),
            _ => rendering::html(text, upper, |_| self.below(share) == 0),
        }
    }

    fn rendering(&mut self, secret: &str) -> Vec<u8> {
        let (upper, url, padded) = (self.below(2) == 0, self.below(2) == 0, self.below(2) == 0);
        let mut text = match self.below(5) {
            0 => rendering::base64(
                format!("{}{secret}{}", self.pick(&["", "u", "u:", "key:"]), self.pick(&["", "x", ":"])).as_bytes(),
                url,
                padded,
            ),
            1 => rendering::hex(secret.as_bytes(), upper, ""),
            _ => secret.as_bytes().to_vec(),
        };
        for _ in 0..self.below(3) {
            text = self.layer(&text);
        }
        text
    }

    fn cut<'a>(&mut self, mut text: &'a [u8]) -> Vec<&'a [u8]> {
        let mut chunks = Vec::new();
        while !text.is_empty() {
            let size = (1 + self.below(30)).min(text.len());
            let (chunk, rest) = text.split_at(size);
            chunks.push(chunk);
            text = rest;
        }
        chunks
    }
}

#[test]
fn what_is_rendered_at_random_is_removed() {
    let mut random = Random(0x5eed);
    for round in 0..1500 {
        let secret = random.secret();
        let rendering = random.rendering(&secret);
        let (before, after) = (random.text(), random.text());
        let text = [before.as_bytes(), &rendering, after.as_bytes()].concat();
        let whole = show(&run(filter(&secret), &[&text]));
        let about = || format!("round {round}: {secret} as {}\nin {}\nleft {whole}", show(&rendering), show(&text));
        assert!(whole.contains("[removed]"), "{}", about());
        assert!(!whole.contains(&*show(&rendering)), "{}", about());
        // Once more finds nothing: what was left over does not make up a secret.
        assert_eq!(show(&run(filter(&secret), &[whole.as_bytes()])), whole, "{}", about());
        assert!(oracle(whole.as_bytes(), 3).iter().all(|text| !show(text).contains(&secret)), "{}", about());
        let cleaned = run(filter(&secret), &random.cut(&text));
        assert_eq!(show(&cleaned), whole, "{}", about());
    }
}

#[test]
fn what_has_no_secret_stays_as_it_is() {
    let mut random = Random(0xfeed);
    for _ in 0..1500 {
        let secret = random.secret();
        let text = random.text() + &random.text() + &random.text();
        let cleaned = run(filter(&secret), &random.cut(text.as_bytes()));
        assert_eq!(show(&cleaned), text, "{secret}");
    }
    for _ in 0..20 {
        let secret = random.secret();
        let text: Vec<u8> = (0..5000).map(|_| random.byte(256)).collect();
        assert_eq!(run(filter(&secret), &random.cut(&text)), text, "{secret}");
    }
}

/// All that the text may be read as: escapes undone one kind after the other, and what looks like base64 or hex decoded.
fn oracle(text: &[u8], depth: usize) -> Vec<Vec<u8>> {
    let mut all = vec![text.to_vec(), undone_hex(text)];
    all.extend((0..4).map(|skipped| undone_base64(text, skipped)));
    if depth > 0 {
        for next in [undone_percent(text), undone_json(text), undone_html(text)] {
            if next != text {
                all.extend(oracle(&next, depth - 1));
            }
        }
    }
    all
}

fn undone_percent(text: &[u8]) -> Vec<u8> {
    undone(text, |rest| {
        let digits = rest.strip_prefix(b"%")?.get(..2)?;
        Some((vec![number(digits, 16)?.try_into().ok()?], 3))
    })
}

fn undone_json(text: &[u8]) -> Vec<u8> {
    let unit = |rest: &[u8]| number(rest.strip_prefix(b"\\u")?.get(..4)?, 16);
    undone(text, |rest| {
        let Some(high) = unit(rest) else {
            return rest.strip_prefix(b"\\").and_then(|rest| Some((vec![*rest.first()?], 2)));
        };
        let low = rest.get(6..).and_then(unit);
        let pair =
            char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low.unwrap_or(0)).ok()?]).next()?.ok()?;
        Some((pair.to_string().into_bytes(), 6 * pair.len_utf16()))
    })
}

fn undone_html(text: &[u8]) -> Vec<u8> {
    undone(text, |rest| {
        let end = rest.iter().take(12).position(|byte| *byte == b';')?;
        let name = rest.strip_prefix(b"&")?.get(..end - 1)?;
        let character = match name {
            b"amp" => '&',
            b"lt" => '<',
            b"gt" => '>',
            b"quot" => '"',
            [b'#', b'x', digits @ ..] => char::from_u32(number(digits, 16)?)?,
            [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
            _ => return None,
        };
        Some((character.to_string().into_bytes(), end + 1))
    })
}

fn undone_base64(text: &[u8], skipped: usize) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut out = Vec::new();
    for run in text.split(|byte| value(*byte).is_none()) {
        for group in run.get(skipped..).unwrap_or_default().chunks(4) {
            let bits = group.iter().filter_map(|byte| value(*byte)).fold(0, |bits, value| bits << 6 | u32::from(value));
            out.extend(&(bits << (32 - 6 * group.len())).to_be_bytes()[..group.len() * 3 / 4]);
        }
        out.push(0);
    }
    out
}

fn undone_hex(text: &[u8]) -> Vec<u8> {
    undone(text, |rest| Some((vec![number(rest.get(..2)?, 16)?.try_into().ok()?], 2)))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().all(u8::is_ascii_alphanumeric).then_some(())?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

fn undone(text: &[u8], escape: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let (bytes, length) = escape(rest).unwrap_or((vec![*first], 1));
        out.extend(bytes);
        rest = &rest[length..];
    }
    out
}
