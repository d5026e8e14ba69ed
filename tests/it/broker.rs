//! The broker, with D-Wave as its provider: what members get through it, and what it writes down.

mod audit;
mod failures;
mod limits;
mod outages;
mod ownership;
mod revocation;
mod settling;
mod streaming;
