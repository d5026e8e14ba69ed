//! What a hardware provider's client presents to the broker in the place of the provider's token.

use super::{ApiKey, ApiKeyDigest, AuthenticationError};
use crate::domain::{ApiKeyId, QpuTokenId};

/// An API key, or a pass that stands for one, checked as far as that goes without a database.
#[derive(Clone, Copy)]
pub struct UseKey {
    id: ApiKeyId,
    proof: Proof,
}

#[derive(Clone, Copy)]
enum Proof {
    /// The key itself was presented.
    Digest(ApiKeyDigest),
    /// A pass was, which holds for this token only.
    Pass(QpuTokenId),
}

impl UseKey {
    /// Reads an API key; [`AuthenticationError::Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, AuthenticationError> {
        let key = ApiKey::parse(text)?;
        Ok(Self { id: key.id(), proof: Proof::Digest(key.digest()) })
    }

    /// Stands for a key at one token. For [`super::Passes`], after it has verified a pass.
    pub(super) const fn by_pass(id: ApiKeyId, token: QpuTokenId) -> Self {
        Self { id, proof: Proof::Pass(token) }
    }

    /// Finds the key's row.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// Whether it is the key of this row, as far as this token is concerned.
    #[must_use]
    pub fn matches(&self, stored: &ApiKeyDigest, token: QpuTokenId) -> bool {
        match &self.proof {
            Proof::Digest(digest) => digest.matches(stored),
            Proof::Pass(only) => *only == token,
        }
    }
}
