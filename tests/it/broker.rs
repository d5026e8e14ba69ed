//! The broker: what members get through it, and what it writes down. D-Wave is its provider, where nothing else is said.

mod audit;
mod braket;
mod failures;
mod ibm;
mod limits;
mod outages;
mod ownership;
mod revocation;
mod settling;
mod streaming;
