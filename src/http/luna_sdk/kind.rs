//! The SDK's two kinds of tokens. Its routes are the same for both, so each handler is written once, for a kind.

use crate::authorization::action::{personal_tokens, qpu_tokens};
use crate::authorization::{TokenAction, action::token_verb};

/// Whose tokens a route is about, and what its callers need.
pub trait Kind: 'static {
    /// The path of the generations with a key.
    const WORD: &str;
    /// The path of the generation with a password.
    const LOGIN_WORD: &str;
    /// Whether a new token may be used in organizations below. The SDK has no word for that, so the default holds.
    const INHERITED: bool;

    /// To list them.
    type List: TokenAction<token_verb::Read>;
    /// To see one.
    type Read: TokenAction<token_verb::Read>;
    /// To store one.
    type Create: TokenAction<token_verb::Create>;
    /// To rename one.
    type Update: TokenAction<token_verb::Update>;
    /// To destroy one.
    type Delete: TokenAction<token_verb::Delete>;
}

/// The organization's.
pub enum Shared {}

/// The caller's own.
pub enum Private {}

impl Kind for Shared {
    const WORD: &str = "shared";
    const LOGIN_WORD: &str = "organization";
    const INHERITED: bool = true;

    type List = qpu_tokens::List;
    type Read = qpu_tokens::Read;
    type Create = qpu_tokens::Create;
    type Update = qpu_tokens::Update;
    type Delete = qpu_tokens::Delete;
}

impl Kind for Private {
    const WORD: &str = "private";
    const LOGIN_WORD: &str = "users";
    const INHERITED: bool = false;

    type List = personal_tokens::List;
    type Read = personal_tokens::Read;
    type Create = personal_tokens::Create;
    type Update = personal_tokens::Update;
    type Delete = personal_tokens::Delete;
}
