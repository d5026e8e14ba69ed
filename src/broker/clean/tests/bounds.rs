//! No text makes the search expensive, or has it hold back without bound. Work is counted, not timed.

use super::super::matcher::LONGEST_MATCH;
use super::*;

const TOKEN: &str = "DEV-0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";

fn hostile() -> Vec<String> {
    let parts = [
        "%25",
        "%",
        "\\",
        "\\\\u005c",
        "&amp;",
        "&#x26;#x26;",
        "&#38;#x0000025;25",
        "D",
        "DEV-0a1b2c3d4e5f60718293a4b5c6d7e8f90123456",
        "\\u0044\\u0045\\u0056\\u002d",
        "%2544%2545",
        "\\u005cu0044",
        "&#x44;&#x45;",
        "RE",
        "RA==\r\n",
        "4\n4\n",
        "44 45 56 2d ",
        "%5Cu00%35c",
        "&#0000000",
        "%u0025",
        "\\u005c\\u0075\\u0030\\u0030\\u0035\\u0063",
    ];
    let mut texts: Vec<String> = parts.iter().map(|part| part.repeat(10_000 / part.len())).collect();
    texts.push(parts.concat().repeat(20));
    texts
}

#[test]
fn a_usual_secret_is_searched_for_in_whatever_text() {
    for text in hostile() {
        let mut filter = filter(TOKEN);
        // Without the allowance at the beginning, the rate alone must do.
        let mut out = VecDeque::new();
        for _ in 0..10 {
            filter.push(Bytes::copy_from_slice(text.as_bytes()), &mut out);
        }
        filter.finish(&mut out);
        assert!(!filter.is_exhausted(), "{}", &text[..40]);
        let left: Vec<u8> = out.into_iter().flatten().collect();
        assert_eq!(show(&left), text.repeat(10));
    }
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let secret = "a".repeat(16_000) + "b";
    let mut filter = filter(&secret);
    let mut out = VecDeque::new();
    for _ in 0..100 {
        filter.push(Bytes::from(vec![b'a'; 10_000]), &mut out);
    }
    filter.finish(&mut out);
    assert!(filter.is_exhausted());
}

#[test]
fn strange_secrets_cost_no_more() {
    for secret in ["%".repeat(300), "\\".repeat(300), "&%\\".repeat(100), "%25".repeat(100), "&amp;".repeat(60)] {
        for text in hostile().into_iter().chain([secret.clone()]) {
            let mut filter = filter(&secret);
            let mut out = VecDeque::new();
            let text: String = text.chars().take(3000).collect();
            filter.push(text.into(), &mut out);
            filter.finish(&mut out);
            let left: Vec<u8> = out.into_iter().flatten().collect();
            assert!(filter.is_exhausted() || !show(&left).contains(&secret));
        }
    }
}

#[test]
fn what_is_held_back_has_a_bound() {
    let mut filter = filter(TOKEN);
    let mut out = VecDeque::new();
    filter.push(Bytes::from_static(b"DEV-"), &mut out);
    assert!(out.is_empty());
    // A beginning that never ends: each character escaped again and again, which is no escape any more at some length.
    for _ in 0..1000 {
        filter.push(Bytes::from_static(b"%252525252525252525252525"), &mut out);
    }
    let given: usize = out.iter().map(Bytes::len).sum();
    assert!(given > 24_000, "{given}");
}

#[test]
fn a_secret_of_the_greatest_length() {
    let mut random = super::random::Random(7);
    let secret: String = (0..16 * 1024).map(|_| char::from(b'!' + random.byte(90))).collect();
    for (name, rendering) in [
        ("raw", secret.clone().into_bytes()),
        ("base64", rendering::base64(secret.as_bytes(), false, true)),
        ("hex", rendering::hex(secret.as_bytes(), false, "")),
        ("percent", rendering::percent(secret.as_bytes(), true, |_| true)),
    ] {
        for size in [1, 100, 1400, 1 << 20] {
            let chunks: Vec<&[u8]> = rendering.chunks(size).collect();
            let cleaned = run(filter(&secret), &chunks);
            assert!(cleaned.len() < 16, "{name} in chunks of {size}: {}", cleaned.len());
        }
    }
    // Written so long that it exceeds what is held back, it goes nevertheless.
    let long = rendering::json(&rendering::json(secret.as_bytes(), true, true, |_| true), true, true, |_| true);
    assert!(long.len() > 2 * LONGEST_MATCH);
    let cleaned = show(&run(filter(&secret), &long.chunks(16 * 1024).collect::<Vec<_>>()));
    assert!(cleaned.starts_with("[removed]"));
}
