//! What a hardware provider's client presents to the broker in the place of the provider's token.

use super::{ApiKey, ApiKeyDigest, AuthenticationError};
use crate::domain::ApiKeyId;

/// An API key, or what stands for one, checked as far as that goes without a database.
#[derive(Clone, Copy)]
pub struct UseKey {
    id: ApiKeyId,
    digest: ApiKeyDigest,
}

impl UseKey {
    /// Reads an API key; [`AuthenticationError::Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, AuthenticationError> {
        let key = ApiKey::parse(text)?;
        Ok(Self { id: key.id(), digest: key.digest() })
    }

    /// Finds the key's row.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// Whether it is the key of this row.
    #[must_use]
    pub fn matches(&self, stored: &ApiKeyDigest) -> bool {
        self.digest.matches(stored)
    }
}
