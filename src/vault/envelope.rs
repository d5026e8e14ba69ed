//! The envelope: everything sealed has a data key of its own, and the active KEK wraps that key. [`Vault`] seals, opens
//! inside a closure, verifies and re-wraps.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::binding::Place;
use super::{
    Binding, Credential, DataKey, KeyEncryption, OpenedCredential, OpeningProof, Purpose, SealedBytes,
    SealedCredential, SealedField, Secret, VaultError, WrappedKey, aead,
};

/// The layout that this version writes and reads.
const FORMAT: i16 = 1;

/// The one field of things that are not credentials.
const BYTES: &str = "bytes";

/// Seals secrets and hands them out again only where it is allowed. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub(super) keks: Arc<dyn KeyEncryption>,
}

impl Vault {
    /// A vault on these KEKs. There is none without.
    #[must_use]
    pub fn new(keks: Arc<dyn KeyEncryption>) -> Self {
        Self { keks }
    }

    /// The KEK that wraps what is new. Rows that name another one are what rotation has left to do.
    #[must_use]
    pub fn active_kek_id(&self) -> &str {
        self.keks.active_id()
    }

    /// Seals a credential for one place, under a data key of its own.
    pub async fn seal(&self, binding: &Binding, credential: Credential) -> Result<SealedCredential, VaultError> {
        let place = Place::Credential(binding);
        let data_key = DataKey::generate()?;
        let fields = credential
            .fields()
            .map(|(name, value)| {
                let ciphertext = aead::seal(data_key.as_bytes(), &place.field(FORMAT, name), value)?;
                Ok(SealedField { name: name.to_owned(), ciphertext })
            })
            .collect::<Result<Vec<_>, VaultError>>()?;
        let key = wrap(&*self.keks, &place, names(&fields), &data_key).await?;
        Ok(SealedCredential { format: FORMAT, key, fields })
    }

    /// Opens a credential and hands it to `use_it`; afterwards it is zeroed. Only who holds an [`OpeningProof`] may ask,
    /// and `use_it` must not let the plaintext out other than to the provider or to the solver.
    pub async fn open<T>(
        &self,
        binding: &Binding,
        sealed: &SealedCredential,
        _proof: &OpeningProof,
        use_it: impl FnOnce(&OpenedCredential) -> T,
    ) -> Result<T, VaultError> {
        let data_key = self.data_key(binding, sealed).await?;
        let mut opened = BTreeMap::new();
        for SealedField { name, ciphertext } in &sealed.fields {
            let associated_data = Place::Credential(binding).field(sealed.format, name);
            let value = aead::open(data_key.as_bytes(), &associated_data, ciphertext).ok_or(VaultError::DoesNotOpen)?;
            let value = std::str::from_utf8(&value).map_err(|_| VaultError::DoesNotOpen)?.to_owned();
            opened.insert(name.clone(), Zeroizing::new(value));
        }
        Ok(use_it(&OpenedCredential::new(opened)))
    }

    /// Whether the data key opens under the key ring; the credential stays closed. For `/readyz` and for the start,
    /// which fails if the KEKs cannot open what is stored.
    pub async fn verify(&self, binding: &Binding, sealed: &SealedCredential) -> Result<(), VaultError> {
        self.data_key(binding, sealed).await.map(drop)
    }

    /// The same data key under the active KEK: what rotation stores in place of the old. The ciphertext stays as it is
    /// and the credential closed. Store it only if the row still holds the old key.
    pub async fn rewrap(&self, binding: &Binding, sealed: &SealedCredential) -> Result<WrappedKey, VaultError> {
        let data_key = self.data_key(binding, sealed).await?;
        wrap(&*self.keks, &Place::Credential(binding), names(&sealed.fields), &data_key).await
    }

    /// Seals something that is no credential. `id` names the one thing of this purpose and must be given again to open.
    pub async fn seal_bytes(&self, purpose: Purpose, id: &str, plaintext: Secret) -> Result<SealedBytes, VaultError> {
        let place = Place::Bytes(purpose, id);
        let data_key = DataKey::generate()?;
        let ciphertext = aead::seal(data_key.as_bytes(), &place.field(FORMAT, BYTES), plaintext.expose())?;
        let key = wrap(&*self.keks, &place, [BYTES].into_iter(), &data_key).await?;
        Ok(SealedBytes { format: FORMAT, key, ciphertext })
    }

    /// Opens something that is no credential. A credential cannot be opened so, whatever is put into `sealed`: its
    /// associated data says what it is.
    pub async fn open_bytes(
        &self,
        purpose: Purpose,
        id: &str,
        sealed: &SealedBytes,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let data_key = self.bytes_key(purpose, id, sealed).await?;
        let associated_data = Place::Bytes(purpose, id).field(sealed.format, BYTES);
        aead::open(data_key.as_bytes(), &associated_data, &sealed.ciphertext).ok_or(VaultError::DoesNotOpen)
    }

    /// [`Vault::verify`] for something that is no credential.
    pub async fn verify_bytes(&self, purpose: Purpose, id: &str, sealed: &SealedBytes) -> Result<(), VaultError> {
        self.bytes_key(purpose, id, sealed).await.map(drop)
    }

    /// [`Vault::rewrap`] for something that is no credential.
    pub async fn rewrap_bytes(
        &self,
        purpose: Purpose,
        id: &str,
        sealed: &SealedBytes,
    ) -> Result<WrappedKey, VaultError> {
        let data_key = self.bytes_key(purpose, id, sealed).await?;
        wrap(&*self.keks, &Place::Bytes(purpose, id), [BYTES].into_iter(), &data_key).await
    }

    pub(super) async fn data_key(&self, binding: &Binding, sealed: &SealedCredential) -> Result<DataKey, VaultError> {
        unwrap(&*self.keks, &Place::Credential(binding), names(&sealed.fields), sealed.format, &sealed.key).await
    }

    async fn bytes_key(&self, purpose: Purpose, id: &str, sealed: &SealedBytes) -> Result<DataKey, VaultError> {
        unwrap(&*self.keks, &Place::Bytes(purpose, id), [BYTES].into_iter(), sealed.format, &sealed.key).await
    }
}

fn names(fields: &[SealedField]) -> impl Iterator<Item = &str> {
    fields.iter().map(|field| field.name.as_str())
}

/// Refuses a layout of the future, instead of failing with a message about altered data.
const fn check_format(format: i16) -> Result<(), VaultError> {
    if format == FORMAT { Ok(()) } else { Err(VaultError::UnknownFormat(format)) }
}

/// Wraps a data key under the active KEK, bound to its place and to the fields that it seals.
pub(super) async fn wrap(
    keks: &dyn KeyEncryption,
    place: &Place<'_>,
    fields: impl Iterator<Item = &str>,
    data_key: &DataKey,
) -> Result<WrappedKey, VaultError> {
    let kek_id = keks.active_id().to_owned();
    let associated_data = place.data_key(FORMAT, &kek_id, fields);
    let wrapped_data_key = keks.wrap_key(&kek_id, data_key, &associated_data).await?;
    Ok(WrappedKey { kek_id, wrapped_data_key })
}

/// Unwraps a data key under the KEK that its row names.
async fn unwrap(
    keks: &dyn KeyEncryption,
    place: &Place<'_>,
    fields: impl Iterator<Item = &str>,
    format: i16,
    key: &WrappedKey,
) -> Result<DataKey, VaultError> {
    check_format(format)?;
    let associated_data = place.data_key(format, &key.kek_id, fields);
    keks.unwrap_key(&key.kek_id, &key.wrapped_data_key, &associated_data).await
}
