//! Passes: what the broker hands to clients that exchange their key for a temporary token before they do anything.
//!
//! A pass is a JWT that stands for one API key, at one QPU token, for an hour. It grants nothing: the key's row is read
//! with every request, so a pass ends with its key. It is signed like access tokens, for another audience: neither is
//! taken for the other.

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::jwt::{CLOCK_SKEW, Signer};
use super::{AuthenticationError, SigningKey, UseKey, VerifyingKey};
use crate::domain::{ApiKeyId, Clock, QpuTokenId, Timestamp};

/// What passes are for, as opposed to access tokens.
const AUDIENCE: &str = "luna-organizations/qpu";

/// A fresh pass.
pub struct Pass {
    /// The JWT.
    pub text: String,
    /// From the first second at which it counts no more.
    pub expires_at: Timestamp,
}

/// Times are whole seconds since 1970 (RFC 7519 `NumericDate`).
#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The API key.
    sub: ApiKeyId,
    /// The token that it may be used for.
    qpu: QpuTokenId,
    iat: i64,
    exp: i64,
    aud: String,
}

/// Issues and verifies passes.
pub struct Passes {
    issuer: String,
    signer: Signer,
    clock: Clock,
}

impl Passes {
    /// For how long a pass is good. As long as IBM's tokens, so that clients renew it when they are used to.
    pub const LIFETIME: TimeDelta = TimeDelta::seconds(3600);

    /// Signs with `active` and verifies with `active` and `retired`.
    ///
    /// # Errors
    /// If a key is none.
    pub fn new(
        issuer: &str,
        active: &SigningKey,
        retired: &[VerifyingKey],
        clock: Clock,
    ) -> Result<Self, AuthenticationError> {
        Ok(Self { issuer: issuer.to_owned(), signer: Signer::new(issuer, AUDIENCE, active, retired)?, clock })
    }

    /// A pass for whoever has just presented this key at this token.
    ///
    /// # Errors
    /// [`AuthenticationError::Failed`] if it cannot be signed.
    pub fn issue(&self, key: &UseKey, token: QpuTokenId) -> Result<Pass, AuthenticationError> {
        let iat = self.clock.now().timestamp();
        let exp = iat + Self::LIFETIME.num_seconds();
        let (iss, aud) = (self.issuer.clone(), AUDIENCE.to_owned());
        let text = self.signer.sign(&Claims { iss, sub: key.id(), qpu: token, iat, exp, aud })?;
        Ok(Pass { text, expires_at: DateTime::from_timestamp(exp, 0).ok_or(AuthenticationError::Failed)? })
    }

    /// The key that a pass stands for.
    ///
    /// # Errors
    /// [`AuthenticationError::InvalidPass`] for anything else.
    pub fn verify(&self, text: &str) -> Result<UseKey, AuthenticationError> {
        let claims: Claims = self.signer.authentic(text).ok_or(AuthenticationError::InvalidPass)?;
        let now = self.clock.now();
        let is_good = claims.iat <= (now + CLOCK_SKEW).timestamp() && claims.exp > now.timestamp();
        if !is_good {
            return Err(AuthenticationError::InvalidPass);
        }
        Ok(UseKey::by_pass(claims.sub, claims.qpu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::{AccessTokens, ApiKey, ApiKeyDigest};
    use crate::domain::{SessionId, UserId};

    const ISSUER: &str = "https://luna.example";

    fn passes(key: &SigningKey, clock: &Clock) -> Passes {
        Passes::new(ISSUER, key, &[], clock.clone()).unwrap()
    }

    fn key() -> (UseKey, ApiKeyDigest) {
        let key = ApiKey::generate().unwrap();
        let digest = key.digest();
        (UseKey::parse(&key.into_text()).unwrap(), digest)
    }

    #[test]
    fn a_pass_stands_for_its_key_at_its_token_for_an_hour() {
        let (signing, clock) = (SigningKey::generate().unwrap(), Clock::default());
        let passes = passes(&signing, &clock);
        let ((presented, digest), token) = (key(), QpuTokenId::new());
        let pass = passes.issue(&presented, token).unwrap();
        assert_eq!(pass.text.split('.').count(), 3);
        let stands = passes.verify(&pass.text).unwrap();
        assert_eq!(stands.id(), presented.id());
        assert!(stands.matches(&digest, token));
        assert!(!stands.matches(&digest, QpuTokenId::new()), "another token");
        clock.advance(TimeDelta::seconds(3601));
        assert!(passes.verify(&pass.text).is_err());
    }

    #[test]
    fn nothing_else_is_a_pass_and_a_pass_is_nothing_else() {
        let (signing, clock) = (SigningKey::generate().unwrap(), Clock::default());
        let passes = passes(&signing, &clock);
        let access = AccessTokens::new(ISSUER, "luna-organizations", 900, &signing, &[]).unwrap();
        let pass = passes.issue(&key().0, QpuTokenId::new()).unwrap().text;
        assert!(access.verify(&pass, clock.now()).is_err());
        let login = access.issue(UserId::new(), SessionId::new(), clock.now()).unwrap();
        assert!(passes.verify(&login).is_err());
        // The same claims, for the other audience.
        let claims = Signer::new(ISSUER, AUDIENCE, &signing, &[]).unwrap().authentic::<Claims>(&pass).unwrap();
        let claims = Claims { aud: "luna-organizations".to_owned(), ..claims };
        let foreign = Signer::new(ISSUER, "luna-organizations", &signing, &[]).unwrap().sign(&claims).unwrap();
        assert!(passes.verify(&foreign).is_err());
        let other = Passes::new(ISSUER, &SigningKey::generate().unwrap(), &[], clock.clone()).unwrap();
        assert!(other.verify(&pass).is_err(), "another service's");
        let (body, signature) = pass.rsplit_once('.').unwrap();
        for text in ["", "..", body, &format!("{body}."), &format!("{body}.{}A", &signature[1..])] {
            assert!(passes.verify(text).is_err(), "{text}");
        }
    }
}
