//! A request's body that was read as a whole.

use bytes::Bytes;
use serde_json::Value;

use super::clean;
use super::denial::Denial;
use super::json::parse;
use super::large::LONGEST;

/// A body, decoded only if somebody wants to look.
pub struct Content {
    bytes: Bytes,
    /// The value of `Content-Encoding`.
    coding: String,
    replaced: bool,
}

impl Content {
    /// A body as it came, with the value of its `Content-Encoding`.
    #[must_use]
    pub fn new(bytes: Bytes, coding: &str) -> Self {
        Self { bytes, coding: coding.to_owned(), replaced: false }
    }

    /// The body without its coding.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn decoded(&self) -> Result<Vec<u8>, Denial> {
        clean::decode_whole(&self.coding, &self.bytes, LONGEST)
            .map_err(|_| Denial::bad_request("the request's content cannot be decoded"))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none, too much of it, or if one of its objects has two members of the same name.
    pub fn json(&self) -> Result<Value, Denial> {
        parse(&self.decoded()?).ok_or_else(|| {
            Denial::bad_request("the request's content is no JSON, too much of it, or names a member twice")
        })
    }

    /// Puts something else in its place, without a coding.
    pub fn replace(&mut self, value: &Value) {
        self.bytes = value.to_string().into();
        self.replaced = true;
    }

    /// What to send, and whether it is still what came.
    #[must_use]
    pub fn into_bytes(self) -> (Bytes, bool) {
        (self.bytes, !self.replaced)
    }
}
