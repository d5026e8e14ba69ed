//! The broker, with providers that the tests make up.

mod braket;
mod declared;
mod fujitsu;
mod ibm;
mod ionq;
mod mounts;
