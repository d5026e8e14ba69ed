//! Who is it? Passwords, API keys, one-time tokens and access tokens: how they are made, written, read and checked.
//!
//! Pure: whether a key or a session still counts is the database's to say, on every request. What this floor hands up is
//! proof by type: a [`PasswordVerified`] or an [`AccessClaims`] exists only after the check that its name promises.
//!
//! Every secret text starts with `luna_` and ends with a checksum, so that scanners find a leaked one and a mistyped one
//! costs no database query.

mod access_token;
mod api_key;
mod credential;
mod digest;
mod error;
mod jwt;
mod one_time_token;
#[cfg(test)]
mod opaque;
mod pass;
mod password;
mod password_hasher;
mod random;
mod signing_key;
mod token_text;
mod use_key;

pub use access_token::{AccessClaims, AccessTokens};
pub use api_key::{ApiKey, ApiKeyDigest};
pub use credential::Presented;
pub use digest::Digest;
pub use error::AuthenticationError;
pub use one_time_token::{
    InvitationDigest, InvitationToken, LeaseDigest, LeaseToken, OneTimeToken, RefreshDigest, RefreshToken,
};
pub use pass::{Pass, Passes};
pub use password::{NewPassword, Password, PasswordHash, generate_password};
pub use password_hasher::{PasswordHasher, PasswordVerified};
pub use signing_key::{Jwk, Jwks, SigningKey, VerifyingKey};
pub use use_key::UseKey;
