//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front: `nonce ‖ ciphertext ‖ 128-bit tag`.
//!
//! With random nonces one key must not seal more than 2^32 messages (§8.3). A data key seals one credential's few
//! fields; a KEK seals one data key per secret version or re-wrap, so the limit is out of reach for both.

use aes_gcm::aead::{Aead, Generate, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use super::VaultError;

const NONCE: usize = 12;

/// `nonce ‖ ciphertext ‖ tag` of `plaintext`.
pub(super) fn seal(key: &[u8; 32], associated_data: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
    let nonce = <[u8; NONCE]>::try_generate().map_err(|_| VaultError::NoRandomness)?;
    let sealed = Aes256Gcm::new(key.into())
        .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: associated_data })
        .map_err(|_| VaultError::TooLong)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// The plaintext, or `None` if key, associated data or any byte of `sealed` is not what it was; also for short input.
pub(super) fn open(key: &[u8; 32], associated_data: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
    Aes256Gcm::new(key.into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: associated_data })
        .ok()
        .map(Zeroizing::new)
}
