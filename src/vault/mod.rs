//! Where secrets are sealed. Start with [`Vault`].
//!
//! Every secret version has its own random data key; the secret is sealed with AES-256-GCM (NIST SP 800-38D) under it;
//! the data key is wrapped by the active key-encryption key (KEK) of a [`KeyEncryption`]. What is stored is bound to
//! the place where it is stored, so a blob that is moved to another row, version or field does not open.
//!
//! A credential goes in as a [`Credential`], which nobody can read, and comes out only inside a closure given to
//! [`Vault::open`], which asks for an [`OpeningProof`]. There is no plaintext or no-op mode.

mod aead;
mod binding;
mod data_key;
mod envelope;
mod error;
mod key_file;
mod key_ring;
mod proof;
mod sealed;
mod secret;
mod strength;

#[cfg(test)]
mod tests;

pub use binding::{Binding, Purpose};
pub use data_key::DataKey;
pub use envelope::Vault;
pub use error::VaultError;
pub use key_ring::{KeyEncryption, LocalKeyRing, Pending};
pub use proof::OpeningProof;
pub use sealed::{SealedBytes, SealedCredential, SealedField, WrappedKey};
pub use secret::{Credential, OpenedCredential, Secret};
