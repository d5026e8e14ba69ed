//! `luna-organizations`: parse, run.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use luna_organizations::cli;
use mimalloc::MiMalloc;

/// A request is many small allocations; glibc's allocator takes twice as long for them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(std::io::stderr(), "luna-organizations: {failure}");
            ExitCode::FAILURE
        }
    }
}
