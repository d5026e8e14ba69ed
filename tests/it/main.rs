//! The service as its users see it: a real PostgreSQL, a database for each test, requests over TCP.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod authorization;
mod durability;
mod isolation;
mod luna_sdk;
mod organizations;
mod outage;
mod shutdown;
mod support;
