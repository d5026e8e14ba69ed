//! The provider is the enemy: whatever it does, nothing of the credential reaches the member, and the service stays up.

mod addresses;
mod encodings;
mod exchanged;
mod framing;
mod heads;
mod ids;
mod requests;
mod rooms;
mod sizes;
mod watched;

/// Places in an answer, and renderings of the credential to put there.
pub mod renderings;
