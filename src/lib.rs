//! Luna Organizations: people, roles and hardware access tokens of a quantum platform, used but never read.

pub mod cli;
pub mod domain;
pub mod vault;
