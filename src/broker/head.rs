//! The head of a request as the broker sees it: the path raw, below the token's own address.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;

use crate::domain::JobReference;

/// What came before the body.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path below the token's address, as it was sent, without the slash in front.
    pub path: &'a str,
    /// The query, as it was sent, without the question mark.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    /// A header that is there once, as text.
    #[must_use]
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&'a str> {
        let mut values = self.headers.get_all(name.into()).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// All values of a header as one list, joined by commas; `None` if one of them is no text.
    #[must_use]
    pub fn list(&self, name: HeaderName) -> Option<String> {
        let values: Option<Vec<&str>> = self.headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
        values.map(|values| values.join(","))
    }

    /// What follows a scheme in `Authorization`; the scheme in any case.
    #[must_use]
    pub fn authorization(&self, scheme: &str) -> Option<&'a str> {
        let (given, value) = self.header(http::header::AUTHORIZATION)?.trim_ascii().split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| value.trim_ascii_start())
    }

    /// The parameters of the query, decoded.
    pub fn parameters(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        url::form_urlencoded::parse(self.query.unwrap_or_default().as_bytes())
    }
}

/// Whether a provider's id can stand in a path, and so be asked for again.
#[must_use]
pub fn is_plain_id(id: &str) -> bool {
    id.len() <= JobReference::LONGEST_ID
        && !id.contains('%')
        && id.bytes().all(|byte| byte.is_ascii_graphic())
        && segment(id).is_some()
}

/// One segment of a path, decoded, if it is one that can be passed on: text that does not climb out of its place, however
/// often the other end decodes it.
#[must_use]
pub fn segment(raw: &str) -> Option<String> {
    let mut text = raw.to_owned();
    for _ in 0..3 {
        // Some servers take what follows a semicolon for parameters of the segment.
        let climbs = |part: &str| matches!(part.split(';').next(), None | Some("" | "." | ".."));
        if text.chars().any(|c| c.is_control() || matches!(c, '\\' | '?' | '#')) || text.split('/').any(climbs) {
            return None;
        }
        match percent_decode_str(&text).decode_utf8().ok()? {
            decoded if decoded == text => break,
            decoded => text = decoded.into_owned(),
        }
    }
    percent_decode_str(raw).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_in_its_place() {
        assert_eq!(segment("arn%3Aaws%3Abraket%2Fid").as_deref(), Some("arn:aws:braket/id"));
        for hostile in [
            "",
            ".",
            "..",
            "%2e%2e",
            "a%2F..%2Fb",
            "%252e%252e",
            "a%5Cb",
            "a%00",
            "a%0d%0a",
            "%3Fx",
            "a%2F",
            "..;",
            "..;x",
            "a%2F..;%2Fb",
        ] {
            assert_eq!(segment(hostile), None, "{hostile}");
        }
    }
}
