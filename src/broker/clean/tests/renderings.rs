//! Each rendering of each secret, whole and in all pieces.

use super::super::filter::{REMOVED, contains};
use super::*;

/// What remains beside `[removed]` must be short: the edges of base64 only.
fn check(name: &str, secret: &str, rendering: &[u8], cleaned: &[u8]) {
    let text = show(cleaned);
    let inner = text.strip_prefix("{\"a\":\"").and_then(|text| text.strip_suffix("\"}"));
    let inner = inner.unwrap_or_else(|| panic!("{name} of {secret}: {} became {text}", show(rendering)));
    let place = inner.find("[removed]").unwrap_or_else(|| panic!("{name} of {secret}: {} stayed", show(rendering)));
    let beside = inner.len() - REMOVED.len();
    // The words around the secret in base64, and its edges.
    let most = if name.starts_with("base64") { 50 } else { 0 };
    assert!(beside <= most && place <= most, "{name} of {secret}: {} left {inner}", show(rendering));
}

#[test]
fn every_rendering_is_removed() {
    for secret in SECRETS {
        for (name, rendering) in rendering::all(secret) {
            let text = [b"{\"a\":\"", &rendering[..], b"\"}"].concat();
            assert!(contains(&needles(secret), &text), "{name} of {secret}: {}", show(&rendering));
            let cleaned = run(filter(secret), &[&text]);
            check(&name, secret, &rendering, &cleaned);
        }
    }
}

#[test]
fn chunks_make_no_difference() {
    for (number, secret) in SECRETS.iter().enumerate() {
        let needles = needles(secret);
        let rewrites = Arc::new(Rewrites::new([]));
        let filter = || Filter::new(Arc::clone(&needles), Arc::clone(&rewrites));
        // All of the first one's; of the others', each some.
        let every = if number == 0 { 1 } else { 4 };
        for (name, rendering) in rendering::all(secret).into_iter().skip(number % every).step_by(every) {
            let text = [b"{\"a\":\"", &rendering[..], b"\"}"].concat();
            let whole = run(filter(), &[&text]);
            for split in 0..=text.len() {
                let cleaned = run(filter(), &[&text[..split], &text[split..]]);
                assert_eq!(show(&cleaned), show(&whole), "{name} of {secret}, at {split}");
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(show(&run(filter(), &bytes)), show(&whole), "{name} of {secret}, byte by byte");
        }
    }
}

#[test]
fn nothing_before_the_secret_hides_it() {
    for secret in SECRETS {
        for before in ["%", "%2", "\\", "\\u", "\\u00", "&", "&#", "&#x", "\\\\", "%25", secret.split_at(3).0] {
            let text = format!("{before}{secret}");
            let cleaned = show(&run(filter(secret), &[text.as_bytes()]));
            assert!(cleaned.ends_with("[removed]"), "{text} became {cleaned}");
        }
    }
}

#[test]
fn overlapping_secrets_go_together() {
    let needles = Arc::new(Needles::new(["abcdefgh", "fghijklm", "abcd"]));
    let filter = || Filter::new(Arc::clone(&needles), Arc::new(Rewrites::new([])));
    assert_eq!(show(&run(filter(), &[b"x abcdefghijklm y abcd z"])), "x [removed] y [removed] z");
    assert_eq!(show(&run(filter(), &[b"x abcdefgh", b"ijkl", b"m y ab", b"ce"])), "x [removed] y abce");
    assert_eq!(show(&run(filter(), &[b"x abcdefgh", b"ijkl", b"- y"])), "x [removed]ijkl- y");
    let repeated = super::filter("abcabc");
    assert_eq!(show(&run(repeated, &[b"xabca", b"bcabcabx"])), "x[removed]abx");
}

#[test]
fn short_secrets_are_found_as_text_or_not_at_all() {
    assert_eq!(show(&run(filter("abc"), &[b"abc"])), "abc");
    assert_eq!(show(&run(filter("ab-d"), &[b"xab-dx"])), "x[removed]x");
    assert_eq!(show(&run(filter("abcde"), &[b"6162636465"])), "6162636465");
    assert!(Needles::new(["", "a", "abc", "  ab "]).is_empty());
}

#[test]
fn many_secrets_at_once() {
    let secrets: Vec<String> = (0..40).map(|number| format!("secret-number-{number:03}-{}", number * 7)).collect();
    let needles = Arc::new(Needles::new(secrets.iter().map(String::as_str)));
    for secret in &secrets {
        for rendering in [secret.clone().into_bytes(), rendering::base64(secret.as_bytes(), false, true)] {
            assert!(contains(&needles, &rendering), "{secret}");
        }
    }
}
