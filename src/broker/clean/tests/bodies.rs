//! Whole bodies: each coding, cut anywhere, whole or not.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};

use super::super::error::CleanError;
use super::super::{CleanBody, decode_whole};
use super::*;

const TOKEN: &str = "DEV-0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";

/// Chunks, and perhaps a failure after them.
struct Chunks(VecDeque<Bytes>, bool);

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        match self.0.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None if std::mem::take(&mut self.1) => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            None => Poll::Ready(None),
        }
    }
}

fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "identity" => text.to_vec(),
        "gzip" | "x-gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "raw deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => {
            let mut out = vec![0; zstd_safe::compress_bound(text.len())];
            let length = zstd_safe::compress(&mut out[..], text, 3).unwrap();
            out.truncate(length);
            out
        }
        "br" => stored_brotli(text),
        _ => panic!("{coding}"),
    }
}

/// Brotli with blocks that are not compressed: a window of 16 bits, a header of 20 bits for each block, and an empty last one.
fn stored_brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut first = true;
    for block in text.chunks(60_000) {
        // ISLAST 0, MNIBBLES 0 (four), MLEN - 1, ISUNCOMPRESSED 1.
        let header = (u32::try_from(block.len()).unwrap() - 1) << 3 | 1 << 19;
        out.extend(&(if first { header << 1 } else { header }).to_le_bytes()[..3]);
        first = false;
        out.extend(block);
    }
    out.push(if first { 0b110 } else { 0b11 });
    out
}

fn body(codings: &str, chunks: &[&[u8]], fails: bool) -> Result<CleanBody<Chunks>, CleanError> {
    let chunks = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
    CleanBody::new(
        Chunks(chunks, fails),
        codings,
        needles(TOKEN),
        Arc::new(Rewrites::new([("https://up.example", "/here")])),
    )
}

/// What comes out, and the error that it ends with.
async fn all(mut body: CleanBody<Chunks>) -> (Vec<u8>, Option<CleanError>) {
    let mut out = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => out.extend(frame.into_data().unwrap()),
            Err(error) => {
                assert!(body.frame().await.is_none(), "an error is the end");
                return (out, Some(error));
            }
        }
    }
    assert!(body.is_end_stream());
    (out, None)
}

async fn text_of(codings: &str, chunks: &[&[u8]]) -> String {
    let (out, error) = all(body(codings, chunks, false).unwrap()).await;
    assert!(error.is_none(), "{codings}: {error:?}");
    show(&out)
}

const CODINGS: &[&str] = &["identity", "gzip", "x-gzip", "deflate", "raw deflate", "zstd", "br"];

fn header(coding: &str) -> &str {
    coding.strip_prefix("raw ").unwrap_or(coding)
}

#[tokio::test]
async fn each_coding_is_undone_wherever_it_is_cut() {
    for (name, rendering) in rendering::all(TOKEN).into_iter().step_by(31) {
        let text = [b"{\"at\":\"https://up.example/x\",\"a\":\"", &rendering[..], b"\"}"].concat();
        let whole = text_of("", &[&text]).await;
        assert!(whole.contains("\"/here/x\"") && whole.contains("[removed]"), "{name}: {whole}");
        for coding in CODINGS {
            let wire = coded(coding, &text);
            for split in 0..=wire.len() {
                let (one, other) = wire.split_at(split);
                assert_eq!(text_of(header(coding), &[one, other]).await, whole, "{name} in {coding} at {split}");
            }
            let bytes: Vec<&[u8]> = wire.chunks(1).collect();
            assert_eq!(text_of(header(coding), &bytes).await, whole, "{name} in {coding}");
        }
    }
}

#[tokio::test]
async fn stacked_codings_and_members_are_undone() {
    let text = format!("{{\"token\":\"{TOKEN}\"}}").repeat(2000);
    let wire = coded("br", &coded("zstd", &coded("gzip", text.as_bytes())));
    let cleaned = text_of("gzip, identity,ZSTD,\tbr", &wire.chunks(100).collect::<Vec<_>>()).await;
    assert_eq!(cleaned, "{\"token\":\"[removed]\"}".repeat(2000));
    for coding in ["gzip", "zstd"] {
        let members = TOKEN.as_bytes().chunks(5).flat_map(|part| coded(coding, part)).collect::<Vec<_>>();
        assert_eq!(text_of(coding, &members.chunks(3).collect::<Vec<_>>()).await, "[removed]", "{coding}");
    }
}

#[tokio::test]
async fn real_brotli_is_undone() {
    assert_eq!(text_of("br", &[BROTLI]).await, "[removed] and more, ".repeat(20));
}

#[test]
fn what_cannot_be_undone_is_refused() {
    for coding in ["compress", "gzip;q=1", "aes128gcm", "gzip gzip", "*"] {
        assert!(matches!(body(coding, &[], false), Err(CleanError::UnknownCoding)), "{coding}");
    }
    assert!(matches!(body("gzip,gzip,gzip,gzip", &[], false), Err(CleanError::TooManyCodings)));
}

#[tokio::test]
async fn no_body_is_shortened_silently() {
    let text = format!("{TOKEN} and some more text that goes on for a while");
    for coding in &CODINGS[1..] {
        let wire = coded(coding, text.as_bytes());
        for length in 1..wire.len() {
            let (_, error) = all(body(header(coding), &[&wire[..length]], false).unwrap()).await;
            assert!(matches!(error, Some(CleanError::Truncated)), "{coding} of {length}: {error:?}");
        }
        let (_, error) = all(body(header(coding), &[&wire, b"rubbish"], false).unwrap()).await;
        assert!(matches!(error, Some(CleanError::Corrupt)), "{coding}: {error:?}");
        let (_, error) = all(body(header(coding), &[&wire], true).unwrap()).await;
        assert!(matches!(error, Some(CleanError::Body(_))), "{coding}: {error:?}");
        assert_eq!(text_of(header(coding), &[]).await, "", "an empty body is one of HEAD");
    }
    let (out, error) = all(body("", &[b"DEV-0a1b"], true).unwrap()).await;
    assert!(out.is_empty() && matches!(error, Some(CleanError::Body(_))));
    let mut corrupt = coded("gzip", text.as_bytes());
    let last = corrupt.len() - 6;
    corrupt[last] ^= 1;
    assert!(matches!(all(body("gzip", &[&corrupt], false).unwrap()).await.1, Some(CleanError::Corrupt)));
}

