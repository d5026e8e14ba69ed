//! What a request presents: an access token or an API key, in `Authorization: Bearer …` or `Luna-API-Key: …`.

use super::{AccessClaims, AccessTokens, ApiKey, ApiKeyDigest, AuthenticationError};
use crate::domain::{ApiKeyId, Timestamp};

/// A presented credential, checked as far as that goes without a database.
#[derive(Clone, Copy)]
pub enum Presented {
    /// A session speaks. Whether it has ended since, the database knows.
    AccessToken(AccessClaims),
    /// An API key. Whether it is right, the database knows: compare with [`super::Digest::matches`].
    ApiKey {
        /// Finds the row.
        id: ApiKeyId,
        /// Must match the row's.
        digest: ApiKeyDigest,
    },
}

impl Presented {
    /// Reads the values of both headers; `None` if neither is there. A Bearer token that starts with `luna_` is an API
    /// key, any other an access token (a JWT cannot start so). Both headers may carry the same key, as clients do that
    /// set one of them by default; different credentials are [`AuthenticationError::Conflicting`], because guessing
    /// which one is meant would be wrong half of the time.
    pub fn parse(
        authorization: Option<&str>,
        luna_api_key: Option<&str>,
        tokens: &AccessTokens,
        now: Timestamp,
    ) -> Result<Option<Self>, AuthenticationError> {
        let bearer = authorization.map(bearer).transpose()?;
        let key = luna_api_key.map(str::trim_ascii);
        match (bearer, key) {
            (None, None) => Ok(None),
            (Some(bearer), Some(key)) if bearer != key => Err(AuthenticationError::Conflicting),
            (_, Some(key)) => api_key(key).map(Some),
            (Some(bearer), None) if bearer.starts_with("luna_") => api_key(bearer).map(Some),
            (Some(bearer), None) => tokens.verify(bearer, now).map(Self::AccessToken).map(Some),
        }
    }
}

fn api_key(text: &str) -> Result<Presented, AuthenticationError> {
    let key = ApiKey::parse(text)?;
    Ok(Presented::ApiKey { id: key.id(), digest: key.digest() })
}

/// The token of `Bearer <token>` (RFC 6750 §2.1); the scheme in any case (RFC 9110 §11.1).
fn bearer(value: &str) -> Result<&str, AuthenticationError> {
    match value.trim_ascii().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_ascii_start()),
        _ => Err(AuthenticationError::UnknownScheme),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::{RefreshToken, SigningKey};
    use super::*;
    use crate::domain::{SessionId, UserId};

    fn now() -> Timestamp {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn tokens() -> AccessTokens {
        AccessTokens::new("i", "a", 900, &SigningKey::generate().unwrap(), &[]).unwrap()
    }

    fn error(authorization: Option<&str>, key: Option<&str>) -> Option<AuthenticationError> {
        Presented::parse(authorization, key, &tokens(), now()).err()
    }

    #[test]
    fn either_header_carries_an_api_key() {
        let key = ApiKey::generate().unwrap();
        let (id, digest, text) = (key.id(), key.digest(), key.into_text());
        let bearer = format!("Bearer {}", *text);
        let odd = format!(" bEARER   {} ", *text);
        for (authorization, luna) in [
            (None, Some(text.as_str())),
            (Some(bearer.as_str()), None),
            (Some(odd.as_str()), None),
            (Some(bearer.as_str()), Some(text.as_str())),
        ] {
            let presented = Presented::parse(authorization, luna, &tokens(), now()).unwrap().unwrap();
            let Presented::ApiKey { id: read, digest: presented } = presented else { panic!("not an API key") };
            assert_eq!(read, id);
            assert!(presented.matches(&digest));
        }
    }

    #[test]
    fn bearer_carries_an_access_token() {
        let tokens = tokens();
        let (user, session) = (UserId::new(), SessionId::new());
        let bearer = format!("Bearer {}", tokens.issue(user, session, now()).unwrap());
        let presented = Presented::parse(Some(&bearer), None, &tokens, now()).unwrap().unwrap();
        let Presented::AccessToken(claims) = presented else { panic!("not an access token") };
        assert_eq!((claims.user(), claims.session()), (user, session));
        let later = now() + tokens.lifetime();
        let expired = Presented::parse(Some(&bearer), None, &tokens, later).err();
        assert_eq!(expired, Some(AuthenticationError::ExpiredAccessToken));
    }

    #[test]
    fn nothing_is_nothing_and_garbage_is_an_error() {
        assert!(Presented::parse(None, None, &tokens(), now()).unwrap().is_none());
        for value in ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "luna_x", "Bearer\tx"] {
            assert_eq!(error(Some(value), None), Some(AuthenticationError::UnknownScheme), "{value:?}");
        }
        for value in ["Bearer luna_x", "Bearer luna_"] {
            assert_eq!(error(Some(value), None), Some(AuthenticationError::Malformed), "{value:?}");
        }
        for value in ["Bearer x", "Bearer a.b.c", "Bearer x y"] {
            assert_eq!(error(Some(value), None), Some(AuthenticationError::InvalidAccessToken), "{value:?}");
        }
        for value in ["", " ", "x", "a.b.c", "Bearer x", "\u{fc}"] {
            assert_eq!(error(None, Some(value)), Some(AuthenticationError::Malformed), "{value:?}");
        }
        let refresh = RefreshToken::generate().unwrap().into_text();
        assert_eq!(error(None, Some(&refresh)), Some(AuthenticationError::Malformed));
    }

    #[test]
    fn two_different_credentials_are_refused() {
        let one = ApiKey::generate().unwrap().into_text();
        let two = ApiKey::generate().unwrap().into_text();
        for bearer in [format!("Bearer {}", *two), "Bearer a.b.c".to_owned(), "Bearer x".to_owned()] {
            assert_eq!(error(Some(&bearer), Some(&one)), Some(AuthenticationError::Conflicting));
        }
        assert_eq!(error(Some("Basic x"), Some(&one)), Some(AuthenticationError::UnknownScheme));
    }
}
