//! The member's key in the places where clients put tokens.

use crate::authentication::UseKey;
use crate::broker::denial::Denial;
use crate::broker::head::Head;

/// A key from what a client presents as its token.
pub(super) fn parse(text: &str) -> Result<UseKey, Denial> {
    UseKey::parse(text.trim_ascii()).map_err(|_| {
        let message = "this is not a Luna API key: put yours where the provider's token would be";
        Denial { message: message.to_owned(), ..Denial::no_key() }
    })
}

/// The first of these that is there; `Luna-API-Key` is understood for all providers.
pub(super) fn first(head: &Head<'_>, places: &[Option<&str>]) -> Option<Result<UseKey, Denial>> {
    let luna = head.header(http::HeaderName::from_static("luna-api-key"));
    places.iter().copied().chain([luna]).flatten().next().map(parse)
}

/// A key in whichever header: at an address of which nobody knows whose client comes there.
pub(in crate::broker) fn anywhere(head: &Head<'_>) -> Option<UseKey> {
    let values = head.headers.values().filter_map(|value| value.to_str().ok());
    values.filter_map(|value| value.split_ascii_whitespace().next_back()).find_map(|text| UseKey::parse(text).ok())
}
