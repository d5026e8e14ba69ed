//! Takes a text chunk by chunk, and gives it back without the needles and with the addresses rewritten.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::matcher::{Effort, Found};
use super::needles::Needles;
use super::rendering::Text;
use super::rewrites::Rewrites;

/// What stands in the place of a secret.
pub const REMOVED: &[u8] = b"[removed]";
/// What a stage may hold back without having to wait for more before it looks again.
const SMALL: usize = 64;

/// Cleans one text that comes in chunks.
///
/// What comes out does not depend on where the chunks end. Held back is only what may begin a needle or an address: usually
/// nothing or a byte, for a secret of 40 bytes less than 40 if it is written plainly and less than 240 if every character is written as a `\u` escape,
/// and at most 256 KiB (and a chunk), whatever is sent. A chunk in which nothing is found goes through without being copied.
pub struct Filter {
    needles: Arc<Needles>,
    rewrites: Arc<Rewrites>,
    removal: Held,
    rewriting: Held,
    /// Bytes at the front of what `removal` holds that are part of a needle, and go in any case.
    doomed: usize,
    effort: Effort,
    exhausted: bool,
    found: bool,
}

/// What a stage holds back until more is there.
#[derive(Default)]
struct Held {
    bytes: BytesMut,
    /// Not looked at again before it is so long: or a sender of single bytes could have a long beginning read for each.
    enough: usize,
}

impl Filter {
    /// A filter at the beginning of a text.
    pub fn new(needles: Arc<Needles>, rewrites: Arc<Rewrites>) -> Self {
        Self {
            needles,
            rewrites,
            removal: Held::default(),
            rewriting: Held::default(),
            doomed: 0,
            effort: Effort::new(),
            exhausted: false,
            found: false,
        }
    }

    /// Takes the next chunk, and appends to `out` what can be given away.
    pub fn push(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) {
        self.remove(chunk, false, out);
    }

    /// Takes the end of the text, and appends to `out` what was held back.
    pub fn finish(&mut self, out: &mut VecDeque<Bytes>) {
        self.remove(Bytes::new(), true, out);
    }

    /// Whether the text was such that searching it cost too much. Nothing comes out any more, and the text is to be refused:
    /// only one that was made for it gets here.
    pub const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Whether a needle was found so far.
    pub const fn has_removed(&self) -> bool {
        self.found
    }

    fn remove(&mut self, chunk: Bytes, last: bool, out: &mut VecDeque<Bytes>) {
        if self.exhausted {
            return;
        }
        self.effort.earn(chunk.len());
        let Some(text) = self.removal.with(chunk, last) else { return };
        let mut cut = std::mem::take(&mut self.doomed);
        let mut sent = cut.min(text.len());
        let mut from = 0;
        loop {
            match self.needles.find(Text { bytes: &text, last }, from, &mut self.effort) {
                Found::Nothing => break,
                Found::Match { start, end } => {
                    self.found = true;
                    // One may begin within another. What both cover goes as one, or the rest of the second would remain.
                    if start >= cut {
                        self.rewrite(text.slice(sent..start), false, out);
                        self.rewrite(Bytes::from_static(REMOVED), false, out);
                    }
                    cut = cut.max(end);
                    sent = cut;
                    from = start + 1;
                }
                Found::Cut(start) => {
                    self.rewrite(text.slice(sent.min(start)..start), false, out);
                    self.doomed = cut.saturating_sub(start);
                    self.removal.hold(&text[start..]);
                    return;
                }
                Found::Exhausted => {
                    self.exhausted = true;
                    return;
                }
            }
        }
        self.doomed = cut.saturating_sub(text.len());
        self.rewrite(text.slice(sent.min(text.len())..), last, out);
    }

    fn rewrite(&mut self, chunk: Bytes, last: bool, out: &mut VecDeque<Bytes>) {
        if self.rewrites.is_empty() {
            give(chunk, out);
            return;
        }
        let Some(text) = self.rewriting.with(chunk, last) else { return };
        let mut sent = 0;
        loop {
            match self.rewrites.find(Text { bytes: &text, last }, sent) {
                (Found::Match { start, end }, replacement) => {
                    give(text.slice(sent..start), out);
                    give(replacement, out);
                    sent = end;
                }
                (Found::Cut(start), _) => {
                    give(text.slice(sent..start), out);
                    self.rewriting.hold(&text[start..]);
                    return;
                }
                (Found::Nothing | Found::Exhausted, _) => {
                    give(text.slice(sent..), out);
                    return;
                }
            }
        }
    }
}

impl Held {
    /// What was held and what has come, or nothing if that is not enough to look at.
    fn with(&mut self, chunk: Bytes, last: bool) -> Option<Bytes> {
        if self.bytes.is_empty() {
            return (last || !chunk.is_empty()).then_some(chunk);
        }
        self.bytes.extend_from_slice(&chunk);
        (last || self.bytes.len() >= self.enough).then(|| self.bytes.split().freeze())
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.enough = bytes.len() + 1 + if bytes.len() > SMALL { bytes.len() / 8 } else { 0 };
    }
}

fn give(piece: Bytes, out: &mut VecDeque<Bytes>) {
    if !piece.is_empty() {
        out.push_back(piece);
    }
}

/// Whether a rendering of a needle is in `text`. If that cannot be told, it is.
pub fn contains(needles: &Needles, text: &[u8]) -> bool {
    let mut effort = Effort::new();
    effort.earn(text.len());
    needles.find(Text { bytes: text, last: true }, 0, &mut effort) != Found::Nothing
}

/// A whole text cleaned, for example a header's value; `None` if it stays as it is.
pub fn clean(needles: &Arc<Needles>, rewrites: &Arc<Rewrites>, text: &[u8]) -> Option<Vec<u8>> {
    if !contains(needles, text) && rewrites.find(Text { bytes: text, last: true }, 0).0 == Found::Nothing {
        return None;
    }
    let mut filter = Filter::new(Arc::clone(needles), Arc::clone(rewrites));
    let mut out = VecDeque::new();
    filter.push(Bytes::copy_from_slice(text), &mut out);
    filter.finish(&mut out);
    if filter.is_exhausted() {
        return Some(REMOVED.to_vec());
    }
    Some(out.into_iter().flatten().collect())
}
