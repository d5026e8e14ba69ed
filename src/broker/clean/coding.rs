//! Content codings, one upon the other, undone with bounded memory.

use bytes::{Bytes, BytesMut};

use super::decoder::Decoder;
use super::error::CleanError;

/// Most codings upon each other.
const MOST_CODINGS: usize = 3;
/// Most bytes that one step of one coding yields: a bomb streams, it does not grow.
const STEP: usize = 32 * 1024;

/// A text whose content codings are being undone.
pub(super) struct Decoding {
    /// The outermost coding, which was applied last, is the first.
    layers: Vec<Layer>,
}

struct Layer {
    decoder: Decoder,
    input: Bytes,
    /// The last step filled its buffer, so that more may come of what was read already.
    full: bool,
    /// How much has come of it, in bytes.
    yielded: usize,
}

/// What a step of decoding came to.
pub(super) enum Progress {
    /// A part of the text.
    Output(Bytes),
    /// Something was done, and there is more to do.
    Working,
    /// All that was fed is used up.
    Hungry,
}

impl Decoding {
    /// Reads the value of a `Content-Encoding` header; `None` if the body is as it stands.
    pub(super) fn new(codings: &str) -> Result<Option<Self>, CleanError> {
        let mut layers = Vec::new();
        for coding in codings.split(',').map(str::trim_ascii).filter(|coding| !coding.is_empty()) {
            if let Some(decoder) = Decoder::named(&coding.to_ascii_lowercase())? {
                if layers.len() == MOST_CODINGS {
                    return Err(CleanError::TooManyCodings);
                }
                layers.push(Layer { decoder, input: Bytes::new(), full: false, yielded: 0 });
            }
        }
        layers.reverse();
        Ok((!layers.is_empty()).then_some(Self { layers }))
    }

    /// Takes a part of the coded text, once all before is used up.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        if let Some(layer) = self.layers.first_mut() {
            layer.input = bytes;
        }
    }

    /// Goes one step on, at the innermost coding that can.
    pub(super) fn step(&mut self) -> Result<Progress, CleanError> {
        let innermost = self.layers.len() - 1;
        let able = self.layers.iter().rposition(|layer| layer.full || !layer.input.is_empty());
        let Some(index) = able else { return Ok(Progress::Hungry) };
        let output = self.layers[index].step()?;
        if output.is_empty() {
            return Ok(Progress::Working);
        }
        match self.layers.get_mut(index + 1).filter(|_| index < innermost) {
            Some(inner) => inner.input = output,
            None => return Ok(Progress::Output(output)),
        }
        Ok(Progress::Working)
    }

    /// The most that has come of any of the codings, in bytes: of one within another there may be much, and in the end nothing.
    fn longest(&self) -> usize {
        self.layers.iter().map(|layer| layer.yielded).max().unwrap_or_default()
    }

    /// Whether the text was whole.
    pub(super) fn finish(&self) -> Result<(), CleanError> {
        let whole = self.layers.iter().all(|layer| layer.decoder.may_end());
        if whole { Ok(()) } else { Err(CleanError::Truncated) }
    }
}

impl Layer {
    fn step(&mut self) -> Result<Bytes, CleanError> {
        let mut out = BytesMut::zeroed(STEP);
        let step = self.decoder.step(&self.input, &mut out)?;
        self.full = step.written == out.len();
        self.yielded += step.written;
        out.truncate(step.written);
        self.input = self.input.split_off(step.read);
        Ok(out.freeze())
    }
}

/// Undoes the content codings of a whole text, which may come to `limit` bytes; each coding on the way to it may, too.
pub fn decode_whole(codings: &str, bytes: &Bytes, limit: usize) -> Result<Bytes, CleanError> {
    let Some(mut decoding) = Decoding::new(codings)? else {
        return if bytes.len() > limit { Err(CleanError::TooLong) } else { Ok(bytes.clone()) };
    };
    let mut whole = Vec::new();
    decoding.feed(bytes.clone());
    loop {
        let progress = decoding.step()?;
        if decoding.longest() > limit {
            return Err(CleanError::TooLong);
        }
        match progress {
            Progress::Output(part) => whole.extend_from_slice(&part),
            Progress::Working => {}
            Progress::Hungry => break,
        }
    }
    decoding.finish()?;
    Ok(whole.into())
}
