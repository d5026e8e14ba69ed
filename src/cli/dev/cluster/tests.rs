//! The cluster against the real PostgreSQL of this machine. As root, the tests also cover what only root meets.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::*;

/// A directory that is gone after the test, and with it any server that a failed test left running.
struct Scratch(PathBuf);

impl Scratch {
    /// `mode` is that of the parent of the cluster's directory.
    fn new(mode: u32) -> Self {
        Self::named(&format!("luna-cluster-{}", uuid::Uuid::now_v7()), mode)
    }

    fn named(name: &str, mode: u32) -> Self {
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        Self(directory)
    }

    fn cluster(&self) -> PathBuf {
        self.0.join("cluster")
    }

    fn pid(&self) -> Option<i32> {
        Layout::create(&self.cluster()).unwrap().recorded_pid()
    }

    fn signal(&self, signal: Signal) -> i32 {
        let pid = self.pid().expect("a server runs");
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        pid
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let pid = Layout::create(&self.cluster()).ok().and_then(|layout| {
            let pid = layout.recorded_pid()?;
            let (here, there) = (fs::metadata(layout.data), fs::metadata(format!("/proc/{pid}/cwd")));
            (here.ok()?.ino() == there.ok()?.ino()).then_some(pid)
        });
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::QUIT);
            std::thread::sleep(Duration::from_millis(500));
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn psql(url: &str, sql: &str) -> Output {
    let binaries = Binaries::find(None).await.unwrap();
    // The server's programs may be links into the directory that has all of them.
    let program = fs::canonicalize(binaries.postgres()).unwrap().with_file_name("psql");
    let mut psql = Command::new(program);
    psql.kill_on_drop(true)
        .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .output()
        .await
        .unwrap()
}

/// What a statement prints; a statement that fails fails the test.
async fn ask(cluster: &Cluster, sql: &str) -> String {
    let answer = psql(&cluster.url(DATABASE), sql).await;
    assert!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap().trim().to_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test]
async fn starts_fresh_then_finds_everything_again() {
    let scratch = Scratch::new(0o755);
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    let group = rustix::process::getpgid(scratch.pid().and_then(Pid::from_raw)).unwrap();
    assert_ne!(group, rustix::process::getpgrp(), "Ctrl-C would reach the server before the service is done with it");
    ask(&cluster, "CREATE TABLE kept AS SELECT 'still here' AS word").await;
    ask(&cluster, "CREATE DATABASE another").await;
    assert!(psql(&cluster.url("another"), "SELECT 1").await.status.success());
    cluster.stop().await.unwrap();
    assert_eq!(scratch.pid(), None, "a stopped server leaves no lock file");

    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(ask(&cluster, "SELECT word FROM kept").await, "still here");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn is_durable_private_and_of_the_right_kind() {
    let scratch = Scratch::new(0o755);
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ] {
        assert_eq!(ask(&cluster, &format!("SHOW {setting}")).await, value, "{setting}");
    }
    assert_eq!(ask(&cluster, "SELECT datcollate FROM pg_database WHERE datname = current_database()").await, "C");
    assert_eq!(
        ask(&cluster, "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'luna'").await,
        "f|t|f"
    );
    let open = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o077;
    assert_eq!(open(scratch.cluster().join("data")), 0, "others can reach the socket");
    assert_eq!(open(scratch.cluster().join("data/.s.PGSQL.5432")), 0, "others can use the socket");
    assert_eq!(open(scratch.cluster().join("postgresql.log")), 0, "others can read the log");
    assert_eq!(open(scratch.cluster()), 0, "the directory was made for others too");
    cluster.stop().await.unwrap();
}

/// Even where file permissions do not stand in the way, `peer` does.
#[tokio::test]
async fn refuses_other_users_of_the_machine() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(0o755);
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    for path in [scratch.cluster(), scratch.cluster().join("data")] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(scratch.cluster().join("data/.s.PGSQL.5432"), Permissions::from_mode(0o777)).unwrap();
    let as_user = |name: &'static str| {
        let url = cluster.url(DATABASE);
        async move {
            Command::new("setpriv")
                .args([
                    "--reuid",
                    name,
                    "--regid",
                    "nogroup",
                    "--clear-groups",
                    "psql",
                    "-X",
                    "-d",
                    &url,
                    "-c",
                    "SELECT 1",
                ])
                .output()
                .await
                .unwrap()
        }
    };
    assert!(as_user("postgres").await.status.success(), "the owner gets in, so the door is open");
    let stranger = as_user("daemon").await;
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(!stranger.status.success() && said.contains("Peer authentication failed"), "{said}");
    fs::set_permissions(scratch.cluster().join("data"), Permissions::from_mode(0o700)).unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn adopts_what_a_killed_service_left_running() {
    let scratch = Scratch::new(0o755);
    let killed = Cluster::start(&scratch.cluster()).await.unwrap();
    let pid = scratch.pid();
    drop(killed);

    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(scratch.pid(), pid, "it is the same server");
    assert_eq!(ask(&cluster, "SELECT 1").await, "1");
    cluster.stop().await.unwrap();
    assert_eq!(scratch.pid(), None, "an adopted server is stopped too");
}

