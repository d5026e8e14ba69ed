//! What must not appear in an answer: the secret values, and the tables with which they are looked for.

use std::ops::Range;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::rendering::introduces;

/// Shorter values are found as text only, not in base64 or hex.
const SHORTEST_ENCODED: usize = 6;
/// Shorter values are not looked for: they are in every answer by chance.
const SHORTEST: usize = 4;
/// Marks a place where an escape may begin. The other bits are those of the needles, of which several may share one.
pub(super) const ESCAPE: u64 = 1 << 63;
const BITS: usize = 63;

/// The secret values that must not leave, prepared for the search.
///
/// Each is found as text (escaped or not, in upper or lower case), in base64 and in hex. A value of less than 6 bytes is found
/// as text only, one of less than 4 bytes not at all. Holds the values themselves: it cannot be shown, copied or
/// serialized, and is zeroed on drop.
pub struct Needles {
    /// All patterns, one after the other.
    patterns: Zeroizing<Vec<u8>>,
    all: Vec<Needle>,
    tables: Box<Tables>,
}

struct Needle {
    kind: Kind,
    pattern: Range<usize>,
}

/// For each byte, a bit for each needle that it may be the first or second byte of.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Tables {
    pub(super) starts: [u64; 256],
    pub(super) seconds: [u64; 256],
}

/// The alphabet that a pattern is written in.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Base64,
    Hex,
}

const TEXT: [u8; 256] = folding(&[(b' ', b'+')]);
const BASE64: [u8; 256] = folding(&[(b' ', b'+'), (b'-', b'+'), (b'_', b'/')]);
const HEX: [u8; 256] = folding(&[]);

/// Lower case, because a header that is echoed in another case is still read by whoever knows what it is.
const fn folding(pairs: &[(u8, u8)]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = u8::MAX;
    loop {
        table[byte as usize] = byte.to_ascii_lowercase();
        let Some(next) = byte.checked_sub(1) else { break };
        byte = next;
    }
    let mut pair = 0;
    while pair < pairs.len() {
        table[pairs[pair].0 as usize] = pairs[pair].1;
        pair += 1;
    }
    table
}

impl Kind {
    /// What is one and the same to this alphabet: both cases, both variants of base64, a form's `+` and the space it means.
    pub(super) const fn fold(self) -> &'static [u8; 256] {
        match self {
            Self::Text => &TEXT,
            Self::Base64 => &BASE64,
            Self::Hex => &HEX,
        }
    }

    /// Bytes that may stand between the characters: line breaks of MIME, and what separates bytes in a dump.
    pub(super) const fn separators(self) -> &'static [u8] {
        match self {
            Self::Text => b"",
            Self::Base64 => b"\r\n\t ",
            Self::Hex => b"\r\n\t :-",
        }
    }
}

impl Needles {
    /// Prepares the values of a credential.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        // Senders and receivers trim what stands in a header.
        let mut secrets: Vec<&[u8]> = secrets.into_iter().map(|secret| secret.trim_ascii().as_bytes()).collect();
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets.sort_unstable();
        secrets.dedup();
        // Never grown, or it would leave copies behind that nobody zeroes.
        let room = secrets.iter().map(|secret| secret.len() * 7).sum();
        let mut needles = Self {
            patterns: Zeroizing::new(Vec::with_capacity(room)),
            all: Vec::with_capacity(secrets.len() * 5),
            tables: Box::new(Tables::empty()),
        };
        for secret in secrets {
            needles.add(Kind::Text, secret.iter().copied());
            if secret.len() >= SHORTEST_ENCODED {
                for alignment in 0..3 {
                    needles.add(Kind::Base64, base64(secret, alignment));
                }
                needles.add(Kind::Hex, secret.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
            }
        }
        needles
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The needles of the bits in `mask`.
    pub(super) fn of(&self, mut mask: u64) -> impl Iterator<Item = (Kind, &[u8])> {
        let bits = std::iter::from_fn(move || {
            let bit = mask.trailing_zeros() as usize;
            mask &= mask.checked_sub(1)?;
            Some(bit)
        });
        bits.filter(|bit| *bit < BITS)
            .flat_map(|bit| self.all.iter().skip(bit).step_by(BITS))
            .map(|needle| (needle.kind, &self.patterns[needle.pattern.clone()]))
    }

    fn add(&mut self, kind: Kind, text: impl Iterator<Item = u8>) {
        let start = self.patterns.len();
        let fold = kind.fold();
        self.patterns.extend(text.map(|byte| fold[usize::from(byte)]));
        let pattern = start..self.patterns.len();
        self.tables.add(kind, &self.patterns[pattern.clone()], 1 << (self.all.len() % BITS));
        self.all.push(Needle { kind, pattern });
    }
}

impl Tables {
    fn empty() -> Self {
        let mut tables = Self { starts: [0; 256], seconds: [0; 256] };
        for byte in b'!'..=b'~' {
            let introduces = introduces(byte);
            tables.starts[usize::from(byte)] = if introduces { ESCAPE } else { 0 };
            tables.seconds[usize::from(byte)] = if introduces { u64::MAX } else { ESCAPE };
        }
        tables
    }

    fn add(&mut self, kind: Kind, pattern: &[u8], bit: u64) {
        let mark = |table: &mut [u64; 256], folded: u8| {
            for byte in [folded, folded.to_ascii_uppercase(), b' ', b'-', b'_'] {
                if kind.fold()[usize::from(byte)] == folded {
                    table[usize::from(byte)] |= bit;
                }
            }
        };
        if let [first, second, ..] = pattern {
            mark(&mut self.starts, *first);
            mark(&mut self.seconds, *second);
        }
        for separator in kind.separators() {
            self.seconds[usize::from(*separator)] |= bit;
        }
    }
}

/// The characters of base64 that depend on the secret alone, when `alignment` bytes (modulo 3) stand before it. At most four
/// bits of its first and of its last byte are in characters beside those.
fn base64(secret: &[u8], alignment: usize) -> impl Iterator<Item = u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let before = alignment * 8;
    let characters = before.div_ceil(6)..(before + secret.len() * 8) / 6;
    characters.map(move |character| {
        let bit = character * 6 - before;
        let byte = |index: usize| u16::from(secret.get(index).copied().unwrap_or_default());
        let pair = byte(bit / 8) << 8 | byte(bit / 8 + 1);
        ALPHABET[usize::from(pair >> (10 - bit % 8) & 63)]
    })
}

const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..10 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}
