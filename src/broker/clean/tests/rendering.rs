//! Encoders of the tests' own: they share nothing with what they test.

use std::fmt::Write;

/// Percent-encodes the bytes that `which` selects.
pub(super) fn percent(text: &[u8], upper: bool, mut which: impl FnMut(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match (which(*byte), upper) {
            (false, _) => out.push(*byte),
            (true, true) => out.extend(format!("%{byte:02X}").bytes()),
            (true, false) => out.extend(format!("%{byte:02x}").bytes()),
        }
    }
    out
}

/// Escapes as JSON what must be, and `\u` those that `which` selects.
pub(super) fn json(text: &[u8], upper: bool, slash: bool, mut which: impl FnMut(char) -> bool) -> Vec<u8> {
    let mut out = String::new();
    for character in std::str::from_utf8(text).unwrap().chars() {
        if which(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
            }
            continue;
        }
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '"' | '\\' => out.extend(['\\', character]),
            '/' if slash => out.push_str("\\/"),
            _ => out.push(character),
        }
    }
    out.into_bytes()
}

/// Escapes as HTML what must be, and by number those that `which` selects.
pub(super) fn html(text: &[u8], hex: bool, mut which: impl FnMut(char) -> bool) -> Vec<u8> {
    let mut out = String::new();
    for character in std::str::from_utf8(text).unwrap().chars() {
        let code = u32::from(character);
        match character {
            _ if which(character) && hex => write!(out, "&#x{code:x};").unwrap(),
            _ if which(character) => write!(out, "&#{code};").unwrap(),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out.into_bytes()
}

pub(super) fn base64(text: &[u8], url: bool, padded: bool) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let character = |value: u32| match value {
        62 => {
            if url {
                b'-'
            } else {
                b'+'
            }
        }
        63 => {
            if url {
                b'_'
            } else {
                b'/'
            }
        }
        _ => alphabet[value as usize],
    };
    let mut out = Vec::new();
    for group in text.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        out.extend((0..=group.len()).map(|index| character(bits >> (18 - 6 * index) & 63)));
        if padded {
            out.resize(out.len() + 3 - group.len(), b'=');
        }
    }
    out
}

pub(super) fn wrapped(text: &[u8], width: usize, line_break: &str) -> Vec<u8> {
    text.chunks(width).collect::<Vec<_>>().join(line_break.as_bytes())
}

pub(super) fn hex(text: &[u8], upper: bool, separator: &str) -> Vec<u8> {
    let digits = text.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
    digits.collect::<Vec<_>>().join(separator).into_bytes()
}

/// One rendering after the other, each with its name.
pub(super) fn all(secret: &str) -> Vec<(String, Vec<u8>)> {
    let raw = secret.as_bytes();
    let reserved = |byte: u8| !byte.is_ascii_alphanumeric();
    let mut all: Vec<(String, Vec<u8>)> = vec![
        ("raw".into(), raw.to_vec()),
        ("upper case".into(), raw.to_ascii_uppercase()),
        ("lower case".into(), raw.to_ascii_lowercase()),
        ("percent".into(), percent(raw, true, reserved)),
        ("percent, lower".into(), percent(raw, false, reserved)),
        ("percent, all".into(), percent(raw, true, |_| true)),
        ("percent, twice".into(), percent(&percent(raw, true, reserved), true, reserved)),
        ("percent, all twice".into(), percent(&percent(raw, true, |_| true), true, |_| true)),
        ("form".into(), show_form(raw)),
        ("json".into(), json(raw, false, false, |_| false)),
        ("json, slashes".into(), json(raw, false, true, |_| false)),
        ("json, ascii".into(), json(raw, false, true, |character| !character.is_ascii())),
        ("json, all".into(), json(raw, true, true, |_| true)),
        ("json in json".into(), json(&json(raw, false, true, |_| false), false, true, |_| false)),
        ("json in json, all".into(), json(&json(raw, false, true, |_| true), false, true, |_| false)),
        ("json in json, all all".into(), json(&json(raw, false, true, |_| true), false, true, |_| true)),
        ("html".into(), html(raw, false, |_| false)),
        ("html, all".into(), html(raw, false, |_| true)),
        ("html, all hex".into(), html(raw, true, |_| true)),
        ("html, twice".into(), html(&html(raw, false, |_| false), false, |_| false)),
        ("html in json".into(), json(&html(raw, true, |_| true), false, true, |_| false)),
        ("percent in json".into(), json(&percent(raw, true, |_| true), false, true, |_| true)),
        ("json in percent".into(), percent(&json(raw, false, true, |_| true), true, reserved)),
        (
            "three layers".into(),
            percent(&json(&json(raw, false, true, |_| false), false, true, |_| false), true, reserved),
        ),
        ("hex".into(), hex(raw, false, "")),
        ("hex, upper".into(), hex(raw, true, "")),
        ("hex, apart".into(), hex(raw, true, " ")),
        ("hex, colons".into(), hex(raw, true, ":")),
        ("hex, escapes".into(), [b"\\x", &hex(raw, false, "\\x")[..]].concat()),
    ];
    for before in ["", "u", "u:", "apikey:", "a-user-of-it:"] {
        for after in ["", ":", "abc"] {
            let text = [before.as_bytes(), raw, after.as_bytes()].concat();
            for (url, padded) in [(false, true), (false, false), (true, true), (true, false)] {
                let encoded = base64(&text, url, padded);
                let name = format!("base64 of {before}…{after}, url {url}, padded {padded}");
                all.push((format!("{name}, json"), json(&encoded, false, true, |_| false)));
                all.push((format!("{name}, percent"), percent(&encoded, true, reserved)));
                all.push((format!("{name}, lower case"), encoded.to_ascii_lowercase()));
                all.push((format!("{name}, lines"), wrapped(&encoded, 7, "\r\n")));
                all.push((format!("{name}, folded"), wrapped(&encoded, 9, "\r\n  ")));
                all.push((
                    format!("{name}, lines in json"),
                    json(&wrapped(&encoded, 8, "\r\n"), false, true, |_| false),
                ));
                all.push((name, encoded));
            }
        }
    }
    all
}

fn show_form(raw: &[u8]) -> Vec<u8> {
    let encoded = percent(raw, true, |byte| !byte.is_ascii_alphanumeric() && byte != b' ');
    encoded.into_iter().map(|byte| if byte == b' ' { b'+' } else { byte }).collect()
}
