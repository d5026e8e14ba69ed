//! The right to see a credential in the clear.

/// Whoever holds one may open credentials with [`super::Vault::open`].
///
/// Only two places may make one: the broker's last phase (`src/broker/`) and the lease redemption. The compiler keeps
/// it inside the crate (private field, `pub(crate)` constructor); `tests/architecture.rs` keeps the name of the
/// constructor out of every other path. It is neither `Clone` nor `Copy`, so it cannot be left lying about.
pub struct OpeningProof {
    _private: (),
}

impl OpeningProof {
    /// For `src/broker/` and the lease redemption only; see the type.
    #[must_use]
    pub(crate) const fn for_use_of_a_token() -> Self {
        Self { _private: () }
    }
}
