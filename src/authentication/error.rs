//! What can go wrong in authentication. No message ever holds what was presented.

/// The floor's one error type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Too many password hashes at once. Not the caller's fault: 429 with `Retry-After: 1`.
    #[error("too many logins at once; try again in a second")]
    Busy,

    /// The password is not this account's, or there is no such account. Nobody may learn which.
    #[error("wrong e-mail address or password")]
    WrongPassword,

    /// A password to be set breaks a rule; the message may be shown.
    #[error("{0}")]
    UnfitPassword(&'static str),

    /// A stored password hash is not one that this service would write.
    #[error("a stored password hash is not Argon2id with acceptable parameters")]
    StoredHash,

    /// A key or a one-time token does not have the form of one, or its checksum is wrong.
    #[error("not a well-formed token")]
    Malformed,

    /// An access token that this service did not sign for itself, or that is not valid yet.
    #[error("invalid access token")]
    InvalidAccessToken,

    /// An access token that was good once.
    #[error("expired access token")]
    ExpiredAccessToken,

    /// A pass to a QPU token that this service did not issue, or that is over.
    #[error("invalid or expired pass")]
    InvalidPass,

    /// `Authorization` and `Luna-API-Key` carry different credentials.
    #[error("Authorization and Luna-API-Key carry different credentials; send one of them")]
    Conflicting,

    /// `Authorization` is not `Bearer <token>`.
    #[error("Authorization must be \"Bearer\" and a token")]
    UnknownScheme,

    /// The bytes are not an Ed25519 private key.
    #[error("not an Ed25519 signing key")]
    SigningKey,

    /// A setting of access tokens is out of range.
    #[error("{0}")]
    Setting(&'static str),

    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,

    /// Hashing or signing failed for a reason that is not the caller's, for example memory.
    #[error("hashing or signing failed")]
    Failed,
}
