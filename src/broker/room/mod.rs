//! What one request may take of everybody's memory and processors. [`Large`] holds the few long bodies that are read as a whole,
//! [`effort`] tells what a text will become once it is parsed, and the [`Workshop`] does what takes long, a few at a time, beside the
//! tasks that answer. Of everything one caller gets [`Shares`], and never all.

mod large;
mod shares;
mod weight;
mod workshop;

pub use large::{Held, LARGE, LONGEST, Large, Room, Sender};
pub use shares::Shares;
pub use weight::{Effort, effort, weigh};
pub use workshop::Workshop;