#[tokio::test]
async fn recovers_when_service_and_server_were_both_killed() {
    let scratch = Scratch::new(0o755);
    let killed = Cluster::start(&scratch.cluster()).await.unwrap();
    ask(&killed, "CREATE TABLE acknowledged AS SELECT 7 AS n").await;
    let old = scratch.signal(Signal::KILL);
    drop(killed);
    assert_eq!(scratch.pid(), Some(old), "the lock file is stale");

    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(ask(&cluster, "SELECT n FROM acknowledged").await, "7");
    cluster.stop().await.unwrap();
}

/// As after a reboot: the id in PostgreSQL's lock file belongs to another program of the same user now.
#[tokio::test]
async fn is_not_fooled_by_a_used_again_process_id() {
    let scratch = Scratch::new(0o755);
    Cluster::start(&scratch.cluster()).await.unwrap().stop().await.unwrap();
    let owner = fs::metadata(scratch.cluster().join("data")).unwrap();
    let mut other = Command::new("sleep");
    if is_root() {
        other.uid(owner.uid()).gid(owner.gid());
    }
    let mut other = other.arg("60").kill_on_drop(true).spawn().unwrap();
    let data = scratch.cluster().join("data");
    let stale = format!("{}\n{}\n1700000000\n5432\n.\n\n  1 1\nready\n", other.id().unwrap(), data.display());
    fs::write(data.join("postmaster.pid"), stale).unwrap();
    fs::set_permissions(data.join("postmaster.pid"), Permissions::from_mode(0o644)).unwrap();

    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(other.try_wait().unwrap(), None, "the other program was left alone");
    cluster.stop().await.unwrap();
    assert_eq!(other.try_wait().unwrap(), None, "the other program was left alone");
}

#[tokio::test]
async fn sweeps_away_what_an_interrupted_start_left() {
    let scratch = Scratch::new(0o755);
    let half = scratch.cluster().join("data.new-0");
    fs::create_dir_all(half.join("base")).unwrap();
    fs::write(half.join("PG_VERSION"), "15\n").unwrap();

    // Dropping a start on its way is the same to the directory as a kill.
    let _ = tokio::time::timeout(Duration::from_millis(200), Cluster::start(&scratch.cluster())).await;
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(ask(&cluster, "SELECT 1").await, "1");
    let names = fs::read_dir(scratch.cluster()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["data", "lock", "postgresql.log"]);
    cluster.stop().await.unwrap();
}

