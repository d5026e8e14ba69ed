//! Access tokens: JWTs (RFC 7519) signed with `EdDSA` over Ed25519 (RFC 8037).
//!
//! An access token says which session speaks. It grants nothing: session, user and authority are read from the database
//! on every request, so a logout counts at once.

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::jwt::{CLOCK_SKEW, Signer};
use super::{AuthenticationError, Jwks, SigningKey, VerifyingKey};
use crate::domain::{SessionId, Timestamp, UserId};

/// The content of an access token whose signature, issuer, audience and times have been checked. Only
/// [`AccessTokens::verify`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    user: UserId,
    session: SessionId,
    expires_at: Timestamp,
}

impl AccessClaims {
    /// Who it says it is (`sub`).
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// The login that it belongs to (`sid`).
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The first moment at which it counts no more (`exp`).
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Times are whole seconds since 1970 (RFC 7519 `NumericDate`).
#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    aud: String,
}

/// Issues and verifies access tokens. Replace it as a whole when keys rotate.
pub struct AccessTokens {
    issuer: String,
    audience: String,
    lifetime: TimeDelta,
    signer: Signer,
    document: Jwks,
}

impl AccessTokens {
    /// Fifteen minutes, in seconds.
    pub const DEFAULT_LIFETIME: u32 = 15 * 60;

