//! Addresses.

use super::super::clean;
use super::*;

const PAIRS: [(&str, &str); 3] = [
    ("https://cloud.example/sapi/v2", "https://luna.example/v1/qpu/7/sapi/v2"),
    ("https://cloud.example", "https://luna.example/v1/qpu/7/"),
    ("https://cloud.example/sapi/v2/deeper", "https://deep.example/"),
];

fn rewritten(text: &str) -> String {
    let rewrites = Arc::new(Rewrites::new(PAIRS));
    let needles = needles("some-secret");
    let filter = || Filter::new(Arc::clone(&needles), Arc::clone(&rewrites));
    let whole = run(filter(), &[text.as_bytes()]);
    for split in 0..=text.len() {
        let (one, other) = text.as_bytes().split_at(split);
        assert_eq!(run(filter(), &[one, other]), whole, "{text} at {split}");
    }
    assert_eq!(run(filter(), &text.as_bytes().chunks(1).collect::<Vec<_>>()), whole);
    assert_eq!(clean(&needles, &rewrites, text.as_bytes()).unwrap_or(text.into()), whole);
    show(&whole)
}

#[test]
fn addresses_are_replaced_longest_first() {
    assert_eq!(rewritten("\"https://cloud.example/sapi/v2/x\""), "\"https://luna.example/v1/qpu/7/sapi/v2/x\"");
    assert_eq!(rewritten("https://cloud.example/sapi/v2/deeper?"), "https://deep.example/?");
    assert_eq!(rewritten("https://cloud.example/sapi"), "https://luna.example/v1/qpu/7//sapi");
}

#[test]
fn escaped_addresses_stay_escaped() {
    assert_eq!(
        rewritten(r#""https:\/\/cloud.example\/sapi\/v2\/x""#),
        r#""https:\/\/luna.example\/v1\/qpu\/7\/sapi\/v2\/x""#
    );
    assert_eq!(
        rewritten(r"https:\\/\\/cloud.example\\/sapi\\/v2\\/x"),
        r"https:\\/\\/luna.example\\/v1\\/qpu\\/7\\/sapi\\/v2\\/x"
    );
}

#[test]
fn other_addresses_stay() {
    for text in
        ["https://cloud.example2/", "http://cloud.example/", "https:/", "https", "https://cloud.exampl", "h", ""]
    {
        assert_eq!(rewritten(text), text);
    }
}

#[test]
fn an_address_does_not_hide_a_secret() {
    let needles = needles("2-is-my-secret");
    let filter = Filter::new(needles, Arc::new(Rewrites::new(PAIRS)));
    assert_eq!(
        show(&run(filter, &[b"https://cloud.example/sapi/v2-is-my-secret"])),
        "https://luna.example/v1/qpu/7//sapi/v[removed]"
    );
}

#[test]
fn what_stays_is_not_copied() {
    let chunk = Bytes::from_static(b"{\"status\": \"COMPLETED\", \"type\": \"ising\"}");
    let mut filter = Filter::new(needles("DEV-0123456789"), Arc::new(Rewrites::new(PAIRS)));
    let mut out = VecDeque::new();
    filter.push(chunk.clone(), &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr());
}
