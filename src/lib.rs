//! Luna Organizations: people, roles and hardware access tokens of a quantum platform, used but never read.

pub mod authentication;
pub mod domain;
pub mod vault;
