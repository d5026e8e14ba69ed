//! `luna-organizations keys`: the key ring that everything secret is sealed under.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, print};
use crate::vault::LocalKeyRing;

/// `keys …`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new key ring, readable by its owner only. Keep a copy elsewhere: without it no stored secret opens again
    Generate {
        /// Where; must not exist yet
        file: PathBuf,
    },
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Generate { file } = &arguments.command;
    LocalKeyRing::generate(file)?;
    Ok(print(&format!("made {}; keep a copy in a safe place", file.display()))?)
}
