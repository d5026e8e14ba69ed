//! Secrets in memory: zeroed on drop, and without `Debug`, `Display`, `Clone` or `Serialize`.

use std::collections::BTreeMap;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::VaultError;
use crate::domain::FieldName;

/// One secret value on its way into the vault. Write-only: outside the vault nothing can read it back.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// A credential to be sealed: its fields by name, for example `token`, or `access_key_id` and `secret_access_key`.
pub struct Credential(BTreeMap<FieldName, Secret>);

impl Credential {
    /// Most fields that one credential may have.
    pub const MAX_FIELDS: usize = 16;
    /// Shortest value, in bytes. A shorter one is in every answer by chance, so nobody could look whether it is in one.
    pub const MIN_VALUE: usize = 4;
    /// Longest value, in bytes.
    pub const MAX_VALUE: usize = 16 * 1024;

    /// A credential of 1 to 16 fields; [`VaultError::InvalidCredential`] says which rule is broken.
    pub fn new(fields: impl IntoIterator<Item = (FieldName, Secret)>) -> Result<Self, VaultError> {
        let mut all = BTreeMap::new();
        for (name, value) in fields {
            check(&value).map_err(VaultError::InvalidCredential)?;
            if all.insert(name, value).is_some() {
                return Err(VaultError::InvalidCredential("each field may be given once only"));
            }
        }
        match all.len() {
            1..=Self::MAX_FIELDS => Ok(Self(all)),
            _ => Err(VaultError::InvalidCredential("must have 1 to 16 fields")),
        }
    }

    /// The fields' names, in order. The values stay inside.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(FieldName::as_str)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }
}

fn check(value: &Secret) -> Result<(), &'static str> {
    let bytes = value.expose();
    // It ends in a request's header or form: a line break there would start another one, what surrounds it is trimmed, and what is not
    // ASCII comes back in whichever character set the provider writes.
    let is_plain = bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) && bytes.trim_ascii().len() == bytes.len();
    if is_plain && (Credential::MIN_VALUE..=Credential::MAX_VALUE).contains(&bytes.len()) {
        return Ok(());
    }
    Err("a field's value must be 4 to 16384 visible ASCII characters; spaces may be between them")
}

/// A credential in the clear. Exists only as a reference inside the closure given to [`super::Vault::open`].
pub struct OpenedCredential(BTreeMap<String, Zeroizing<String>>);

impl OpenedCredential {
    pub(super) const fn new(fields: BTreeMap<String, Zeroizing<String>>) -> Self {
        Self(fields)
    }

    /// The value of one field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(|value| value.as_str())
    }

    /// All fields by name, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
