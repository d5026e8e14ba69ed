//! The last net over an answer: removes the credential from it, and the upstream's own addresses.
//!
//! The upstream sees the credential, and may repeat it in whatever it answers: an error that quotes the request, a debug
//! page, a dump. [`Needles`] knows all renderings of it; [`filter::Filter`] removes them from a text that streams by, and puts
//! [`Rewrites`] in place of addresses; [`CleanBody`] does so for a whole body, after it has undone its content coding.

mod body;
mod coding;
mod decoder;
mod entity;
mod error;
mod filter;
mod matcher;
mod needles;
mod probe;
mod rendering;
mod rewrites;
#[cfg(test)]
mod tests;

pub use body::CleanBody;
pub use coding::decode_whole;
pub use error::CleanError;
pub use filter::clean;
pub use needles::Needles;
pub use rewrites::Rewrites;
