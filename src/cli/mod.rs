//! The command line: one file per command.

pub mod bootstrap;
mod configuration;
pub mod dev;
mod health;
mod keys;
mod logging;
mod migrate;
mod openapi;
mod serve;
pub mod service;
mod stop_signal;

use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use configuration::{Configuration, MountConfiguration, ProviderConfiguration};
pub use service::{Service, ServiceError};

/// The organization service of a quantum platform.
#[derive(Debug, Parser)]
#[command(name = "luna-organizations", version, about, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything at once on a private PostgreSQL: for trying out and for small installations
    Dev(dev::Arguments),
    /// Run the service against a PostgreSQL of your own (`DATABASE_URL`)
    Serve(ConfigurationFile),
    /// Ask the service on this machine whether it is ready
    Health(ConfigurationFile),
    /// Bring the database's schema up to date
    Migrate(ConfigurationFile),
    /// Create the root organization and its first admin, once
    Bootstrap(bootstrap::Arguments),
    /// Print the API's OpenAPI document
    Openapi,
    /// Manage the key ring
    Keys(keys::Arguments),
}

/// Where the configuration is, besides the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigurationFile {
    /// A TOML file; see config.example.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What ends a command early; the message is for the person at the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the arguments name.
///
/// # Errors
/// With one line that says what is wrong and what would be right.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Serve(file) => serve::run(Configuration::load(file.config.as_deref())?).await,
        Command::Health(file) => health::run(&Configuration::load(file.config.as_deref())?),
        Command::Migrate(file) => migrate::run(Configuration::load(file.config.as_deref())?).await,
        Command::Bootstrap(arguments) => bootstrap::run(arguments).await,
        Command::Openapi => openapi::run(),
        Command::Keys(arguments) => keys::run(&arguments),
    }
}

/// Prints what a command answers; logs go elsewhere.
fn print(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}
