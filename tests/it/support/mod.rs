//! What every test needs: a service of its own, and people in it.

mod app;
mod caller;
pub mod cluster;
pub mod installation;
pub mod process;
pub mod storm;

pub use app::App;
pub use caller::{Answer, Caller};
