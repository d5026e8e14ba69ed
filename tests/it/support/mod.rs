//! What every test needs: a service of its own, and people in it.

mod app;
mod caller;
mod cluster;

pub use app::App;
pub use caller::{Answer, Caller};
