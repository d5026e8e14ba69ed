//! Looks into a compressed file that is served as it is. Nothing can be removed from one without breaking it, so that
//! the answer ends where a needle would.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::coding::{Decoding, Progress};
use super::error::CleanError;
use super::filter::Filter;
use super::needles::Needles;
use super::rewrites::Rewrites;

/// The first bytes of files that are looked into, and the content coding that reads them.
const MAGIC: [(&[u8], &str); 2] = [(&[0x1f, 0x8b, 0x08], "gzip"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd")];

/// So many bytes decide.
const ENOUGH: usize = 8;

/// Reads along with a body.
pub(super) enum Probe {
    /// The body's first bytes, as long as they are too few.
    Undecided(BytesMut, Arc<Needles>),
    /// The body is none of those files, or is no longer.
    Idle,
    /// The file is being read.
    Reading(Box<Reading>),
}

pub(super) struct Reading {
    decoding: Decoding,
    search: Filter,
}

impl Probe {
    pub(super) fn new(needles: Arc<Needles>) -> Self {
        Self::Undecided(BytesMut::new(), needles)
    }

    /// Takes the next chunk of the body; it may go on once [`Self::step`] has nothing more to do.
    pub(super) fn feed(&mut self, chunk: &Bytes) -> Result<(), CleanError> {
        match self {
            Self::Idle => {}
            Self::Reading(reading) => reading.decoding.feed(chunk.clone()),
            Self::Undecided(head, needles) => {
                head.extend_from_slice(&chunk[..chunk.len().min(ENOUGH)]);
                let may_be = |(magic, _): &&(&[u8], &str)| magic.starts_with(head) || head.starts_with(magic);
                let Some((magic, coding)) = MAGIC.iter().find(may_be) else {
                    *self = Self::Idle;
                    return Ok(());
                };
                if head.len() < magic.len() {
                    return Ok(());
                }
                let Some(mut decoding) = Decoding::new(coding)? else { return Ok(()) };
                // Whatever came before was shorter than that, and is in the head whole.
                head.extend_from_slice(&chunk[chunk.len().min(ENOUGH)..]);
                decoding.feed(head.split().freeze());
                let search = Filter::new(Arc::clone(needles), Arc::new(Rewrites::new([])));
                *self = Self::Reading(Box::new(Reading { decoding, search }));
            }
        }
        Ok(())
    }

    /// Goes one step on; whether there is more to do. An error if the file has a needle.
    pub(super) fn step(&mut self) -> Result<bool, CleanError> {
        let Self::Reading(reading) = self else { return Ok(false) };
        match reading.decoding.step() {
            Ok(Progress::Hungry) => return Ok(false),
            Ok(Progress::Working) => {}
            Ok(Progress::Output(part)) => reading.search.push(part, &mut VecDeque::new()),
            Err(_) => {
                // It only looked like such a file, or ends here: nobody can read on.
                reading.search.finish(&mut VecDeque::new());
                let found = reading.check();
                *self = Self::Idle;
                return found.map(|()| false);
            }
        }
        reading.check().map(|()| true)
    }

    /// Takes the end of the body.
    pub(super) fn finish(&mut self) -> Result<(), CleanError> {
        let Self::Reading(reading) = self else { return Ok(()) };
        reading.search.finish(&mut VecDeque::new());
        reading.check()
    }
}

impl Reading {
    const fn check(&self) -> Result<(), CleanError> {
        match () {
            () if self.search.has_removed() => Err(CleanError::Secret),
            () if self.search.is_exhausted() => Err(CleanError::Exhausted),
            () => Ok(()),
        }
    }
}
