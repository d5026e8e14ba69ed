//! Every rendering, however it is cut into chunks and coded.

mod bodies;
mod bounds;
mod random;
mod rendering;
mod renderings;
mod rewriting;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::filter::Filter;
use super::{Needles, Rewrites};

/// Secrets of all kinds, among them some that look like what they might be rendered as.
const SECRETS: &[&str] = &[
    "DEV-0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    "p@ss/w\"o\\rd+&=<>?'%41",
    "sk_live_AbCdEf/123+456==",
    "\\u0041\\n%25%26&amp;\\\\",
    "schlüssel-😀-key",
    "(a|b)*[c-d]{2,}^$.",
    "two words, and more",
];

fn needles(secret: &str) -> Arc<Needles> {
    Arc::new(Needles::new([secret]))
}

fn filter(secret: &str) -> Filter {
    Filter::new(needles(secret), Arc::new(Rewrites::new([])))
}

fn run(mut filter: Filter, chunks: &[&[u8]]) -> Vec<u8> {
    let mut out = VecDeque::new();
    for chunk in chunks {
        filter.push(Bytes::copy_from_slice(chunk), &mut out);
    }
    filter.finish(&mut out);
    assert!(!filter.is_exhausted());
    out.into_iter().flatten().collect()
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
