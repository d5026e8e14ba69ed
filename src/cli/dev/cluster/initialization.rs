//! Making a new cluster: all of it beside its final place, then one rename. Whoever is killed on the way leaves a
//! `data.new-*` that the next start sweeps away, never half a cluster.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown, fchown};
use std::path::Path;
use std::process::Stdio;

use tracing::warn;
use uuid::Uuid;

use super::account::Account;
use super::binaries::Binaries;
use super::command::ServerCommand;
use super::layout::Layout;
use super::{ClusterError, DATABASE, ROLE};

/// The cluster's own superuser. The service has no use for it; the role that it does use cannot turn triggers off.
const SUPERUSER: &str = "postgres";
/// The name of the map from system users to roles.
const MAP: &str = "service";
const UNFINISHED: &str = "data.new-";

/// Makes the cluster in `layout.data`, where nothing may be yet.
pub(super) async fn run(layout: &Layout, binaries: &Binaries, account: &Account) -> Result<(), ClusterError> {
    sweep(&layout.directory);
    // A name never used before: a killed service's `initdb` may still be writing to the old one.
    let new = layout.directory.join(format!("{UNFINISHED}{}", Uuid::now_v7()));
    DirBuilder::new().mode(0o700).create(&new).map_err(ClusterError::file("create", &new))?;
    if account.switched {
        chown(&new, Some(account.uid), Some(account.gid)).map_err(ClusterError::file("give away", &new))?;
    }
    initdb(&new, binaries, account).await?;
    write_access(&new, account)?;
    create_role_and_database(&new, binaries, account).await?;

    fs::rename(&new, &layout.data).map_err(ClusterError::file("create", &layout.data))?;
    // What a killed service had started may have gone on writing for a moment; it has ended by now.
    sweep(&layout.directory);
    File::open(&layout.directory)
        .and_then(|directory| directory.sync_all())
        .map_err(ClusterError::file("sync", &layout.directory))
}

/// Removes what killed starts left. What cannot be removed is only in the way of nobody.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            warn!(path = %entry.path().display(), %error, "an unfinished cluster could not be removed");
        }
    }
}

/// The locale is `C`: the order of code points, the same on every system and after every upgrade of its libraries, so
/// that no index silently goes wrong.
async fn initdb(new: &Path, binaries: &Binaries, account: &Account) -> Result<(), ClusterError> {
    let arguments = ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth-local=peer", "--auth-host=reject"];
    let initdb = ServerCommand::new(&binaries.initdb(), account, new, |command, data| {
        command.arg("-D").arg(data).arg("-U").arg(SUPERUSER).args(arguments);
    })
    .await?;
    finish("initdb", initdb).await
}

/// Lets in the cluster's own system user and root, each under the two roles, and nobody else.
fn write_access(new: &Path, account: &Account) -> Result<(), ClusterError> {
    let mut ident = String::from("# map  system user  role\n");
    for user in [account.name.as_str(), "root"] {
        for role in [ROLE, SUPERUSER] {
            // Writing to a `String` cannot fail.
            let _ = writeln!(ident, "{MAP} \"{user}\" {role}");
        }
    }
    replace(&new.join("pg_ident.conf"), &ident, account)?;
    replace(&new.join("pg_hba.conf"), &format!("local all all peer map={MAP}\n"), account)
}

/// Replaces a file of the account's. We may be root, so nothing that the account put there is followed or overwritten.
fn replace(path: &Path, text: &str, account: &Account) -> Result<(), ClusterError> {
    let write = || {
        fs::remove_file(path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        if account.switched {
            fchown(&file, Some(account.uid), Some(account.gid))?;
        }
        file.sync_all()
    };
    write().map_err(ClusterError::file("write", path))
}

/// Uses PostgreSQL's single-user mode, which needs no connection: nobody can meet a cluster without its roles.
async fn create_role_and_database(new: &Path, binaries: &Binaries, account: &Account) -> Result<(), ClusterError> {
    let sql = format!("CREATE ROLE {ROLE} LOGIN CREATEDB;\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n");
    let piped = || {
        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(sql.as_bytes())?;
        Ok(reader)
    };
    let input = piped().map_err(ClusterError::program("postgres --single"))?;
    let single = ServerCommand::new(&binaries.postgres(), account, new, |command, data| {
        command.arg("--single").arg("-D").arg(data).args(["-c", "exit_on_error=true", SUPERUSER]).stdin(input);
    })
    .await?;
    finish("postgres --single", single).await
}

/// Runs it to its end. Should this future be dropped, the program ends too.
async fn finish(program: &'static str, mut server: ServerCommand) -> Result<(), ClusterError> {
    let child = server.command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let output = child.map_err(ClusterError::program(program))?.wait_with_output().await;
    let output = output.map_err(ClusterError::program(program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(ClusterError::Initialization { program, said: String::from_utf8_lossy(&said).trim().to_owned() })
}
