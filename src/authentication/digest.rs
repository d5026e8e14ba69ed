//! What is stored of a key or one-time token.

use std::marker::PhantomData;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{AuthenticationError, token_text};

/// SHA-256 of a token's text before its checksum. One round is enough, because the text holds 256 random bits: there is
/// nothing to guess (unlike with passwords). The type says what it is a digest of; the kind's prefix is hashed too.
pub struct Digest<Of>([u8; 32], PhantomData<fn() -> Of>);

impl<Of> Digest<Of> {
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(token_text::body(text)).into(), PhantomData)
    }

    /// The 32 bytes to store or to look up.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is the stored digest; takes the same time wherever they differ.
    #[must_use]
    pub fn matches(&self, stored: &Self) -> bool {
        self.0.ct_eq(&stored.0).into()
    }
}

impl<Of> Clone for Digest<Of> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Of> Copy for Digest<Of> {}

/// From the database: exactly 32 bytes, else [`AuthenticationError::Malformed`].
impl<Of> TryFrom<&[u8]> for Digest<Of> {
    type Error = AuthenticationError;

    fn try_from(bytes: &[u8]) -> Result<Self, AuthenticationError> {
        bytes.try_into().map(|bytes| Self(bytes, PhantomData)).map_err(|_| AuthenticationError::Malformed)
    }
}
