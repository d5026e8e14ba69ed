//! A known secret, and every way in which it could be written down.

use std::fmt::Write as _;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Something that must not appear.
pub struct Secret {
    pub name: String,
    pub text: String,
    renderings: Vec<(&'static str, String)>,
}

impl Secret {
    pub fn new(name: &str, text: &str) -> Self {
        assert!(text.len() >= 12, "{name} is too short to be told from chance");
        let mut renderings: Vec<(&'static str, String)> = Vec::new();
        for (how, rendering) in renderings_of(text) {
            if !renderings.iter().any(|(_, known)| *known == rendering) {
                renderings.push((how, rendering));
            }
        }
        Self { name: name.to_owned(), text: text.to_owned(), renderings }
    }

    /// How it appears in the text; not at all, if the vector is empty.
    pub fn appearances(&self, text: &str) -> Vec<&'static str> {
        self.renderings.iter().filter(|(_, rendering)| text.contains(rendering)).map(|(how, _)| *how).collect()
    }

    /// Fails, saying where, if it appears.
    #[track_caller]
    pub fn expect_absent(&self, place: &str, text: &str) {
        for (how, rendering) in &self.renderings {
            if let Some(at) = text.find(rendering) {
                let from = (0..=at.saturating_sub(300)).rev().find(|from| text.is_char_boundary(*from)).unwrap_or(0);
                panic!("{} appears {how} in {place} after: {}", self.name, &text[from..at]);
            }
        }
    }
}

fn renderings_of(text: &str) -> Vec<(&'static str, String)> {
    let percent = utf8_percent_encode(text, UNRESERVED).to_string();
    let json = inside(&serde_json::to_string(text).unwrap());
    let debug = inside(&format!("{text:?}"));
    let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    let mut all = vec![
        ("raw", text.to_owned()),
        ("percent-encoded", percent.clone()),
        ("percent-encoded in lower case", lower_escapes(&percent)),
        ("percent-encoded twice", utf8_percent_encode(&percent, UNRESERVED).to_string()),
        ("form-encoded", percent.replace("%20", "+")),
        ("as JSON", json.clone()),
        ("as JSON in ASCII", ascii(&json)),
        ("as JSON in JSON", inside(&serde_json::to_string(&json).unwrap())),
        ("as Rust prints it", debug.clone()),
        ("as Rust prints it, in JSON", inside(&serde_json::to_string(&debug).unwrap())),
        ("as Rust prints bytes", inside(&format!("{:?}", text.as_bytes().escape_ascii().to_string()))),
        ("as escaped bytes", text.as_bytes().escape_ascii().to_string()),
        ("as a list of bytes", bytes.join(", ")),
        ("as a dense list of bytes", bytes.join(",")),
        ("as HTML", html(text)),
        ("as a JSON pointer", pointer(text)),
        ("as a JSON pointer in JSON", inside(&serde_json::to_string(&pointer(text)).unwrap())),
        ("as SQL", text.replace('\'', "''")),
        ("in hex", HEXLOWER.encode(text.as_bytes())),
        ("in upper-case hex", HEXUPPER.encode(text.as_bytes())),
    ];
    for before in 0..3 {
        all.push(("in base64", aligned(&BASE64_NOPAD, text, before)));
        all.push(("in base64url", aligned(&BASE64URL_NOPAD, text, before)));
    }
    all
}

/// What base64 makes of the text after `before` other bytes, without the characters that depend on its neighbours.
fn aligned(encoding: &Encoding, text: &str, before: usize) -> String {
    let bytes = [vec![0; before], text.as_bytes().to_vec()].concat();
    let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoding.encode(&bytes)[from..to].to_owned()
}

/// Without the quotation marks around it.
fn inside(quoted: &str) -> String {
    quoted[1..quoted.len() - 1].to_owned()
}

fn ascii(json: &str) -> String {
    json.encode_utf16().fold(String::new(), |mut all, unit| {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => all.push(char::from(byte)),
            _ => write!(all, "\\u{unit:04x}").unwrap(),
        }
        all
    })
}

