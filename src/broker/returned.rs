//! An answer's headers, as far as the client gets to see them: by allow-list, without a trace of the credential, and with no
//! address that leads away.

use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::Door;
use super::adapter::Adapter;
use super::address::below;
use super::clean::{Needles, Rewrites, clean};
use super::denial::Denial;

/// Headers that go on from every provider.
const RETURNED: [HeaderName; 11] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// The headers of an answer that go on to the client.
pub(super) fn returned(
    adapter: &dyn Adapter,
    door: &Door<'_>,
    answer: &Parts,
    needles: &Arc<Needles>,
    rewrites: &Arc<Rewrites>,
) -> Result<HeaderMap, Denial> {
    // With room for what is put around it: a map that grows is hashed anew.
    let mut headers = HeaderMap::with_capacity(24);
    let particular = adapter.returns().iter().map(|name| HeaderName::from_static(name));
    for name in RETURNED.into_iter().chain(particular) {
        for value in answer.headers.get_all(&name) {
            let Some(value) = cleaned(value, needles, rewrites) else { continue };
            if name == header::LOCATION {
                // Made absolute, it is another text, and looked through once more.
                match kept_here(&value, door).and_then(|value| cleaned(&value, needles, rewrites)) {
                    Some(value) => drop(headers.append(&name, value)),
                    None if is_redirect(answer.status) => return Err(led_away()),
                    // The address of what was made is dispensable.
                    None => {}
                }
            } else if name == header::CACHE_CONTROL {
                headers.append(&name, for_one(&value));
            } else {
                headers.append(&name, value);
            }
        }
    }
    Ok(headers)
}

fn cleaned(value: &HeaderValue, needles: &Arc<Needles>, rewrites: &Arc<Rewrites>) -> Option<HeaderValue> {
    match clean(needles, rewrites, value.as_bytes()) {
        Some(bytes) => HeaderValue::from_bytes(&bytes).ok(),
        None => Some(value.clone()),
    }
}

/// An answer for one member is none for others: no cache between here and there may share it.
fn for_one(value: &HeaderValue) -> HeaderValue {
    let text = value.to_str().unwrap_or("no-store").to_ascii_lowercase();
    let directives = text.split(',').map(str::trim_ascii);
    let shared = |word: &str| word.is_empty() || word == "private" || word == "public" || word.starts_with("s-maxage");
    let kept = std::iter::once("private").chain(directives.filter(|word| !shared(word)));
    HeaderValue::from_str(&kept.collect::<Vec<_>>().join(", ")).unwrap_or(HeaderValue::from_static("no-store"))
}

fn is_redirect(status: StatusCode) -> bool {
    status.is_redirection() && status != StatusCode::NOT_MODIFIED
}

/// The address that an answer points to, if that is below the token's own.
fn kept_here(location: &HeaderValue, door: &Door<'_>) -> Option<HeaderValue> {
    let target = below(&door.address, door.path, location.to_str().ok()?)?;
    HeaderValue::from_str(&target).ok()
}

fn led_away() -> Denial {
    let message = "the provider's answer leads to another address, which is not followed";
    Denial::new(StatusCode::BAD_GATEWAY, "provider_redirected", message)
}
