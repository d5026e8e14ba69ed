//! What a sealed secret is bound to, and how that becomes associated data.
//!
//! Associated data is a list of parts, each written as its length (32 bits, big-endian) and its bytes. The first part
//! says what kind of thing is sealed, so no two kinds share an encoding, and the lengths leave one reading only:
//! `("ab", "c")` and `("a", "bc")` differ.

use crate::domain::{ProviderName, QpuTokenId, TokenOwner};

/// The place of a credential: one version of one token's secret. All of it is public; none of it may change while the
/// version lives, so moving a token to another owner or provider means sealing a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Whose token it is. An organization and a user with the same UUID are different owners.
    pub owner: TokenOwner,
    /// Which token.
    pub token: QpuTokenId,
    /// Which version of its secret; 1 and up.
    pub secret_version: i32,
    /// For which provider.
    pub provider: ProviderName,
}

/// What else is sealed: things that are no credentials. A blob of one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The private key that signs access tokens; its id is the key id.
    AccessTokenKey,
    /// The stored answer of an idempotent request, which may show an API key once; its id is caller and key.
    IdempotentAnswer,
}

impl Purpose {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::AccessTokenKey => b"access-token-key",
            Self::IdempotentAnswer => b"idempotent-answer",
        }
    }
}

/// The place of anything sealed; inside the vault only.
pub(super) enum Place<'a> {
    Credential(&'a Binding),
    Bytes(Purpose, &'a str),
}

impl Place<'_> {
    /// Associated data of one sealed field.
    pub(super) fn field(&self, format: i16, field: &str) -> Vec<u8> {
        let mut data = AssociatedData::start(b"luna-organizations/field", format);
        self.write(&mut data);
        data.part(field.as_bytes());
        data.0
    }

    /// Associated data of the wrapped data key. Names all fields in their order, so that none can be dropped, added or
    /// exchanged without the key failing to unwrap.
    pub(super) fn data_key<'f>(&self, format: i16, kek_id: &str, fields: impl Iterator<Item = &'f str>) -> Vec<u8> {
        let mut data = AssociatedData::start(b"luna-organizations/data-key", format);
        self.write(&mut data);
        data.part(kek_id.as_bytes());
        fields.for_each(|field| data.part(field.as_bytes()));
        data.0
    }

    fn write(&self, data: &mut AssociatedData) {
        match self {
            Self::Credential(binding) => {
                let (kind, owner): (&[u8], _) = match binding.owner {
                    TokenOwner::Organization(id) => (b"organization", id.uuid()),
                    TokenOwner::User(id) => (b"user", id.uuid()),
                };
                data.part(b"credential");
                data.part(kind);
                data.part(owner.as_bytes());
                data.part(binding.token.uuid().as_bytes());
                data.part(&binding.secret_version.to_be_bytes());
                data.part(binding.provider.as_str().as_bytes());
            }
            Self::Bytes(purpose, id) => {
                data.part(b"bytes");
                data.part(purpose.name());
                data.part(id.as_bytes());
            }
        }
    }
}

struct AssociatedData(Vec<u8>);

impl AssociatedData {
    fn start(label: &[u8], format: i16) -> Self {
        let mut data = Self(Vec::with_capacity(192));
        data.part(label);
        data.part(&format.to_be_bytes());
        data
    }

    fn part(&mut self, bytes: &[u8]) {
        // A part of 4 GiB cannot exist: ids are 16 bytes and names are bounded where they enter.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}
