//! The broker: what members get through it, and what it writes down; with D-Wave unless a file is named for another provider.

mod audit;
mod braket;
mod declared;
mod failures;
mod fujitsu;
mod ibm;
mod ionq;
mod limits;
mod long_lists;
mod long_results;
mod mounts;
mod outages;
mod ownership;
mod panics;
mod revocation;
mod settling;
mod settling_apart;
mod streaming;
