//! Key-encryption keys (KEKs): the trait that every kind of them implements, and the local kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;

use super::{DataKey, VaultError, aead, key_file};

/// An answer that may have to come from another machine.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, VaultError>> + Send + 'a>>;

/// Wraps and unwraps data keys. The KEKs themselves never leave an implementation.
///
/// The futures are boxed so that a `dyn KeyEncryption` can be chosen by configuration; the allocation is nothing beside
/// the encryption, let alone beside a remote call. The associated data must be authenticated with the wrapped key, as a
/// cloud service does with its encryption context: it binds the data key to its row and to the KEK's id.
pub trait KeyEncryption: Send + Sync {
    /// The KEK that wraps what is new.
    fn active_id(&self) -> &str;

    /// Wraps a data key under the KEK of this id. The id is given, not implied, because it is part of the associated
    /// data and must not change in between.
    fn wrap_key<'a>(
        &'a self,
        kek_id: &'a str,
        data_key: &'a DataKey,
        associated_data: &'a [u8],
    ) -> Pending<'a, Vec<u8>>;

    /// Unwraps a data key. [`VaultError::UnknownKek`] if there is no such KEK, [`VaultError::KeyDoesNotUnwrap`] if
    /// anything is not as it was when it was wrapped, [`VaultError::Unavailable`] if it may work later.
    fn unwrap_key<'a>(&'a self, kek_id: &'a str, wrapped: &'a [u8], associated_data: &'a [u8]) -> Pending<'a, DataKey>;
}

/// KEKs from a key-ring file (mode 0600): several with ids, one active. Data keys are wrapped with AES-256-GCM.
pub struct LocalKeyRing {
    active: String,
    keys: BTreeMap<String, DataKey>,
}

impl LocalKeyRing {
    /// Reads a key-ring file. Refuses one that is missing, readable by group or others, has weak keys, duplicate ids,
    /// not exactly one active key or unknown members: [`VaultError::KeyRing`], one line that names the file and says
    /// what it should be.
    pub fn load(path: &Path) -> Result<Self, VaultError> {
        let key_file::Keys { active, keys } = key_file::read(path)?;
        Ok(Self { active, keys })
    }

    /// Creates a key-ring file with one random key, mode 0600 from its first moment and synced to disk, and loads it.
    /// Refuses to overwrite anything.
    pub fn generate(path: &Path) -> Result<Self, VaultError> {
        key_file::create(path)?;
        Self::load(path)
    }

    fn key(&self, kek_id: &str) -> Result<&DataKey, VaultError> {
        self.keys.get(kek_id).ok_or_else(|| VaultError::UnknownKek { kek_id: kek_id.to_owned() })
    }

    fn wrap(&self, kek_id: &str, data_key: &DataKey, associated_data: &[u8]) -> Result<Vec<u8>, VaultError> {
        aead::seal(self.key(kek_id)?.as_bytes(), associated_data, data_key.as_bytes())
    }

    fn open(&self, kek_id: &str, wrapped: &[u8], associated_data: &[u8]) -> Result<DataKey, VaultError> {
        aead::open(self.key(kek_id)?.as_bytes(), associated_data, wrapped)
            .and_then(|bytes| DataKey::from_bytes(&bytes))
            .ok_or_else(|| VaultError::KeyDoesNotUnwrap { kek_id: kek_id.to_owned() })
    }
}

impl KeyEncryption for LocalKeyRing {
    fn active_id(&self) -> &str {
        &self.active
    }

    fn wrap_key<'a>(
        &'a self,
        kek_id: &'a str,
        data_key: &'a DataKey,
        associated_data: &'a [u8],
    ) -> Pending<'a, Vec<u8>> {
        Box::pin(async move { self.wrap(kek_id, data_key, associated_data) })
    }

    fn unwrap_key<'a>(&'a self, kek_id: &'a str, wrapped: &'a [u8], associated_data: &'a [u8]) -> Pending<'a, DataKey> {
        Box::pin(async move { self.open(kek_id, wrapped, associated_data) })
    }
}
