//! The service as its users see it: a real PostgreSQL, a database for each test, requests over TCP.

mod authorization;
mod isolation;
mod organizations;
mod support;
