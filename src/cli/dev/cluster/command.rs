//! Running PostgreSQL's programs on the data directory as the right user.
//!
//! When we are root, that user often cannot walk to the data: a parent such as `/root` is closed to it. It is then
//! handed the open directory itself and finds it as `/proc/self/fd/N`, which needs no way through the parents and, unlike
//! capabilities, gives it no power over anything else.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::ClusterError;
use super::account::Account;

/// All that the programs may see of our environment, which can hold secrets.
const INHERITED: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// A command, and the directory that it inherits, which must stay open until it is spawned.
pub(super) struct ServerCommand {
    pub(super) command: Command,
    _directory: Option<OwnedFd>,
}

impl ServerCommand {
    /// `program` as `account`; `form` receives the command and how that user can name `data`.
    pub(super) async fn new(
        program: &Path,
        account: &Account,
        data: &Path,
        form: impl FnOnce(&mut Command, &OsString),
    ) -> Result<Self, ClusterError> {
        let (name, directory) = name_for(account, data).await?;
        let mut command = as_account(program, account);
        form(&mut command, &name);
        Ok(Self { command, _directory: directory })
    }
}

/// A bare command as `account`: no input, no environment to speak of, a process group of its own (the terminal's
/// Ctrl-C is for the service, which stops the server last), English messages and UTC.
fn as_account(program: &Path, account: &Account) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    command.envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command.stdin(Stdio::null()).current_dir("/").process_group(0);
    if account.switched {
        // The standard library also drops root's supplementary groups here.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// How `account` can name `data`: by its path or, where that is closed to it, through the returned open directory.
async fn name_for(account: &Account, data: &Path) -> Result<(OsString, Option<OwnedFd>), ClusterError> {
    let plain = data.as_os_str().to_owned();
    if !account.switched || can_search(account, data).await {
        return Ok((plain, None));
    }
    if !Path::new("/proc/self/fd").is_dir() {
        return Err(ClusterError::Unreachable { data: data.to_owned(), account: account.name.clone() });
    }
    let directory = File::open(data).map_err(ClusterError::file("open", data))?;
    // `dup` gives a descriptor that children inherit. One that some other child inherits in this moment does no harm.
    let directory = rustix::io::dup(&directory).map_err(|errno| ClusterError::file("open", data)(errno.into()))?;
    Ok((format!("/proc/self/fd/{}", directory.as_raw_fd()).into(), Some(directory)))
}

/// Asks the system, as that user, since access-control lists and mounts have a say too.
async fn can_search(account: &Account, directory: &Path) -> bool {
    let mut test = as_account(Path::new("test"), account);
    test.arg("-x").arg(directory).stdout(Stdio::null()).stderr(Stdio::null());
    test.status().await.is_ok_and(|status| status.success())
}
