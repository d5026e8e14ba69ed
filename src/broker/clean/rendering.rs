//! Reads text as whoever it is shown to would: undoes percent-encoding, JSON and HTML escapes, a character at a time.
//!
//! Escapes nest (`%2541`, `\\u0041`, `&amp;#65;`), so a position in a text has several *readings*: as it stands, and with one,
//! two or three layers of escapes undone. Each layer is complete in itself: the digits of an escape may be escaped below it.

use super::entity;

/// Layers of escapes that are undone.
const DEPTH: u8 = 3;
/// Longest rendering of one character, in bytes. Four times the longest that an honest encoder of two layers makes.
pub(super) const LONGEST: usize = 128;
/// Marks a byte that is not ASCII and was read as a byte, not as a character.
const BYTE: u32 = 1 << 31;

/// A part of a text: what follows `bytes` is still to come, unless they are the `last`.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) last: bool,
}

/// One character (or one byte of it) as it was read, and where it ends in the text.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Unit {
    value: u32,
    pub(super) end: usize,
}

/// The text ends before it can be read, and more may come.
pub(super) struct Cut;

type Reading = Result<Option<Unit>, Cut>;

/// Whether an escape can begin with this byte.
pub(super) const fn introduces(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

impl Unit {
    /// The bytes that the unit stands for.
    pub(super) fn bytes(self, buffer: &mut [u8; 4]) -> &[u8] {
        if self.value < 0x80 || self.value & BYTE != 0 {
            buffer[0] = (self.value & 0xff) as u8;
            return &buffer[..1];
        }
        char::from_u32(self.value).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(buffer).as_bytes()
    }

    fn ascii(self) -> Option<u8> {
        u8::try_from(self.value).ok().filter(u8::is_ascii)
    }

    fn digit(self, radix: u32) -> Option<u32> {
        self.ascii().and_then(|byte| char::from(byte).to_digit(radix))
    }

    fn introducer(self) -> Option<u8> {
        self.ascii().filter(|byte| introduces(*byte))
    }
}

impl Text<'_> {
    /// The readings of what is at `at`, which [`introduces`] an escape; without the one as it stands.
    pub(super) fn readings(self, at: usize) -> Readings {
        // A character longer than the longest is none, so that what is held back has a bound.
        let end = self.bytes.len().min(at + LONGEST);
        let window = Text { bytes: &self.bytes[..end], last: self.last || end < self.bytes.len() };
        if let Some(plain) = window.plain(at) {
            return plain;
        }
        let mut readings = Readings::NONE;
        // As a shell has it.
        if let [b'\\', byte @ (b'%' | b'&' | b'u' | b'x'), ..] = window.bytes[at..] {
            readings.units[usize::from(DEPTH)] = Some(Unit { value: u32::from(byte), end: at + 2 });
        }
        let mut before = at + 1;
        for depth in 1..=DEPTH {
            match window.unit(at, depth) {
                Ok(Some(unit)) if unit.end > before => {
                    readings.units[usize::from(depth - 1)] = Some(unit);
                    before = unit.end;
                    if unit.introducer().is_none() {
                        break;
                    }
                }
                // It may be that only the digits have more layers than the sign before them.
                Ok(_) => {}
                Err(Cut) => {
                    readings.cut = true;
                    break;
                }
            }
        }
        readings
    }

    /// What nearly all escapes are: of one layer, and written plainly. A shortcut to what the long way comes to as well.
    fn plain(self, at: usize) -> Option<Readings> {
        let hex = |digits: &[u8]| {
            digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
        };
        let rest = &self.bytes[at..];
        let (value, end) = match *rest {
            [b'%', ref digits @ ..] => (hex(digits.get(..2)?)?, at + 3),
            [b'\\', b'u', ref digits @ ..] => (hex(digits.get(..4)?)?, at + 6),
            [b'\\', b'x' | b'n' | b'r' | b't', ..] => return None,
            [b'\\', byte, ..] if byte.is_ascii() => (u32::from(byte), at + 2),
            [b'&', ref name @ ..] => {
                let after = name.iter().take(entity::LONGEST_NAME).position(|byte| !byte.is_ascii_alphabetic())?;
                return (!introduces(name[after]) && !matches!(name[after], b';' | b'#')).then_some(Readings::NONE);
            }
            _ => return None,
        };
        let byte = rest[0] == b'%' && value >= 0x80;
        let unit = Unit { value: if byte { value | BYTE } else { value }, end };
        let whole = unit.introducer().is_none() && !(0xd800..0xdc00).contains(&value);
        whole.then_some(Readings { units: [Some(unit), None, None, None], cut: false })
    }

    fn unit(self, at: usize, depth: u8) -> Reading {
        let Some(byte) = self.bytes.get(at) else {
            return if self.last { Ok(None) } else { Err(Cut) };
        };
        let raw = Unit { value: if byte.is_ascii() { u32::from(*byte) } else { u32::from(*byte) | BYTE }, end: at + 1 };
        if depth == 0 || raw.introducer().is_none() {
            return Ok(Some(raw));
        }
        let Some(first) = self.unit(at, depth - 1)? else {
            return Ok(None);
        };
        let below = depth - 1;
        let escape = match first.introducer() {
            Some(b'%') => self.percent(first.end, below)?,
            Some(b'\\') => self.backslash(first.end, below)?,
            Some(_) => self.entity(first.end, below)?,
            None => None,
        };
        Ok(escape.or(Some(first)))
    }

    /// `%41`, and `%u0041` of JavaScript's `escape`.
    fn percent(self, at: usize, below: u8) -> Reading {
        let Some(first) = self.unit(at, below)? else {
            return Ok(None);
        };
        if first.ascii() == Some(b'u') {
            return self.hex(first.end, 4, below);
        }
        self.byte(at, below)
    }

    fn byte(self, at: usize, below: u8) -> Reading {
        let byte = self.hex(at, 2, below)?;
        Ok(byte.map(|unit| Unit { value: if unit.value < 0x80 { unit.value } else { unit.value | BYTE }, ..unit }))
    }

    /// JSON's escapes, `\x41`, and a backslash before whatever else, which stands for just that.
    fn backslash(self, at: usize, below: u8) -> Reading {
        let Some(kind) = self.unit(at, below)? else {
            return Ok(None);
        };
        let control = |byte: u8| Unit { value: u32::from(byte), ..kind };
        let escape = match kind.ascii() {
            Some(b'u') => self.utf16(kind.end, below)?,
            Some(b'x') => self.byte(kind.end, below)?,
            Some(b'n') => Some(control(b'\n')),
            Some(b'r') => Some(control(b'\r')),
            Some(b't') => Some(control(b'\t')),
            // An escape on a layer below comes first: what it stands for is what follows the backslash.
            Some(b'%' | b'&') => None,
            _ => Some(kind),
        };
        Ok(escape)
    }

    fn utf16(self, at: usize, below: u8) -> Reading {
        let Some(high) = self.hex(at, 4, below)? else {
            return Ok(None);
        };
        if !(0xd800..0xdc00).contains(&high.value) {
            return Ok(Some(high));
        }
        let mut end = high.end;
        for wanted in [b'\\', b'u'] {
            match self.unit(end, below)? {
                Some(unit) if unit.ascii() == Some(wanted) => end = unit.end,
                _ => return Ok(Some(high)),
            }
        }
        Ok(Some(match self.hex(end, 4, below)? {
            Some(low) if (0xdc00..0xe000).contains(&low.value) => {
                Unit { value: 0x1_0000 + ((high.value - 0xd800) << 10) + (low.value - 0xdc00), end: low.end }
            }
            _ => high,
        }))
    }

    fn hex(self, mut at: usize, digits: usize, below: u8) -> Reading {
        let mut value = 0;
        for _ in 0..digits {
            match self.unit(at, below)?.and_then(|unit| Some((unit.digit(16)?, unit.end))) {
                Some((digit, end)) => (value, at) = (value << 4 | digit, end),
                None => return Ok(None),
            }
        }
        Ok(Some(Unit { value, end: at }))
    }

    /// `&#65;`, `&#x41;` and the names of [`entity`]. The semicolon may be missing after a number, as browsers have it.
    fn entity(self, at: usize, below: u8) -> Reading {
        let Some(mut next) = self.unit(at, below)? else {
            return Ok(None);
        };
        if next.ascii() != Some(b'#') {
            return self.named(at, below);
        }
        let mut radix = 10;
        let mut end = next.end;
        match self.unit(end, below)? {
            Some(unit) if unit.ascii().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'x')) => {
                (radix, end) = (16, unit.end);
            }
            _ => {}
        }
        let mut value = None;
        for _ in 0..entity::MOST_DIGITS {
            match self.unit(end, below)? {
                Some(unit) => next = unit,
                None => break,
            }
            let Some(digit) = next.digit(radix) else { break };
            value = Some(value.unwrap_or(0_u32).wrapping_mul(radix).wrapping_add(digit) & !BYTE);
            end = next.end;
        }
        let Some(value) = value else {
            return Ok(None);
        };
        match self.unit(end, below)? {
            Some(unit) if unit.ascii() == Some(b';') => end = unit.end,
            // What follows may stand for more digits once it is read, which is on the layers above.
            Some(unit) if unit.introducer().is_some() && below + 1 < DEPTH => return Ok(None),
            _ => {}
        }
        Ok(Some(Unit { value, end }))
    }

    fn named(self, at: usize, below: u8) -> Reading {
        let mut name = [0; entity::LONGEST_NAME];
        let mut end = at;
        for length in 0..=name.len() {
            let Some((byte, after)) = self.unit(end, below)?.and_then(|unit| Some((unit.ascii()?, unit.end))) else {
                return Ok(None);
            };
            end = after;
            match name.get_mut(length) {
                _ if byte == b';' => {
                    return Ok(entity::named(&name[..length]).map(|value| Unit { value: u32::from(value), end }));
                }
                Some(place) if byte.is_ascii_alphabetic() => *place = byte,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The ways to read one place, fewest layers first.
pub(super) struct Readings {
    pub(super) units: [Option<Unit>; DEPTH as usize + 1],
    /// The text ended before all were known.
    pub(super) cut: bool,
}

impl Readings {
    const NONE: Self = Self { units: [None; DEPTH as usize + 1], cut: false };
}
