//! The service as its users see it: a real PostgreSQL, a database for each test, requests over TCP.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod accounts;
mod api_keys;
mod audit_events;
mod authorization;
mod broker;
mod canary;
mod command_line;
mod durability;
mod first_start;
mod hang_ups;
mod hostile;
mod idempotency;
mod invitations;
mod isolation;
mod leases;
mod luna_sdk;
mod oddities;
mod organizations;
mod outage;
mod pages;
mod preconditions;
mod problems;
mod qpu_tokens;
mod quotas;
mod races;
mod readiness;
mod refusals;
mod roles;
mod server;
mod sessions;
mod shutdown;
mod strangers;
mod support;
mod throttling;
mod usage;
mod users;
