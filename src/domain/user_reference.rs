//! How a path names a user: by id, which never changes, or by e-mail address.

use std::str::FromStr;

use super::email::EmailAddress;
use super::id::UserId;

/// A user, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserReference {
    /// By id.
    Id(UserId),
    /// By e-mail address, in any case.
    Email(EmailAddress),
}

impl UserReference {
    /// The id, if that is how the user was named.
    #[must_use]
    pub fn id(&self) -> Option<UserId> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Email(_) => None,
        }
    }

    /// The e-mail address in its comparable form, if that is how the user was named.
    #[must_use]
    pub fn email_key(&self) -> Option<String> {
        match self {
            Self::Id(_) => None,
            Self::Email(email) => Some(email.key()),
        }
    }
}

impl FromStr for UserReference {
    type Err = super::InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Email),
        }
    }
}
