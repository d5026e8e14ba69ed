//! What an answer tells of a job's usage, found while it passes: [`Watched`] is its body, [`Extract`] keeps the few values that are
//! looked for, [`events`] reads JSON piece by piece. Nothing is held back, however long the answer is.

mod events;
mod extract;
mod watched;

pub use extract::Extract;
pub use watched::Watched;
