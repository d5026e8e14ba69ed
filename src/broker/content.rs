//! A request's body that was read as a whole.

use bytes::Bytes;
use serde_json::Value;

use super::clean::{self, CleanError};
use super::denial::Denial;
use super::json::parse;
use super::room::{Effort, LARGE, LONGEST, effort};

/// A body, decoded only if somebody wants to look.
pub struct Content {
    bytes: Bytes,
    /// The value of `Content-Encoding`.
    coding: String,
    /// Without its coding, if that is known already.
    decoded: Option<Bytes>,
    replaced: bool,
}

impl Content {
    /// A body as it came, with the value of its `Content-Encoding`.
    #[must_use]
    pub fn new(bytes: Bytes, coding: &str) -> Self {
        Self { bytes, coding: coding.to_owned(), decoded: None, replaced: false }
    }

    /// Whether it is more than it seems.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        !matches!(self.coding.as_str(), "" | "identity")
    }

    /// What it takes to look at it. This takes no room itself: what turns out to be large is decoded later.
    pub fn effort(&mut self) -> Effort {
        match clean::decode_whole(&self.coding, &self.bytes, LARGE) {
            Ok(decoded) => effort(self.decoded.insert(decoded)),
            Err(CleanError::TooLong) => Effort::Large,
            Err(_) => Effort::Long,
        }
    }

    /// The body without its coding.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn decoded(&self) -> Result<Bytes, Denial> {
        if let Some(decoded) = &self.decoded {
            return Ok(decoded.clone());
        }
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
        self.decoded = None;
        self.replaced = true;
    }

    /// What to send, and whether it is still what came.
    #[must_use]
    pub fn into_bytes(self) -> (Bytes, bool) {
        (self.bytes, !self.replaced)
    }
}
