//! The service as its users see it: a real PostgreSQL, a database for each test, requests over TCP.

mod organizations;
mod support;
