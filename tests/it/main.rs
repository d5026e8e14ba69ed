//! The service as its users see it: a real PostgreSQL, a database for each test, requests over TCP.

mod authorization;
mod durability;
mod luna_sdk;
mod organizations;
mod outage;
mod shutdown;
mod support;