fn lower_escapes(percent: &str) -> String {
    let mut parts = percent.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| format!("{all}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

/// RFC 6901.
fn pointer(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

mod tests {
    use data_encoding::{BASE64, BASE64_MIME, BASE64URL};
    use serde_json::{Value, json};

    use super::*;

    const TEXT: &str = "aA1/b+c=d \"e\" \\f %g <h> é' &j";

    /// Each made by somebody else's encoder where there is one, and with neighbours on both sides.
    fn written() -> Vec<(&'static str, String)> {
        let around = format!("before{TEXT}after");
        let record = json!({"text": TEXT}).to_string();
        let url = reqwest::Url::parse_with_params("http://luna.example/", [("q", TEXT)]).unwrap().to_string();
        let mut written = vec![
            ("raw", around.clone()),
            ("form", url),
            ("percent", utf8_percent_encode(&around, NON_ALPHANUMERIC).to_string().replace("%2D", "-")),
            ("percent, lower", "aA1%2fb%2bc%3dd%20%22e%22%20%5cf%20%25g%20%3ch%3e%20%c3%a9%27%20%26j".to_owned()),
            ("JSON", record.clone()),
            ("JSON, ASCII", r#""aA1/b+c=d \"e\" \\f %g <h> \u00e9' &j""#.to_owned()),
            ("JSON in JSON", Value::String(record).to_string()),
            ("Debug", format!("Credential {{ token: {TEXT:?} }}")),
            ("Debug in JSON", Value::String(format!("{TEXT:?}")).to_string()),
            ("bytes", format!("{:?}", around.as_bytes())),
            ("dense bytes", format!("{:?}", around.as_bytes()).replace(' ', "")),
            ("escaped bytes", around.as_bytes().escape_ascii().to_string()),
            ("HTML", "aA1/b+c=d &quot;e&quot; \\f %g &lt;h&gt; é' &amp;j".to_owned()),
            ("JSON pointer", "/credential/aA1~1b+c=d \"e\" \\f %g <h> é' &j/0".to_owned()),
            ("JSON pointer in JSON", json!({"pointer": format!("/{}", TEXT.replace('/', "~1"))}).to_string()),
            ("SQL", "VALUES ('aA1/b+c=d \"e\" \\f %g <h> é'' &j')".to_owned()),
            ("hex", format!("\\x{}", HEXLOWER.encode(around.as_bytes()))),
            ("HEX", HEXUPPER.encode(around.as_bytes())),
        ];
        for before in 0..6 {
            for after in 0..3 {
                let around = format!("{}{TEXT}{}", "x".repeat(before), "y".repeat(after));
                written.push(("base64", BASE64.encode(around.as_bytes())));
                written.push(("base64url", BASE64URL.encode(around.as_bytes())));
                written.push(("Basic", BASE64_MIME.encode(around.as_bytes()).replace("\r\n", "")));
            }
        }
        written
    }

    #[test]
    fn every_rendering_would_be_found() {
        let secret = Secret::new("it", TEXT);
        for (how, text) in written() {
            assert!(!secret.appearances(&text).is_empty(), "{how}: {text}");
        }
    }

    #[test]
    fn others_are_not_mistaken_for_it() {
        let secret = Secret::new("it", TEXT);
        let other = Secret::new("other", "aA1/b+c=d \"e\" \\f %g <h> è' &j");
        for (how, text) in written() {
            assert_eq!(other.appearances(&text), Vec::<&str>::new(), "{how}: {text}");
        }
        assert_eq!(secret.appearances(&other.text), Vec::<&str>::new());
    }

    #[test]
    #[should_panic(expected = "it appears as JSON in the log after: {\"token\":\"")]
    fn it_is_told_where() {
        Secret::new("it", TEXT).expect_absent("the log", &json!({"token": TEXT}).to_string());
    }
}