/// What a killed service has started may go on for a moment, and writes while it is swept away.
#[tokio::test]
async fn sweeps_away_what_an_interrupted_start_still_writes() {
    let scratch = Scratch::new(0o755);
    let half = scratch.cluster().join("data.new-0").join("base");
    fs::create_dir_all(&half).unwrap();
    let writes = std::thread::spawn(move || {
        for _ in 0..20 {
            let _ = fs::create_dir_all(&half);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    writes.join().unwrap();
    let left = fs::read_dir(scratch.cluster()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().starts_with("data.new-")).count(), 0);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_service_is_told_who_is_there() {
    let scratch = Scratch::new(0o755);
    let first = Cluster::start(&scratch.cluster()).await.unwrap();
    let Err(error) = Cluster::start(&scratch.cluster()).await else { panic!("two services share a directory") };
    assert!(matches!(error, ClusterError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert_eq!(ask(&first, "SELECT 1").await, "1");
    first.stop().await.unwrap();
}

/// Like `/root/x`, or what `mktemp -d` makes: PostgreSQL's user cannot walk there.
#[tokio::test]
async fn works_below_a_directory_that_is_closed_to_others() {
    let scratch = Scratch::new(0o700);
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    ask(&cluster, "CREATE TABLE kept AS SELECT 1").await;
    let owner = fs::metadata(scratch.cluster().join("data")).unwrap().uid();
    assert_ne!(owner, 0, "PostgreSQL refuses root");
    drop(cluster);
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    cluster.stop().await.unwrap();
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(ask(&cluster, "SELECT count(*) FROM kept").await, "1");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn works_where_the_path_is_too_long_or_odd_for_a_socket() {
    let long = format!("luna ü,'%&{}-{}", "x".repeat(90), uuid::Uuid::now_v7());
    let scratch = Scratch::named(&long, 0o755);
    let cluster = Cluster::start(&scratch.cluster()).await.unwrap();
    assert_eq!(ask(&cluster, "SELECT 1").await, "1");
    let stand_in = cluster.socket.file().ancestors().nth(2).unwrap().to_owned();
    assert_eq!(fs::metadata(&stand_in).unwrap().mode() & 0o777, 0o700);
    cluster.stop().await.unwrap();
    assert!(!stand_in.exists(), "the stand-in is removed");
}

#[tokio::test]
async fn a_killed_server_comes_back() {
    let scratch = Scratch::new(0o700);
    // Once for a server of our own, once for an adopted one; each with a query that would hold it up for minutes.
    for round in ["own", "adopted"] {
        let cluster = Arc::new(Cluster::start(&scratch.cluster()).await.unwrap());
        let watched = Arc::clone(&cluster);
        let supervisor = tokio::spawn(async move { watched.supervise().await });
        let url = cluster.url(DATABASE);
        let busy = tokio::spawn(async move {
            psql(&url, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b").await
        });
        let computing = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%100000) b' \
                         AND pid <> pg_backend_pid()";
        let deadline = Instant::now() + Duration::from_secs(30);
        while ask(&cluster, computing).await != "1" {
            assert!(Instant::now() < deadline, "{round}: the query does not run");
            sleep(Duration::from_millis(50)).await;
        }

        let old = scratch.signal(Signal::KILL);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !psql(&cluster.url(DATABASE), "SELECT 1").await.status.success() {
            assert!(Instant::now() < deadline, "{round}: it did not come back");
            sleep(Duration::from_millis(100)).await;
        }
        assert_ne!(scratch.pid(), Some(old), "{round}");
        assert!(!busy.await.unwrap().status.success(), "{round}: the kill was real");

        supervisor.abort();
        let _ = supervisor.await;
        match round {
            "own" => drop(cluster),
            _ => Arc::into_inner(cluster).unwrap().stop().await.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let scratch = Scratch::new(0o755);
    Cluster::start(&scratch.cluster()).await.unwrap().stop().await.unwrap();
    fs::write(scratch.cluster().join("data/postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let Err(error) = Cluster::start(&scratch.cluster()).await else { panic!("it started") };
    assert!(error.to_string().contains("no_such_setting"), "{error}");

    fs::write(scratch.cluster().join("data/PG_VERSION"), "99\n").unwrap();
    let Err(error) = Cluster::start(&scratch.cluster()).await else { panic!("it started") };
    assert!(matches!(error, ClusterError::OtherVersion { cluster: 99, .. }), "{error}");

    fs::remove_file(scratch.cluster().join("data/PG_VERSION")).unwrap();
    let Err(error) = Cluster::start(&scratch.cluster()).await else { panic!("it started") };
    assert!(matches!(error, ClusterError::NotACluster(_)), "{error}");
}
