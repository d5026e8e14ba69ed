//! API keys: `luna_<id>_<secret>_<checksum>`, 92 characters. `token_text` says how the parts are written.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::random::random;
use super::token_text::{self, SECRET};
use super::{AuthenticationError, Digest};
use crate::domain::ApiKeyId;

const PREFIX: &str = "luna_";

/// What the database keeps of an API key. The key's id is part of what is hashed, so a digest copied to the row of
/// another key is worth nothing.
pub type ApiKeyDigest = Digest<ApiKey>;

/// An API key in the clear: 128 bits of id and 256 random bits. Zeroed on drop; no `Debug`, `Clone` or `Serialize`.
pub struct ApiKey {
    id: ApiKeyId,
    text: Zeroizing<String>,
}

impl ApiKey {
    /// A new key with a new id; fails only without randomness.
    pub fn generate() -> Result<Self, AuthenticationError> {
        let (id, secret) = (ApiKeyId::new(), random::<SECRET>()?);
        Ok(Self { id, text: token_text::write(PREFIX, &[id.uuid().as_bytes(), secret.as_slice()]) })
    }

    /// Reads a presented key: form and checksum only, no database. [`AuthenticationError::Malformed`] otherwise.
    pub fn parse(text: &str) -> Result<Self, AuthenticationError> {
        let parsed = || {
            let mut parts = token_text::read(PREFIX, text)?;
            let id = token_text::decode::<16>(parts.next()?)?;
            token_text::decode::<SECRET>(parts.next()?)?;
            parts.next().is_none().then(|| ApiKeyId::from(Uuid::from_bytes(*id)))
        };
        let id = parsed().ok_or(AuthenticationError::Malformed)?;
        Ok(Self { id, text: Zeroizing::new(text.to_owned()) })
    }

    /// The public part, by which the row is found.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// What to store, or to compare with what is stored.
    #[must_use]
    pub fn digest(&self) -> ApiKeyDigest {
        Digest::of(&self.text)
    }

    /// The text, once, for the answer that creates the key.
    #[must_use]
    pub fn into_text(self) -> Zeroizing<String> {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back() {
        let key = ApiKey::generate().unwrap();
        let (id, digest) = (key.id(), key.digest());
        let text = key.into_text();
        assert_eq!(text.len(), 5 + 26 + 1 + 52 + 1 + 7);
        assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
        let read = ApiKey::parse(&text).unwrap();
        assert_eq!(read.id(), id);
        assert!(read.digest().matches(&digest));
        assert!(read.digest().matches(&ApiKeyDigest::try_from(digest.as_bytes().as_slice()).unwrap()));
        assert!(!ApiKey::generate().unwrap().digest().matches(&digest));
        assert!(ApiKeyDigest::try_from([0; 31].as_slice()).is_err());
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let text = ApiKey::generate().unwrap().into_text();
        for at in 0..text.len() {
            for other in "0v_-A\u{fc}".chars().filter(|other| !text[at..].starts_with(*other)) {
                let altered = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(ApiKey::parse(&altered).is_err(), "{altered}");
            }
            assert!(ApiKey::parse(&text[..at]).is_err());
        }
        for near in [text.to_uppercase(), format!("{}a", *text), format!(" {}", *text), format!("{}\n", *text)] {
            assert!(ApiKey::parse(&near).is_err(), "{near}");
        }
    }

    #[test]
    fn a_right_checksum_alone_is_not_enough() {
        let with = |prefix, parts: &[&[u8]]| token_text::write(prefix, parts);
        let (id, secret) = ([7; 16], [9; SECRET]);
        assert!(ApiKey::parse(&with("luna_", &[&id, &secret])).is_ok());
        for text in [
            with("luna_", &[]),
            with("luna_", &[&id]),
            with("luna_", &[&secret, &id]),
            with("luna_", &[&id[1..], &secret]),
            with("luna_", &[&id, &secret[1..]]),
            with("luna_", &[&id, &secret, b""]),
            with("luna_", &[&id, &secret, b"more"]),
            with("lune_", &[&id, &secret]),
            with("luna_invite_", &[&secret]),
            with("", &[&id, &secret]),
        ] {
            assert!(ApiKey::parse(&text).is_err(), "{}", *text);
        }
        for text in ["", "_", "luna_", "luna___", &"_".repeat(128), &"luna_".repeat(1000)] {
            assert!(ApiKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_crc_32_of_what_precedes() {
        // The check value of CRC-32/ISO-HDLC: cbf43926 for "123456789".
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let text = token_text::write("luna_", &[&[0; 16], &[0; SECRET]]);
        let (body, checksum) = text.rsplit_once('_').unwrap();
        assert_eq!(*token_text::decode::<4>(checksum).unwrap(), crc32fast::hash(body.as_bytes()).to_be_bytes());
    }
}