    /// Signs with `active` and verifies with `active` and `retired`. `lifetime` is in seconds, 60 to 86400, else
    /// [`AuthenticationError::Setting`]; a retired key must stay for that long.
    pub fn new(
        issuer: &str,
        audience: &str,
        lifetime: u32,
        active: &SigningKey,
        retired: &[VerifyingKey],
    ) -> Result<Self, AuthenticationError> {
        if !(60..=86_400).contains(&lifetime) {
            return Err(AuthenticationError::Setting("an access token's lifetime must be 60 to 86400 seconds"));
        }
        if issuer.is_empty() || audience.is_empty() {
            return Err(AuthenticationError::Setting("an access token's issuer and audience must not be empty"));
        }
        let mut document = Jwks { keys: Vec::new() };
        for key in std::iter::once(active.verifying_key()).chain(retired) {
            let key = key.to_jwk();
            if document.keys.iter().all(|known| known.kid != key.kid) {
                document.keys.push(key);
            }
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            lifetime: TimeDelta::seconds(lifetime.into()),
            signer: Signer::new(issuer, audience, active, retired)?,
            document,
        })
    }

    /// How long a token counts.
    #[must_use]
    pub const fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// The public keys, for `/.well-known/jwks.json`.
    #[must_use]
    pub const fn jwks(&self) -> &Jwks {
        &self.document
    }

    /// A token for one session, good from the second of `now` on for the lifetime.
    pub fn issue(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String, AuthenticationError> {
        let iat = now.timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: user,
            sid: session,
            iat,
            exp: iat + self.lifetime.num_seconds(),
            aud: self.audience.clone(),
        };
        self.signer.sign(&claims)
    }

    /// Checks a token: algorithm, key, signature, issuer, audience, and the times against `now` without any leeway.
    /// [`AuthenticationError::ExpiredAccessToken`] from `exp` on, else [`AuthenticationError::InvalidAccessToken`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, AuthenticationError> {
        let claims: Claims = self.signer.authentic(token).ok_or(AuthenticationError::InvalidAccessToken)?;
        let issued_at = DateTime::from_timestamp(claims.iat, 0).ok_or(AuthenticationError::InvalidAccessToken)?;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(AuthenticationError::InvalidAccessToken)?;
        if issued_at > now + CLOCK_SKEW {
            return Err(AuthenticationError::InvalidAccessToken);
        }
        if expires_at <= now {
            return Err(AuthenticationError::ExpiredAccessToken);
        }
        Ok(AccessClaims { user: claims.sub, session: claims.sid, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const INVALID: Result<AccessClaims, AuthenticationError> = Err(AuthenticationError::InvalidAccessToken);
    const EXPIRED: Result<AccessClaims, AuthenticationError> = Err(AuthenticationError::ExpiredAccessToken);

    fn now() -> Timestamp {
        DateTime::from_timestamp(1_790_000_000, 700_000_000).unwrap()
    }

    fn tokens(active: &SigningKey, retired: &[VerifyingKey]) -> AccessTokens {
        AccessTokens::new("https://luna.example", "luna", 900, active, retired).unwrap()
    }

    fn sign(key: &SigningKey, header: &Header, claims: &Value) -> String {
        encode(header, claims, &key.encoding_key()).unwrap()
    }

    fn header(key: &SigningKey) -> Header {
        Header { kid: Some(key.verifying_key().kid().to_owned()), ..Header::new(Algorithm::EdDSA) }
    }

    fn claims() -> Value {
        let start = now().timestamp();
        json!({"iss": "https://luna.example", "sub": UserId::new(), "sid": SessionId::new(), "iat": start,
               "exp": start + 900, "aud": "luna"})
    }

    #[test]
    fn a_token_counts_from_its_second_to_its_end() {
        let tokens = tokens(&SigningKey::generate().unwrap(), &[]);
        let (user, session) = (UserId::new(), SessionId::new());
        let token = tokens.issue(user, session, now()).unwrap();
        let claims = tokens.verify(&token, now()).unwrap();
        assert_eq!((claims.user(), claims.session()), (user, session));
        assert_eq!(claims.expires_at().timestamp(), now().timestamp() + 900);

        let at = |seconds, nanoseconds| DateTime::from_timestamp(now().timestamp() + seconds, nanoseconds).unwrap();
        assert!(tokens.verify(&token, at(0, 0)).is_ok());
        assert!(tokens.verify(&token, at(899, 999_999_999)).is_ok());
        assert_eq!(tokens.verify(&token, at(900, 0)), EXPIRED);
        assert!(tokens.verify(&token, at(-60, 0)).is_ok(), "a clock that is a minute behind");
        assert_eq!(tokens.verify(&token, at(-61, 999_999_999)), INVALID);
    }

    #[test]
    fn keys_rotate() {
        let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let token = tokens(&old, &[]).issue(UserId::new(), SessionId::new(), now()).unwrap();
        let both = tokens(&new, &[old.verifying_key().clone(), new.verifying_key().clone()]);
        assert!(both.verify(&token, now()).is_ok());
        let kids: Vec<_> = both.jwks().keys.iter().map(|key| key.kid.as_str()).collect();
        assert_eq!(kids, [new.verifying_key().kid(), old.verifying_key().kid()]);
        assert_eq!(tokens(&new, &[]).verify(&token, now()), INVALID);
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let tokens = tokens(&SigningKey::generate().unwrap(), &[]);
        let token = tokens.issue(UserId::new(), SessionId::new(), now()).unwrap();
        for at in 0..token.len() {
            let other = if token[at..].starts_with('A') { "Q" } else { "A" };
            let altered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert_eq!(tokens.verify(&altered, now()), INVALID, "{altered}");
            assert_eq!(tokens.verify(&token[..at], now()), INVALID);
        }
        for text in ["", ".", "..", "...", "a.b.c", "\u{fc}.\u{fc}.\u{fc}", &"a".repeat(1 << 20)] {
            assert_eq!(tokens.verify(text, now()), INVALID);
        }
    }

    #[test]
    fn well_signed_claims_must_be_the_right_ones() {
        let key = SigningKey::generate().unwrap();
        let tokens = tokens(&key, &[]);
        assert!(tokens.verify(&sign(&key, &header(&key), &claims()), now()).is_ok());
        for (member, value) in [
            ("iss", json!("https://other.example")),
            ("iss", json!(["https://luna.example"])),
            ("aud", json!("other")),
            ("aud", json!(["luna"])),
            ("aud", json!(null)),
            ("sub", json!("nobody")),
            ("sid", json!(1)),
            ("iat", json!(now().timestamp() + 61)),
            ("iat", json!("now")),
            ("iat", json!(i64::MAX)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("exp", json!("2030-01-01")),
        ] {
            let mut wrong = claims();
            wrong[member] = value.clone();
            assert_eq!(tokens.verify(&sign(&key, &header(&key), &wrong), now()), INVALID, "{member}: {value}");
            wrong.as_object_mut().unwrap().remove(member);
            assert_eq!(tokens.verify(&sign(&key, &header(&key), &wrong), now()), INVALID, "no {member}");
        }
    }

    #[test]
    fn a_header_cannot_choose_algorithm_or_key() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let tokens = tokens(&key, &[]);
        let foreign = sign(&other, &header(&key), &claims());
        let nameless = sign(&key, &Header::new(Algorithm::EdDSA), &claims());
        let unknown = sign(&other, &header(&other), &claims());
        let critical = sign(&key, &Header { crit: Some(vec!["b64".to_owned()]), ..header(&key) }, &claims());
        // The classics: HMAC under the public key, and no signature at all.
        let public = BASE64URL_NOPAD.decode(tokens.jwks().keys[0].x.as_bytes()).unwrap();
        let hmac = Header { alg: Algorithm::HS256, ..header(&key) };
        let confused = encode(&hmac, &claims(), &EncodingKey::from_secret(&public)).unwrap();
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let none = json!({"alg": "none", "typ": "JWT", "kid": key.verifying_key().kid()});
        let unsigned = format!("{}.{}.", part(&none), part(&claims()));
        for token in [foreign, nameless, unknown, critical, confused, unsigned] {
            assert_eq!(tokens.verify(&token, now()), INVALID, "{token}");
        }
    }

    #[test]
    fn settings_have_a_range() {
        let key = SigningKey::generate().unwrap();
        for lifetime in [0, 59, 86_401, u32::MAX] {
            assert!(AccessTokens::new("i", "a", lifetime, &key, &[]).is_err());
        }
        assert!(AccessTokens::new("", "a", 900, &key, &[]).is_err());
        assert!(AccessTokens::new("i", "", 900, &key, &[]).is_err());
        assert_eq!(tokens(&key, &[]).lifetime(), TimeDelta::minutes(15));
    }
}
