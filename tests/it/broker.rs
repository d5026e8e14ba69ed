//! The broker: what members get through it, and what it writes down; with D-Wave unless a file is named for another provider.

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
