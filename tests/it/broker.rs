//! The broker, with providers that the tests make up.

mod braket;
mod ibm;
