//! What can go wrong in the vault. No message ever holds key material or a secret.

use std::path::{Path, PathBuf};

/// The vault's one error type.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key-ring file cannot be used. One line that names the file and says what it should be.
    #[error("key ring {}: {problem}", path.display())]
    KeyRing {
        /// The file.
        path: PathBuf,
        /// What is wrong and what it should be.
        problem: String,
    },

    /// Something was sealed under a KEK that the key ring does not hold (any more).
    #[error("the key ring has no key \"{kek_id}\", under which a stored secret is sealed; put that key back")]
    UnknownKek {
        /// The missing KEK.
        kek_id: String,
    },

    /// The data key does not unwrap: the stored row was altered or moved, or the KEK of this id is another key.
    #[error(
        "a stored data key does not unwrap under key \"{kek_id}\": the row was altered or moved, or the key is a different one of the same name"
    )]
    KeyDoesNotUnwrap {
        /// The KEK that the row names.
        kek_id: String,
    },

    /// The data key opened but the ciphertext does not belong to this row, version or field, or was altered.
    #[error("a stored secret does not open: it was altered or moved")]
    DoesNotOpen,

    /// The row was written by a version of this service that knows more than this one.
    #[error("stored secret has format {0}; this version reads format 1 only")]
    UnknownFormat(i16),

    /// The credential to be sealed has no valid form. Says what it should be, never what it is.
    #[error("credential: {0}")]
    InvalidCredential(&'static str),

    /// The plaintext is longer than AES-GCM takes (NIST SP 800-38D §5.2.1.1: 2^39 − 256 bits).
    #[error("the secret is too long to be sealed")]
    TooLong,

    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,

    /// A remote KEK provider did not answer; the same call may work later.
    #[error("the key-encryption service is unavailable: {0}")]
    Unavailable(String),
}

impl VaultError {
    pub(super) fn key_ring(path: &Path, problem: impl Into<String>) -> Self {
        Self::KeyRing { path: path.to_owned(), problem: problem.into() }
    }
}
