//! The key of one secret version.

use aes_gcm::aead::Generate;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::VaultError;

/// A random 256-bit AES key that seals exactly one secret version. Zeroed on drop; no `Debug`, `Clone` or `Serialize`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; Self::LENGTH]);

impl DataKey {
    /// Bytes in a key.
    pub const LENGTH: usize = 32;

    /// A new key from the operating system's generator.
    pub(super) fn generate() -> Result<Self, VaultError> {
        <[u8; Self::LENGTH]>::try_generate().map(Self).map_err(|_| VaultError::NoRandomness)
    }

    /// `None` unless there are exactly 32 bytes. For implementations of [`super::KeyEncryption`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The key itself. For implementations of [`super::KeyEncryption`], which have to encrypt it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}
