//! `luna-organizations dev`: the embedded default, which needs nothing but the PostgreSQL binaries.

pub mod cluster;
