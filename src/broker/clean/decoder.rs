//! The content codings of HTTP, each undone step by step into a buffer that the caller bounds.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::error::CleanError;

/// The largest window for zstd, as RFC 9659 has it: 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
/// The largest window for deflate; a smaller one is read too.
const DEFLATE_WINDOW_BITS: u8 = 15;

/// Undoes one content coding.
pub(super) struct Decoder {
    codec: Codec,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// Nothing was read yet. An empty body is none that was cut short: answers to HEAD have one.
    Fresh,
    Inside,
    /// A member has ended, and another may follow if the coding has members.
    Complete,
}

enum Codec {
    Gzip(Decompress),
    Deflate(Deflate),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(DCtx<'static>),
}

/// `deflate` is zlib by the standard, and raw by the habit of some. The first two bytes tell.
#[derive(Default)]
struct Deflate {
    head: Vec<u8>,
    inflate: Option<Decompress>,
}

/// How far a step came.
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
}

impl Decoder {
    /// The decoder for a coding of this name in lower case, `None` for `identity`.
    pub(super) fn named(coding: &str) -> Result<Option<Self>, CleanError> {
        let codec = match coding {
            "identity" => return Ok(None),
            "gzip" | "x-gzip" => Codec::Gzip(Decompress::new_gzip(DEFLATE_WINDOW_BITS)),
            "deflate" => Codec::Deflate(Deflate::default()),
            "br" => Codec::Brotli(Box::new(BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            "zstd" => {
                let mut context = DCtx::try_create().ok_or(CleanError::Corrupt)?;
                context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(|_| CleanError::Corrupt)?;
                Codec::Zstd(context)
            }
            _ => return Err(CleanError::UnknownCoding),
        };
        Ok(Some(Self { codec, stage: Stage::Fresh }))
    }

    /// Whether the text may end here.
    pub(super) fn may_end(&self) -> bool {
        self.stage != Stage::Inside
    }

    /// Reads from `input` and writes to `out`, which is not empty.
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CleanError> {
        if self.stage == Stage::Complete {
            match &mut self.codec {
                _ if input.is_empty() => return Ok(Step { read: 0, written: 0 }),
                Codec::Gzip(inflate) => inflate.reset(true),
                Codec::Zstd(_) => {}
                Codec::Deflate(_) | Codec::Brotli(_) => return Err(CleanError::Corrupt),
            }
        }
        let (step, complete) = match &mut self.codec {
            Codec::Gzip(decoder) => inflate(decoder, input, out)?,
            Codec::Deflate(deflate) => deflate.step(input, out)?,
            Codec::Brotli(state) => brotli(state, input, out)?,
            Codec::Zstd(context) => zstd(context, input, out)?,
        };
        self.stage = if complete { Stage::Complete } else { Stage::Inside };
        if step.read == 0 && step.written == 0 && !input.is_empty() && !complete {
            return Err(CleanError::Corrupt);
        }
        Ok(step)
    }
}

impl Deflate {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<(Step, bool), CleanError> {
        if let Some(decoder) = &mut self.inflate {
            return inflate(decoder, input, out);
        }
        let taken = input.len().min(2 - self.head.len());
        self.head.extend_from_slice(&input[..taken]);
        let [first, second] = self.head[..] else {
            return Ok((Step { read: taken, written: 0 }, false));
        };
        let zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        let decoder = self.inflate.insert(Decompress::new(zlib));
        let (step, complete) = inflate(decoder, &self.head, out)?;
        if step.read < self.head.len() {
            return Err(CleanError::Corrupt);
        }
        Ok((Step { read: taken, ..step }, complete))
    }
}

fn inflate(decoder: &mut Decompress, input: &[u8], out: &mut [u8]) -> Result<(Step, bool), CleanError> {
    let before = (decoder.total_in(), decoder.total_out());
    let status = decoder.decompress(input, out, FlushDecompress::None).map_err(|_| CleanError::Corrupt)?;
    let grown = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| CleanError::Corrupt);
    let step = Step { read: grown(decoder.total_in(), before.0)?, written: grown(decoder.total_out(), before.1)? };
    Ok((step, status == Status::StreamEnd))
}

fn brotli<A, B, C>(state: &mut BrotliState<A, B, C>, input: &[u8], out: &mut [u8]) -> Result<(Step, bool), CleanError>
where
    A: brotli_decompressor::Allocator<u8>,
    B: brotli_decompressor::Allocator<u32>,
    C: brotli_decompressor::Allocator<HuffmanCode>,
{
    let (mut available_in, mut read, mut available_out, mut written, mut total) = (input.len(), 0, out.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut read,
        input,
        &mut available_out,
        &mut written,
        out,
        &mut total,
        state,
    );
    match result {
        BrotliResult::ResultFailure => Err(CleanError::Corrupt),
        result => Ok((Step { read, written }, matches!(result, BrotliResult::ResultSuccess))),
    }
}

fn zstd(context: &mut DCtx<'static>, input: &[u8], out: &mut [u8]) -> Result<(Step, bool), CleanError> {
    let mut input = InBuffer::around(input);
    let mut out = OutBuffer::around(out);
    let hint = context.decompress_stream(&mut out, &mut input).map_err(|_| CleanError::Corrupt)?;
    Ok((Step { read: input.pos, written: out.pos() }, hint == 0))
}
