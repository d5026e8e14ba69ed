//! Who may do what. The facts come from the repository ([`Standing`]), the rules stand in [`action`], and what comes out
//! is a [`Grant`]: the proof that repository methods ask for before they change anything.
//!
//! A grant is made in this module and nowhere else, so nothing can be changed that nobody has decided on:
//!
//! ```compile_fail,E0451
//! use luna_organizations::authorization::{Grant, action::qpu_tokens};
//! fn forge(genuine: &Grant<qpu_tokens::List>) -> Grant<qpu_tokens::Delete> {
//!     Grant { actor: loop {}, origin: loop {}, standing: loop {}, place: loop {} }
//! }
//! ```
//!
//! A grant for one action is none for another, and an action cannot be added from outside:
//!
//! ```compile_fail,E0308
//! use luna_organizations::authorization::{Grant, action::qpu_tokens};
//! fn stretch(read: &Grant<qpu_tokens::Read>) -> &Grant<qpu_tokens::Delete> {
//!     read
//! }
//! ```
//!
//! What does work is to ask the policy about the next action, with the same facts:
//!
//! ```
//! use luna_organizations::{authorization::{Grant, action::qpu_tokens}, domain::Refusal};
//! fn ask(read: &Grant<qpu_tokens::Read>) -> Result<Grant<qpu_tokens::Delete>, Refusal> {
//!     read.also()
//! }
//! ```

pub mod action;
mod grant;
mod place;
mod policy;
mod reach;
mod standing;

pub use action::{Action, KeyNeed, Permission, Rule, TokenAction};
pub use grant::{Actor, CommandLine, Grant, Origin};
pub use place::{Console, Holder, InOrganization, OfToken, Own, Place, TokenPlace, Verified};
pub use policy::{OVERSEER, decide, decide_use, may, usable};
pub use reach::Reach;
pub use standing::{Authenticator, Relation, Standing};
