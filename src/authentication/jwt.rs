//! JWTs (RFC 7519) that this service signs for itself, with `EdDSA` over Ed25519 (RFC 8037). One kind never stands for
//! another: each has an audience of its own.

use std::collections::HashMap;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AuthenticationError, SigningKey, VerifyingKey};

/// About four times what this service issues, in bytes.
const LONGEST: usize = 2048;

/// How far another replica's clock may be ahead, without its fresh tokens being refused.
pub(super) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// Signs and verifies JWTs for one audience.
pub(super) struct Signer {
    active: (String, EncodingKey),
    known: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl Signer {
    /// Signs with `active` and verifies with `active` and `retired`.
    pub(super) fn new(
        issuer: &str,
        audience: &str,
        active: &SigningKey,
        retired: &[VerifyingKey],
    ) -> Result<Self, AuthenticationError> {
        let mut known = HashMap::new();
        for key in std::iter::once(active.verifying_key()).chain(retired) {
            known.insert(key.kid().to_owned(), key.decoding_key()?);
        }
        let active = (active.verifying_key().kid().to_owned(), active.encoding_key());
        Ok(Self { active, known, validation: validation(issuer, audience) })
    }

    /// A token with these claims, which have to name issuer and audience themselves.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, AuthenticationError> {
        let (kid, key) = &self.active;
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, key).map_err(|_| AuthenticationError::Failed)
    }

    /// The claims, if algorithm, key, signature, issuer and audience are right. Times are the caller's to check.
    pub(super) fn authentic<C: DeserializeOwned + Clone>(&self, token: &str) -> Option<C> {
        if token.len() > LONGEST {
            return None;
        }
        let header = decode_header(token).ok()?;
        // `crit` names extensions that must be understood (RFC 7515 §4.1.11); this service understands none.
        if header.alg != Algorithm::EdDSA || header.crit.is_some() {
            return None;
        }
        let key = self.known.get(&header.kid?)?;
        decode::<C>(token, key, &self.validation).ok().map(|token| token.claims)
    }
}

/// What the library checks. Times are not among it: it would ask the system's clock, not the caller's.
fn validation(issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.leeway = 0;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation
}
