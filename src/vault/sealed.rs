//! What the repository stores: plain bytes and strings, none of them secret.

use super::VaultError;

/// The data key of one secret version, wrapped: these two columns are all that rotation rewrites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which KEK wrapped it.
    pub kek_id: String,
    /// For the local key ring `nonce ‖ ciphertext ‖ tag`, 60 bytes; a remote KEK's answer as it is.
    pub wrapped_data_key: Vec<u8>,
}

/// One version of a token's credential, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCredential {
    /// Version of this layout; 1.
    pub format: i16,
    /// The data key, wrapped.
    pub key: WrappedKey,
    /// The fields, ordered by name. The order counts: keep it.
    pub fields: Vec<SealedField>,
}

/// One field of a credential, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedField {
    /// The field's name, in the clear.
    pub name: String,
    /// `nonce ‖ ciphertext ‖ tag`: the value's length and 28 bytes.
    pub ciphertext: Vec<u8>,
}

/// Something that is no credential, sealed for one [`super::Purpose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBytes {
    /// Version of this layout; 1.
    pub format: i16,
    /// The data key, wrapped.
    pub key: WrappedKey,
    /// `nonce ‖ ciphertext ‖ tag`: the plaintext's length and 28 bytes.
    pub ciphertext: Vec<u8>,
}

impl SealedBytes {
    /// All of it for one column: format (16 bits, big-endian), length of the KEK's id (16 bits) and the id, length of the
    /// wrapped key (16 bits) and the wrapped key, ciphertext.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.format.to_be_bytes().to_vec();
        for part in [self.key.kek_id.as_bytes(), &self.key.wrapped_data_key] {
            // Ids and wrapped keys are far below 64 KiB; a longer one would be cut off here and not open again.
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&part[..usize::from(length)]);
        }
        bytes.extend_from_slice(&self.ciphertext);
        bytes
    }

    /// What [`SealedBytes::to_bytes`] wrote; [`VaultError::DoesNotOpen`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let parsed = || {
            let (format, rest) = bytes.split_first_chunk()?;
            let (kek_id, rest) = part(rest)?;
            let (wrapped, ciphertext) = part(rest)?;
            let kek_id = std::str::from_utf8(kek_id).ok()?.to_owned();
            let key = WrappedKey { kek_id, wrapped_data_key: wrapped.to_vec() };
            Some(Self { format: i16::from_be_bytes(*format), key, ciphertext: ciphertext.to_vec() })
        };
        parsed().ok_or(VaultError::DoesNotOpen)
    }
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
