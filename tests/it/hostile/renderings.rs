//! Every way in which the credential is written down, and every place in an answer to put it.

use std::io::Write;

use data_encoding::{BASE64, BASE64_MIME, BASE64URL, HEXLOWER, HEXUPPER};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::lab::{Lab, SECRET};
use crate::support::secret::Secret;
use crate::support::wire::Wire;

/// How it is called, and what it looks like with neighbours on both sides.
pub fn all() -> Vec<(String, String)> {
    of(SECRET)
}

/// The same for any secret.
pub fn of(secret: &str) -> Vec<(String, String)> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let json = json!({"token": secret}).to_string();
    let escaped = secret.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
    let entities = secret.bytes().map(|byte| format!("&#{byte};")).collect::<Vec<_>>().concat();
    let half = secret.len() / 2;
    // So that a line ends in the middle of it.
    let lines = BASE64_MIME.encode(format!("{}{secret}", "x".repeat(40)).as_bytes());
    let mut all = vec![
        ("raw", format!("before{secret}after")),
        ("in lower case", secret.to_ascii_lowercase()),
        ("as a header", format!("X-Auth-Token: {secret}")),
        ("percent-encoded", format!("?token={percent}&more")),
        ("percent-encoded in lower case", percent.to_ascii_lowercase()),
        ("percent-encoded throughout", secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()),
        (
            "percent-encoded in part",
            format!("{}{}", &secret[..half], utf8_percent_encode(&secret[half..], NON_ALPHANUMERIC)),
        ),
        ("percent-encoded twice", utf8_percent_encode(&percent, NON_ALPHANUMERIC).to_string()),
        ("form-encoded", serde_urlencoded::to_string([("token", secret)]).unwrap()),
        ("as JSON", json.clone()),
        ("as JSON with escaped slashes", json.replace('/', "\\/")),
        ("as JSON in JSON", Value::String(json).to_string()),
        ("as JSON, escaped throughout", escaped.clone()),
        ("as JSON, escaped in capitals", escaped.to_ascii_uppercase().replace("\\U", "\\u")),
        ("as HTML", secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")),
        ("as entities", entities),
        ("in hex", format!("0x{}", HEXLOWER.encode(secret.as_bytes()))),
        ("in upper-case hex", HEXUPPER.encode(secret.as_bytes())),
        ("in MIME's base64", lines.replace("\r\n", " ")),
        ("in base64, indented", lines.replace("\r\n", &" ".repeat(40))),
        (
            "in base64, percent-encoded",
            utf8_percent_encode(&BASE64.encode(secret.as_bytes()), NON_ALPHANUMERIC).to_string(),
        ),
        ("in base64 as JSON", json!({"auth": BASE64.encode(secret.as_bytes())}).to_string().replace('/', "\\/")),
    ];
    for user in ["", "u", "us", "use", "user"] {
        all.push(("as Basic, password", format!("Basic {}", BASE64.encode(format!("{user}:{secret}").as_bytes()))));
        all.push(("as Basic, user", format!("Basic {}", BASE64.encode(format!("{secret}:{user}").as_bytes()))));
        all.push(("in base64url", BASE64URL.encode(format!("{user}{secret}{user}").as_bytes())));
        all.push(("in base64", BASE64.encode(format!("{user}{secret}{user}").as_bytes())));
    }
    all.into_iter().enumerate().map(|(number, (how, text))| (format!("{how} ({number})"), text)).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut out, &brotli::enc::BrotliEncoderParams::default()).unwrap();
    out
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(bytes.len())];
    let length = zstd_safe::compress(out.as_mut_slice(), bytes, 3).unwrap();
    out.truncate(length);
    out
}

/// Fails if the credential, or the text that tells it, is in the answer.
#[track_caller]
pub fn expect_clean(lab: &Lab, how: &str, rendering: &str, wire: &Wire) {
    expect_free_of(&lab.secret, how, rendering, wire);
}

/// The same for any secret.
#[track_caller]
pub fn expect_free_of(secret: &Secret, how: &str, rendering: &str, wire: &Wire) {
    let text = wire.text();
    secret.expect_absent(&format!("the answer ({how})"), &text);
    // What was told may differ from what a search expects: in case, in its escapes, in its line breaks.
    assert!(!text.contains(rendering), "{how}: {text}");
    let folded = text.to_ascii_lowercase();
    assert!(!folded.contains(&secret.text.to_ascii_lowercase()), "{how}: {text}");
    // Half of it is too much.
    let (front, back) = secret.text.split_at(secret.text.len() / 2);
    for half in [front, back] {
        assert!(!folded.contains(&half.to_ascii_lowercase()), "{how}: {text}");
    }
}
