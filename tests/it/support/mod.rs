//! What every test needs: a service of its own, and people in it.

mod app;
mod caller;
mod cluster;
pub mod installation;
pub mod process;
pub mod storm;

pub use app::{App, PASSWORD};
pub use caller::{Answer, Caller};
