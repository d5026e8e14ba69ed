//! The written form of keys and one-time tokens: `luna_…_<checksum>`.
//!
//! Bytes are base32 with the extended hex alphabet (RFC 4648 §7), lower case, without padding: `0-9a-v`, so that `_`
//! can separate and a double click selects all of it. The checksum is CRC-32 of everything before the last `_`, as in
//! GitHub's tokens (“Behind GitHub's new authentication token formats”, 2021): it tells a leaked or mistyped token from
//! a look-alike without a database. It protects nothing.

use data_encoding::BASE32_DNSSEC as BASE32;
use zeroize::Zeroizing;

/// Bytes of randomness in a secret.
pub(super) const SECRET: usize = 32;

/// Longer than any token that this service writes.
const LONGEST: usize = 128;

/// `<prefix><part>_<part>_<checksum>`.
pub(super) fn write(prefix: &str, parts: &[&[u8]]) -> Zeroizing<String> {
    // Full size at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST));
    text.push_str(prefix);
    for part in parts {
        BASE32.encode_append(part, &mut text);
        text.push('_');
    }
    let checksum = crc32fast::hash(body(&text).as_bytes());
    BASE32.encode_append(&checksum.to_be_bytes(), &mut text);
    text
}

/// What the checksum and the digest are taken of: everything before the last `_`.
pub(super) fn body(text: &str) -> &str {
    text.rsplit_once('_').map_or(text, |(body, _)| body)
}

/// The parts between prefix and checksum, if text and checksum are well-formed.
pub(super) fn read<'a>(prefix: &str, text: &'a str) -> Option<std::str::Split<'a, char>> {
    if text.len() > LONGEST || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let (body, checksum) = text.rsplit_once('_')?;
    if *decode::<4>(checksum)? != crc32fast::hash(body.as_bytes()).to_be_bytes() {
        return None;
    }
    body.strip_prefix(prefix).map(|parts| parts.split('_'))
}

/// The `N` bytes of one part; `None` for any other text.
pub(super) fn decode<const N: usize>(part: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    if part.len() != BASE32.encode_len(N) || BASE32.decode_len(part.len()).ok()? != N {
        return None;
    }
    BASE32.decode_mut(part.as_bytes(), bytes.as_mut_slice()).ok()?;
    Some(bytes)
}
