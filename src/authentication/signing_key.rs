//! Ed25519 keys that sign access tokens (RFC 8032, RFC 8037), and the public document that lists them (RFC 7517).

use jsonwebtoken::jwk::{self, AlgorithmParameters, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::AuthenticationError;
use super::random::random;

/// What stands before the 32 private bytes in PKCS #8 (RFC 8410 §7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A private key. Zeroed on drop; no `Debug`, `Clone` or `Serialize`. Lives in the database only sealed by the vault.
pub struct SigningKey {
    private: Zeroizing<[u8; 32]>,
    public: VerifyingKey,
}

impl SigningKey {
    /// A new key; fails only without randomness.
    pub fn generate() -> Result<Self, AuthenticationError> {
        Self::from_private(random::<32>()?)
    }

    /// The key of these 32 bytes, as [`SigningKey::to_bytes`] gave them; else [`AuthenticationError::SigningKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AuthenticationError> {
        let private: [u8; 32] = bytes.try_into().map_err(|_| AuthenticationError::SigningKey)?;
        Self::from_private(Zeroizing::new(private))
    }

    fn from_private(private: Zeroizing<[u8; 32]>) -> Result<Self, AuthenticationError> {
        let public = VerifyingKey::of(&encoding(&private)).ok_or(AuthenticationError::SigningKey)?;
        Ok(Self { private, public })
    }

    /// The 32 private bytes, to be sealed in the vault and for nothing else.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.private.clone()
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    pub(super) fn encoding_key(&self) -> EncodingKey {
        encoding(&self.private)
    }
}

fn encoding(private: &[u8; 32]) -> EncodingKey {
    let der = Zeroizing::new([PKCS8_HEAD.as_slice(), private].concat());
    EncodingKey::from_ed_der(&der)
}

/// A public key: what remains of a signing key that signs no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    kid: String,
    x: String,
}

impl VerifyingKey {
    fn of(key: &EncodingKey) -> Option<Self> {
        let jwk = jwk::Jwk::from_encoding_key(key, Algorithm::EdDSA).ok()?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else { return None };
        Some(Self { kid, x: pair.x })
    }

    /// The key's id: its SHA-256 thumbprint (RFC 7638), base64url.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn decoding_key(&self) -> Result<DecodingKey, AuthenticationError> {
        DecodingKey::from_ed_components(&self.x).map_err(|_| AuthenticationError::SigningKey)
    }

    pub(super) fn to_jwk(&self) -> Jwk {
        Jwk { kty: "OKP", crv: "Ed25519", key_use: "sig", alg: "EdDSA", kid: self.kid.clone(), x: self.x.clone() }
    }
}

/// The keys that verify access tokens, for `/.well-known/jwks.json` (RFC 7517 §5). Public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwks {
    /// The active key first.
    pub keys: Vec<Jwk>,
}

/// One public key (RFC 8037 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwk {
    /// `OKP`.
    pub kty: &'static str,
    /// `Ed25519`.
    pub crv: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    pub key_use: &'static str,
    /// `EdDSA`.
    pub alg: &'static str,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    /// RFC 8037, appendices A.1 to A.4.
    #[test]
    fn the_example_of_rfc_8037() {
        let private = BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_bytes(&private).unwrap();
        assert_eq!(key.verifying_key().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.verifying_key().kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let signature = jsonwebtoken::crypto::sign(
            b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            &key.encoding_key(),
            Algorithm::EdDSA,
        );
        assert_eq!(
            signature.unwrap(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn a_key_survives_the_vault() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_bytes(key.to_bytes().as_slice()).unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key());
        assert_ne!(SigningKey::generate().unwrap().verifying_key(), key.verifying_key());
        for length in [0, 31, 33, 64] {
            assert!(SigningKey::from_bytes(&vec![1; length]).is_err());
        }
    }

    #[test]
    fn the_document_holds_what_is_public_and_nothing_else() {
        let key = SigningKey::from_bytes(&[5; 32]).unwrap();
        let jwk = serde_json::to_value(key.verifying_key().to_jwk()).unwrap();
        let mut members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert!(!jwk.to_string().contains(&BASE64URL_NOPAD.encode(&[5; 32])));
    }
}
