//! The facts that decide on the use of one token, read from the database with every request and never kept.

use super::place::OfToken;
use crate::domain::Timestamp;

/// How far a user, with this key, reaches one token.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each by itself")]
pub struct Reach {
    /// The token, whose it is, and as whose member the user uses it.
    pub token: OfToken,
    /// May use it: its owner, or a member where it is owned or inherited.
    pub user: bool,
    /// An admin of the organization that owns it or of one above.
    pub admin: bool,
    /// Whether it can be used at all.
    pub enabled: bool,
    /// It cannot be used afterwards.
    pub expires_at: Option<Timestamp>,
    /// Whether a limit that applies has not begun or is over.
    pub outside_window: bool,
}
