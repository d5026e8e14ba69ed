//! Finds the needles in a text, however they are rendered.
//!
//! Two tables tell the places where a needle may begin; there, the matcher walks along the needle and takes for each of its
//! bytes whatever renders it. Nearly always there is one way to read on; only where the needle itself has a `%`, `\` or `&`
//! the walk may branch. Work is counted, so that no text can make it quadratic: see [`Effort`].

use super::needles::{ESCAPE, Kind, Needles};
use super::rendering::{Text, Unit, introduces};

/// Most bytes that are held back for one needle. Whatever is still like a secret after so many is taken for one.
pub(super) const LONGEST_MATCH: usize = 256 * 1024;
/// Most separators between two characters of a needle: a line break, and the indentation after it, however deep it stands.
const MOST_SEPARATORS: usize = 64;
/// Most branches of a walk that wait. Only a needle with `%`, `\` or `&` side by side comes near.
const MOST_BRANCHES: usize = 16;
/// What reading an escape counts, in steps.
const READING: u64 = 16;

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
    const PER_BYTE: u64 = 128;

    pub(super) const fn new() -> Self {
        Self { left: Self::AT_FIRST }
    }

    pub(super) const fn earn(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(Self::PER_BYTE * bytes as u64);
    }

    const fn spend(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
    }
}

impl Needles {
    /// The first rendering that begins at `from` or later.
    pub(super) fn find(&self, text: Text<'_>, from: usize, effort: &mut Effort) -> Found {
        if self.is_empty() {
            return Found::Nothing;
        }
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

/// The ways to read on that wait while another is followed.
#[derive(Default)]
struct Waiting {
    branches: [Branch; MOST_BRANCHES],
    count: usize,
}

fn walk(kind: Kind, pattern: &[u8], text: Text<'_>, start: usize, effort: &mut Effort) -> Walk {
    let fold = kind.fold();
    // As far as it goes plainly. Most walks end here.
    let pairs = pattern.iter().zip(&text.bytes[start..]);
    let plain = pairs.take_while(|(wanted, byte)| fold[usize::from(**byte)] == **wanted && !special(**byte)).count();
    effort.spend(plain as u64 + 1);
    let mut branch = Branch { index: plain, at: start + plain, separators: 0 };
    if let Some(byte) = text.bytes.get(branch.at)
        && plain < pattern.len()
        && !special(*byte)
        && !kind.separators().contains(byte)
    {
        return Walk::Miss;
    }
    let mut waiting = Waiting::default();
    let mut end = None;
    let mut cut = false;
    let mut steps = 0;
    while steps <= effort.left {
        steps += 1 + waiting.count as u64;
        let next = match (pattern.get(branch.index), text.bytes.get(branch.at).copied()) {
            (None, _) => {
                end = end.max(Some(branch.at));
                None
            }
            (Some(_), None) => {
                cut |= !text.last;
                None
            }
            (Some(wanted), Some(byte)) if !introduces(byte) => {
                let same = (fold[usize::from(byte)] == *wanted).then(|| branch.past(1, branch.at + 1));
                match (same, branch.past_separator(kind, byte, branch.at + 1)) {
                    // A space may be the `+` that a form makes of it, or only stand between.
                    (Some(same), Some(separated)) if waiting.push(separated) => Some(same),
                    (same, separated) => same.or(separated),
                }
            }
            (Some(wanted), Some(byte)) => {
                steps += READING;
                let readings = text.readings(branch.at);
                cut |= readings.cut;
                let raw = (byte == *wanted).then(|| branch.past(1, branch.at + 1));
                let read =
                    readings.units.into_iter().flatten().filter_map(|unit| branch.past_unit(kind, pattern, unit));
                for next in raw.into_iter().chain(read) {
                    if !waiting.push(next) {
                        // Too many ways to read it: better to remove too much than too little.
                        effort.spend(steps);
                        return Walk::Match(next.at.max(end.unwrap_or_default()));
                    }
                }
                None
            }
        };
        let next = match next {
            Some(next) => Some(waiting.hindmost(next)),
            None => waiting.pop(),
        };
        let Some(next) = next else { break };
        branch = next;
    }
    effort.spend(steps);
    match end {
        _ if cut => Walk::Cut,
        Some(end) => Walk::Match(end),
        None => Walk::Miss,
    }
}

/// Whether there may be two ways to read it.
const fn special(byte: u8) -> bool {
    introduces(byte) || byte == b' '
}

impl Branch {
    /// Goes on, `bytes` further in the needle, at `at` in the text.
    const fn past(self, bytes: usize, at: usize) -> Self {
        Self { index: self.index + bytes, at, separators: 0 }
    }

    /// Goes on after what was read, if that is in the needle.
    fn past_unit(self, kind: Kind, pattern: &[u8], unit: Unit) -> Option<Self> {
        let mut buffer = [0; 4];
        let bytes = unit.bytes(&mut buffer);
        let rest = &pattern[self.index..];
        let same = rest.len() >= bytes.len()
            && bytes.iter().zip(rest).all(|(byte, wanted)| kind.fold()[usize::from(*byte)] == *wanted);
        match bytes {
            _ if same => Some(self.past(bytes.len(), unit.end)),
            [byte] => self.past_separator(kind, *byte, unit.end),
            _ => None,
        }
    }

    /// Goes on after a byte that may stand between the characters of the needle.
    fn past_separator(self, kind: Kind, byte: u8, at: usize) -> Option<Self> {
        let separates = self.index > 0 && self.separators < MOST_SEPARATORS && kind.separators().contains(&byte);
        separates.then_some(Self { at, separators: self.separators + 1, ..self })
    }
}

impl Waiting {
    /// Whether there was room for it.
    fn push(&mut self, branch: Branch) -> bool {
        // Ways that part and meet again are one, or their number would double each time.
        if self.branches[..self.count].iter().any(|other| (other.index, other.at) == (branch.index, branch.at)) {
            return true;
        }
        let Some(place) = self.branches.get_mut(self.count) else { return false };
        *place = branch;
        self.count += 1;
        true
    }

    /// The one that is hindmost in the needle: most end soon, and those that live come to stand side by side.
    fn pop(&mut self) -> Option<Branch> {
        let hindmost = (0..self.count).min_by_key(|place| self.branches[*place].index)?;
        self.count -= 1;
        self.branches.swap(hindmost, self.count);
        Some(self.branches[self.count])
    }

    fn hindmost(&mut self, branch: Branch) -> Branch {
        // There is room: one is taken out first.
        match self.pop() {
            None => branch,
            Some(other) => {
                let (first, second) = if other.index < branch.index { (other, branch) } else { (branch, other) };
                self.push(second);
                first
            }
        }
    }
}
