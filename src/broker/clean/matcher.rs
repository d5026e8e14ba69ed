//! Finds the needles in a text, however they are rendered.
//!
//! Two tables tell the places where a needle may begin; there, the matcher walks along the needle and takes for each of its
//! bytes whatever renders it. Nearly always there is one way to read on; only where the needle itself has a `%`, `\` or `&`
//! the walk may branch. Work is counted, so that no text can make it quadratic: see [`Effort`].

use super::needles::{ESCAPE, Kind, Needles};
use super::rendering::{Text, introduces};

/// Most bytes that are held back for one needle. Whatever is still like a secret after so many is taken for one.
pub(super) const LONGEST_MATCH: usize = 256 * 1024;
/// Most separators between two characters of a needle: a line break, and the indentation after it.
const MOST_SEPARATORS: usize = 8;
/// Most branches of a walk that wait. Only a needle with `%`, `\` or `&` side by side comes near.
const MOST_BRANCHES: usize = 16;
/// What reading an escape counts, in steps.
const READING: u64 = 8;

/// Where the first rendering of a needle is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// None, wherever the text goes on.
    Nothing,
    /// One from `start` up to `end`.
    Match { start: usize, end: usize },
    /// One may begin here; the text must go on to tell.
    Cut(usize),
    /// The text was made to be a burden. It cannot be told.
    Exhausted,
}

enum Walk {
    Miss,
    Match(usize),
    Cut,
}

/// What the search in one body may cost. Ordinary text needs less than a step for each byte, and the worst that is known, for a
/// secret that does not repeat itself, some 60; a text that exceeds this is refused.
pub(super) struct Effort {
    left: u64,
}

impl Effort {
    const AT_FIRST: u64 = 1 << 20;
    const PER_BYTE: u64 = 256;

    pub(super) const fn new() -> Self {
        Self { left: Self::AT_FIRST }
    }

    pub(super) const fn allow(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(Self::PER_BYTE * bytes as u64);
    }

    const fn spend(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
    }
}

impl Needles {
    /// The first rendering that begins at `from` or later.
    pub(super) fn find(&self, text: Text<'_>, from: usize, effort: &mut Effort) -> Found {
        let tables = self.tables();
        let bytes = text.bytes;
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let pairs = rest.iter().zip(rest.get(1..).unwrap_or_default());
            let place = pairs
                .map(|(first, second)| tables.starts[usize::from(*first)] & tables.seconds[usize::from(*second)])
                .position(|mask| mask != 0);
            let Some(place) = place else {
                // No needle is a single byte, but one may begin with it.
                return match rest.last() {
                    Some(byte) if !text.last && tables.starts[usize::from(*byte)] != 0 => Found::Cut(bytes.len() - 1),
                    _ => Found::Nothing,
                };
            };
            at += place;
            match self.match_at(text, at, effort) {
                _ if effort.left == 0 => return Found::Exhausted,
                Walk::Match(end) => return Found::Match { start: at, end },
                Walk::Cut if bytes.len() - at > LONGEST_MATCH => return Found::Match { start: at, end: bytes.len() },
                Walk::Cut => return Found::Cut(at),
                Walk::Miss => at += 1,
            }
        }
    }

    fn match_at(&self, text: Text<'_>, at: usize, effort: &mut Effort) -> Walk {
        let tables = self.tables();
        let (first, second) = (usize::from(text.bytes[at]), usize::from(text.bytes[at + 1]));
        let mut mask = tables.starts[first] & tables.seconds[second];
        if mask & ESCAPE != 0 {
            effort.spend(READING);
            let readings = text.readings(at);
            if readings.cut {
                return Walk::Cut;
            }
            for unit in readings.units.into_iter().flatten() {
                mask |= tables.starts[usize::from(unit.bytes(&mut [0; 4])[0])];
            }
        }
        let mut best = Walk::Miss;
        for (kind, pattern) in self.of(mask) {
            match (walk(kind, pattern, text, at, effort), &best) {
                // What comes next decides how long it is, and that must not depend on where the chunks end.
                (Walk::Cut, _) => return Walk::Cut,
                (Walk::Match(end), Walk::Match(longest)) if end <= *longest => {}
                (Walk::Match(end), _) => best = Walk::Match(end),
                (Walk::Miss, _) => {}
            }
        }
        best
    }
}

/// A place in the needle and one in the text that belong together.
#[derive(Clone, Copy, Default)]
struct Branch {
    index: usize,
    at: usize,
    separators: usize,
}

fn walk(kind: Kind, pattern: &[u8], text: Text<'_>, start: usize, effort: &mut Effort) -> Walk {
    let fold = kind.fold();
    let mut waiting = [Branch::default(); MOST_BRANCHES];
    let mut count = 0;
    let mut branch = Branch { index: 0, at: start, separators: 0 };
    let mut end = None;
    let mut cut = false;
    let mut steps = 0;
    loop {
        steps += 1;
        let byte = text.bytes.get(branch.at).copied();
        let mut alive = true;
        match (pattern.get(branch.index), byte) {
            (None, _) => {
                end = end.max(Some(branch.at));
                alive = false;
            }
            (Some(_), None) => {
                cut |= !text.last;
                alive = false;
            }
            (Some(wanted), Some(byte)) if !introduces(byte) => {
                if fold[usize::from(byte)] == *wanted {
                    branch = Branch { index: branch.index + 1, at: branch.at + 1, separators: 0 };
                } else if let Some(next) = branch.past_separator(kind, byte, branch.at + 1) {
                    branch = next;
                } else {
                    alive = false;
                }
            }
            (Some(wanted), Some(byte)) => {
                steps += READING;
                let readings = text.readings(branch.at);
                cut |= readings.cut;
                let raw =
                    (byte == *wanted).then_some(Branch { index: branch.index + 1, at: branch.at + 1, separators: 0 });
                let decoded = readings.units.into_iter().flatten().filter_map(|unit| {
                    let mut buffer = [0; 4];
                    let bytes = unit.bytes(&mut buffer);
                    let after = branch.index + bytes.len();
                    let same = |wanted: &[u8]| {
                        wanted.iter().zip(bytes).all(|(wanted, byte)| fold[usize::from(*byte)] == *wanted)
                    };
                    match pattern.get(branch.index..after) {
                        Some(wanted) if same(wanted) => Some(Branch { index: after, at: unit.end, separators: 0 }),
                        _ if bytes.len() == 1 => branch.past_separator(kind, bytes[0], unit.end),
                        _ => None,
                    }
                });
                alive = false;
                for next in raw.into_iter().chain(decoded) {
                    let Some(place) = waiting.get_mut(count) else {
                        // Too many ways to read it: better to remove too much than too little.
                        effort.spend(steps);
                        return Walk::Match(next.at.max(end.unwrap_or_default()));
                    };
                    *place = next;
                    count += 1;
                }
            }
        }
        if steps > effort.left {
            break;
        }
        if !alive {
            let Some(next) = count.checked_sub(1) else { break };
            (count, branch) = (next, waiting[next]);
        }
    }
    effort.spend(steps);
    match end {
        _ if cut => Walk::Cut,
        Some(end) => Walk::Match(end),
        None => Walk::Miss,
    }
}

impl Branch {
    /// Goes on after a byte that may stand between the characters of the needle.
    fn past_separator(self, kind: Kind, byte: u8, at: usize) -> Option<Self> {
        let separates = self.index > 0 && self.separators < MOST_SEPARATORS && kind.separators().contains(&byte);
        separates.then_some(Self { at, separators: self.separators + 1, ..self })
    }
}
