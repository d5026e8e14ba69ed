//! Tokens that count once: invitation links, refresh tokens and leases. `luna_<kind>_<secret>_<checksum>`, found in the database
//! by their digest.

use std::marker::PhantomData;

use zeroize::Zeroizing;

use super::random::random;
use super::token_text::{self, SECRET};
use super::{AuthenticationError, Digest};

/// What a one-time token is for. There are the kinds of this file and no others: nobody outside can name the trait.
pub trait Kind {
    /// How its text starts.
    const PREFIX: &'static str;
}

/// Accepts an invitation: sets the password and activates the membership.
pub enum ForInvitation {}
/// Continues a session, once; then its successor does.
pub enum ForRefresh {}
/// Lets a solver use a hardware token.
pub enum ForLease {}

impl Kind for ForInvitation {
    const PREFIX: &'static str = "luna_invite_";
}

impl Kind for ForRefresh {
    const PREFIX: &'static str = "luna_refresh_";
}

impl Kind for ForLease {
    const PREFIX: &'static str = "luna_lease_";
}

/// A token of 256 random bits in the clear. Zeroed on drop; no `Debug`, `Clone` or `Serialize`.
pub struct OneTimeToken<K> {
    text: Zeroizing<String>,
    kind: PhantomData<fn() -> K>,
}

/// The secret of an invitation link.
pub type InvitationToken = OneTimeToken<ForInvitation>;
/// The secret that continues a session.
pub type RefreshToken = OneTimeToken<ForRefresh>;
/// The secret that a member hands to a solver.
pub type LeaseToken = OneTimeToken<ForLease>;
/// What the database keeps of an invitation link.
pub type InvitationDigest = Digest<InvitationToken>;
/// What the database keeps of a refresh token.
pub type RefreshDigest = Digest<RefreshToken>;
/// What the database keeps of a lease.
pub type LeaseDigest = Digest<LeaseToken>;

impl<K: Kind> OneTimeToken<K> {
    /// A new token; fails only without randomness.
    pub fn generate() -> Result<Self, AuthenticationError> {
        let secret = random::<SECRET>()?;
        Ok(Self { text: token_text::write(K::PREFIX, &[secret.as_slice()]), kind: PhantomData })
    }

    /// Reads a presented token: form and checksum only, no database. [`AuthenticationError::Malformed`] otherwise, also
    /// for a token of another kind.
    pub fn parse(text: &str) -> Result<Self, AuthenticationError> {
        let well_formed = || {
            let mut parts = token_text::read(K::PREFIX, text)?;
            token_text::decode::<SECRET>(parts.next()?)?;
            parts.next().is_none().then_some(())
        };
        well_formed().ok_or(AuthenticationError::Malformed)?;
        Ok(Self { text: Zeroizing::new(text.to_owned()), kind: PhantomData })
    }

    /// What to store, or to look up.
    #[must_use]
    pub fn digest(&self) -> Digest<Self> {
        Digest::of(&self.text)
    }

    /// The text, once, for the answer that creates the token.
    #[must_use]
    pub fn into_text(self) -> Zeroizing<String> {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::super::ApiKey;
    use super::*;

    #[test]
    fn a_token_is_read_back_as_its_own_kind_only() {
        let token = RefreshToken::generate().unwrap();
        let digest = token.digest();
        let text = token.into_text();
        assert!(text.starts_with("luna_refresh_"));
        assert!(RefreshToken::parse(&text).unwrap().digest().matches(&digest));
        assert!(InvitationToken::parse(&text).is_err());
        assert!(ApiKey::parse(&text).is_err());
        assert!(!RefreshToken::generate().unwrap().digest().matches(&digest));
    }

    #[test]
    fn altered_tokens_are_refused() {
        let text = InvitationToken::generate().unwrap().into_text();
        assert!(InvitationToken::parse(&text).is_ok());
        for at in 0..text.len() {
            let other = if text[at..].starts_with('0') { '1' } else { '0' };
            assert!(InvitationToken::parse(&format!("{}{other}{}", &text[..at], &text[at + 1..])).is_err());
            assert!(InvitationToken::parse(&text[..at]).is_err());
        }
        let secret = [1; SECRET];
        let wrong: [&[&[u8]]; 4] = [&[], &[&secret, b"more"], &[&secret[1..]], &[&[1; SECRET + 1]]];
        for parts in wrong {
            assert!(InvitationToken::parse(&token_text::write("luna_invite_", parts)).is_err());
        }
    }
}
