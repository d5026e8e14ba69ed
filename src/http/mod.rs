//! HTTP: three faces on the same operations. Routes and their gates, shapes on the wire, errors; nothing is decided here
//! and nothing is kept here.

mod credential;
mod csv;
mod docs;
mod document;
mod etag;
pub mod gate;
mod health;
mod idempotency;
mod input;
mod login;
mod luna_sdk;
mod operations;
mod origin;
mod page;
mod path;
mod problem;
mod qpu;
mod receive;
mod router;
pub mod routing;
mod state;
mod v1;
mod value;

pub use document::document;
pub use health::metrics_router;
pub use luna_sdk::addresses as luna_sdk_addresses;
pub use router::{mounted, router};
pub use state::{AppState, LoginLimits, Mount, Settings, Shared};