#[tokio::test]
async fn a_bomb_streams() {
    let zeros = vec![b' '; 8 << 20];
    for coding in ["gzip", "zstd"] {
        let wire = coded(coding, &zeros);
        let mut body = body(coding, &[&wire], false).unwrap();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= 64 * 1024);
            length += data.len();
        }
        assert_eq!(length, zeros.len());
        assert!(matches!(decode_whole(coding, &wire.into(), 1 << 20), Err(CleanError::TooLong)));
    }
}

#[tokio::test]
async fn a_zstd_window_has_a_bound() {
    let mut context = zstd_safe::CCtx::create();
    context.set_parameter(zstd_safe::CParameter::WindowLog(27)).unwrap();
    context.set_parameter(zstd_safe::CParameter::ContentSizeFlag(false)).unwrap();
    let mut wire = vec![0; 1 << 16];
    let mut out = zstd_safe::OutBuffer::around(&mut wire[..]);
    context.compress_stream(&mut out, &mut zstd_safe::InBuffer::around(b"some text")).unwrap();
    context.end_stream(&mut out).unwrap();
    let length = out.pos();
    wire.truncate(length);
    assert!(matches!(all(body("zstd", &[&wire], false).unwrap()).await.1, Some(CleanError::Corrupt)));
}

#[tokio::test]
async fn a_compressed_file_with_a_secret_ends_before_it() {
    let mut random = super::random::Random(3);
    let noise: String = (0..50_000).map(|_| char::from(b'a' + random.byte(26))).collect();
    for coding in ["gzip", "zstd"] {
        let file = coded(coding, noise.as_bytes());
        for size in [1, 3, 1400] {
            let chunks: Vec<&[u8]> = file.chunks(size).collect();
            let (out, error) = all(body("", &chunks, false).unwrap()).await;
            assert!(error.is_none() && out == file, "{coding}");
        }
        let leak = coded(coding, format!("{noise}{TOKEN}{noise}").as_bytes());
        for size in [1, 3, 1400, 1 << 20] {
            let (out, error) = all(body("", &leak.chunks(size).collect::<Vec<_>>(), false).unwrap()).await;
            assert!(matches!(error, Some(CleanError::Secret)), "{coding}: {error:?}");
            // A block of zstd can be read only when it is whole, by anyone.
            let most = if coding == "gzip" { leak.len() * 2 / 3 } else { leak.len() };
            assert!(out.len() < most, "{coding}: {} of {}", out.len(), leak.len());
        }
        let nested = coded("br", &leak);
        assert!(matches!(all(body("br", &[&nested], false).unwrap()).await.1, Some(CleanError::Secret)));
    }
    // It looks like such a file, and is none.
    for text in [&b"\x1f\x8b\x08 and so on"[..], b"\x1f", b"\x1f\x8b", b"\x28\xb5\x2f\xfd!!!!!!!!!!!!!!!"] {
        assert_eq!(text_of("", &text.chunks(1).collect::<Vec<_>>()).await, show(text));
    }
}

#[tokio::test]
async fn an_ended_body_is_ended_from_the_start() {
    let empty = Empty::<Bytes>::new().map_err(|never: Infallible| match never {});
    let body = CleanBody::new(empty, "gzip", needles(TOKEN), Arc::new(Rewrites::new([])));
    assert!(body.unwrap().is_end_stream());
}

#[test]
fn whole_bodies_are_decoded() {
    for coding in CODINGS {
        let text = b"a=1&b=2".repeat(1000);
        let wire = coded(coding, &text).into();
        assert_eq!(decode_whole(header(coding), &wire, text.len()).unwrap(), text, "{coding}");
        assert!(matches!(decode_whole(header(coding), &wire, text.len() - 1), Err(CleanError::TooLong)), "{coding}");
    }
    assert!(matches!(decode_whole("gzip", &Bytes::from_static(b"no gzip"), 100), Err(CleanError::Corrupt)));
}

/// A coding within another one may grow, too, and leave nothing.
#[test]
fn codings_do_not_grow_on_the_way() {
    let nothing = coded("gzip", b"").repeat(100_000);
    let wire = Bytes::from(coded("gzip", &nothing));
    assert!(wire.len() < 50_000);
    assert!(matches!(decode_whole("gzip,gzip", &wire, nothing.len() - 1), Err(CleanError::TooLong)));
    assert!(decode_whole("gzip,gzip", &wire, nothing.len()).is_ok_and(|whole| whole.is_empty()));
}

/// The token and ` and more, `, twenty times, compressed at quality 9.
const BROTLI: &[u8] = b"\x13\x4b\x04\x00\xe4\xb6\x59\xaa\xd2\x15\xee\x7e\xed\x1a\xea\xba\xcf\xd9\xc6\x60\x05\x56\x6d\x75\xad\x74\x1f\x4f\x81\x89\x8b\x36\x1f\x09\xbd\x06\x8e\x95\x1a\x4f\x59\xba\xed\x78\xd4\xdb\x00\x89\x45\xcd\x17\x85\x3d\x7f\xbf\x3f\x72\xa2";
