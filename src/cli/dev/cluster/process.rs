//! Whether a process id still is what it once was: ids are used again, and a dead child may linger as a zombie.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tracing::warn;

use super::account::Account;

/// Whether `pid` is a live server on `data`.
pub(super) fn serves(pid: i32, data: &Path, account: &Account) -> bool {
    if !Path::new("/proc/self/cwd").exists() {
        return listed(pid);
    }
    match works_in(pid, data) {
        Ok(there) => there,
        // A container's root may not look into other users' processes.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| is_server_of(&status, account.uid))
        }
        Err(_) => false,
    }
}

/// Ends the processes that a killed postmaster left behind, as it would have done itself: most notice its death, but one
/// that computes does not look up, and until it ends it keeps the next server from starting. To be called only when no
/// postmaster runs on the data. Where the system does not tell who they are, they end in their own time.
pub(super) fn end_orphans(data: &Path) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let is_server = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres");
        if is_server && matches!(works_in(pid, data), Ok(true)) {
            warn!(pid, "ending a process of the killed PostgreSQL");
            if let Some(Err(error)) = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::QUIT)) {
                warn!(pid, %error, "it could not be told to end");
            }
        }
    }
}

/// Whether the process works in `data`, as all of a server's do. A zombie works nowhere.
fn works_in(pid: i32, data: &Path) -> io::Result<bool> {
    let (there, here) = (fs::metadata(format!("/proc/{pid}/cwd"))?, fs::metadata(data)?);
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Reads `/proc/PID/status`: a live `postgres` of that user.
fn is_server_of(status: &str, uid: u32) -> bool {
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next())
    };
    field("Name:") == Some("postgres")
        && field("State:").is_some_and(|state| state != "Z" && state != "X")
        && field("Uid:").and_then(|real| real.parse().ok()) == Some(uid)
}

/// Where there is no `/proc` (macOS): a live `postgres`.
fn listed(pid: i32) -> bool {
    let Ok(answer) = Command::new("ps").args(["-o", "stat=,comm=", "-p", &pid.to_string()]).output() else {
        return false;
    };
    let line = String::from_utf8_lossy(&answer.stdout);
    !line.trim_start().starts_with('Z') && line.contains("postgres")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_server_from_others() {
        let status =
            |name: &str, state: &str| format!("Name:\t{name}\nState:\t{state} (x)\nUid:\t101\t101\t101\t101\n");
        assert!(is_server_of(&status("postgres", "S"), 101));
        assert!(!is_server_of(&status("postgres", "S"), 102));
        assert!(!is_server_of(&status("postgres", "Z"), 101));
        assert!(!is_server_of(&status("bash", "S"), 101));
    }
}
