//! What may have become of a request to which there is no answer.

use super::denial::Denial;
use super::upstream::Failure;

/// Why there is no answer to pass on, and what the provider has of the request.
pub(super) enum Failed {
    /// Nothing: it was not reached, or does not take the credential.
    Untaken(Denial),
    /// Perhaps all of it.
    InDoubt(Denial),
    /// All of it, and that is told.
    Taken(Denial),
}

/// What goes wrong once a request is on its way says nothing of what became of it.
impl From<Denial> for Failed {
    fn from(denial: Denial) -> Self {
        Self::InDoubt(denial)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Address | Failure::NotReached => Self::Untaken(failure.into()),
            Failure::BrokenOff | Failure::HalfSent | Failure::TimedOut => Self::InDoubt(failure.into()),
        }
    }
}
