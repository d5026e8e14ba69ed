//! Why a text cannot be cleaned.

/// Why a body is refused, or ends early. The messages say nothing of what the upstream sent.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The content coding is none that can be undone here.
    #[error("the content coding is unknown")]
    UnknownCoding,
    /// There are more content codings, one upon the other, than anyone needs.
    #[error("the body has too many content codings")]
    TooManyCodings,
    /// The body is not what its content coding says.
    #[error("the body does not follow its content coding")]
    Corrupt,
    /// The body ends within its content coding.
    #[error("the body ends too early")]
    Truncated,
    /// The decoded body is longer than allowed.
    #[error("the decoded body is too long")]
    TooLong,
    /// A compressed file has the credential in it, where it cannot be removed.
    #[error("the body has a secret where it cannot be removed")]
    Secret,
    /// The body is made such that searching it costs too much.
    #[error("the body cannot be searched at reasonable cost")]
    Exhausted,
    /// The body beneath failed.
    #[error("the body could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}
