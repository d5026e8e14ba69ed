//! Absolute addresses of the upstream, and what stands in their place. Not secret.

use bytes::Bytes;
use memchr::memmem::Finder;

use super::matcher::Found;
use super::rendering::Text;

/// Most backslashes before a slash: JSON has one or none, JSON in JSON up to three.
const MOST_BACKSLASHES: usize = 3;

/// Replacements of addresses: each `from` becomes its `to`, the longest `from` first.
///
/// A slash may be written as in JSON (`\/`), and in JSON in JSON; then the slashes of the replacement are written so too. An
/// address is replaced only where it ends: `https://host/v2` is not found in `https://host/v20`.
pub struct Rewrites {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What all addresses have in common before their first slash, most likely `https:`.
    prefix: Finder<'static>,
}

impl Rewrites {
    /// Prepares the pairs of (from, to). One with an empty `from` is ignored.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let pairs = pairs.into_iter().filter(|(from, _)| !from.is_empty());
        let mut pairs: Vec<_> = pairs.map(|(from, to)| (from.as_bytes().to_vec(), to.as_bytes().to_vec())).collect();
        pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        let heads = pairs.iter().map(|(from, _)| from.split(|byte| *byte == b'/').next().unwrap_or_default());
        let prefix = heads.reduce(|one, other| {
            let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            &one[..same]
        });
        let prefix = Finder::new(prefix.unwrap_or_default()).into_owned();
        Self { pairs, prefix }
    }

    /// Whether there is nothing to replace.
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The first address at `from` or later, and what to put there.
    pub(super) fn find(&self, text: Text<'_>, from: usize) -> (Found, Bytes) {
        let mut at = from;
        while let Some(rest) = text.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(place) = self.prefix.find(rest) else {
                let found = if text.last { Found::Nothing } else { self.begun(text.bytes, at) };
                return (found, Bytes::new());
            };
            at += place;
            for (address, replacement) in &self.pairs {
                match same(text, at, address) {
                    Same::No => {}
                    Same::Perhaps => return (Found::Cut(at), Bytes::new()),
                    Same::Until(end, backslashes) => {
                        return (Found::Match { start: at, end }, escaped(replacement, backslashes));
                    }
                }
            }
            at += 1;
        }
        (Found::Nothing, Bytes::new())
    }

    /// Whether the text ends in a beginning of the prefix.
    fn begun(&self, bytes: &[u8], from: usize) -> Found {
        let prefix = self.prefix.needle();
        let start = bytes.len().saturating_sub(prefix.len().saturating_sub(1)).max(from);
        let place = (start..bytes.len()).find(|at| prefix.starts_with(&bytes[*at..]));
        place.map_or(Found::Nothing, Found::Cut)
    }
}

enum Same {
    No,
    Perhaps,
    /// The end, and the number of backslashes before its slashes.
    Until(usize, usize),
}

fn same(text: Text<'_>, start: usize, address: &[u8]) -> Same {
    let ends = if text.last { Same::No } else { Same::Perhaps };
    let mut at = start;
    let mut backslashes = 0;
    for wanted in address {
        if *wanted == b'/' {
            let before = at;
            while at - before < MOST_BACKSLASHES && text.bytes.get(at) == Some(&b'\\') {
                at += 1;
            }
            backslashes = backslashes.max(at - before);
        }
        match text.bytes.get(at) {
            None => return ends,
            Some(byte) if byte == wanted => at += 1,
            Some(_) => return Same::No,
        }
    }
    match text.bytes.get(at) {
        None if !text.last => Same::Perhaps,
        Some(byte) if !address.ends_with(b"/") && (byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) => {
            Same::No
        }
        _ => Same::Until(at, backslashes),
    }
}

fn escaped(text: &[u8], backslashes: usize) -> Bytes {
    if backslashes == 0 {
        return Bytes::copy_from_slice(text);
    }
    let mut escaped = Vec::with_capacity(text.len() + 16);
    for byte in text {
        if *byte == b'/' {
            escaped.resize(escaped.len() + backslashes, b'\\');
        }
        escaped.push(*byte);
    }
    escaped.into()
}
