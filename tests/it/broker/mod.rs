//! Tokens used with the providers' own clients: what goes through, whose it is, and what is booked.

mod declared;
mod fujitsu;
mod ionq;
mod mounts;
