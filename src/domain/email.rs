//! E-mail addresses: kept as typed, compared without regard to case.

use std::fmt;
use std::str::FromStr;

use email_address::Options;
use serde::Serialize;

use super::text::InvalidText;

/// An address in the form of RFC 5321, at most 254 characters, without display name, comment or domain literal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Longest accepted address, in bytes (RFC 5321 §4.5.3.1.3).
    pub const LONGEST: usize = 254;

    /// The address as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that two spellings of one account share.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let options = Options::default().without_display_text().without_domain_literal();
        let fits = text.len() <= Self::LONGEST && text.is_ascii();
        if fits && email_address::EmailAddress::parse_with_options(text, options).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidText("must be an e-mail address".to_owned()))
        }
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_make_another_account() {
        let one: EmailAddress = "Ada@Example.org".parse().unwrap();
        let other: EmailAddress = "ada@example.ORG".parse().unwrap();
        assert_eq!(one.key(), other.key());
        assert_eq!(one.as_str(), "Ada@Example.org");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(250));
        for text in ["", "ada", "ada@", "@example.org", "Ada <ada@example.org>", "a\0@example.org", "a@b@c", &long] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text:?}");
        }
    }
}
