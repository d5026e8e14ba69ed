//! The service as its users see it: a real PostgreSQL, a database for each test, requests over TCP.

mod command_line;
mod durability;
mod first_start;
mod organizations;
mod outage;
mod readiness;
mod refusals;
mod shutdown;
mod support;
