//! Luna Organizations: people, roles and hardware access tokens of a quantum platform, used but never read.
//!
//! The floors, from the top; each uses only what is below it (`ARCHITECTURE.md`, kept by `tests/architecture.rs`).

pub mod cli;
pub mod http;
pub mod server;
pub mod worker;

pub mod broker;

pub mod repository;

pub mod authorization;

pub mod authentication;
pub mod vault;

pub mod domain;
