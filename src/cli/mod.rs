//! The command line's floor.

pub mod dev;
