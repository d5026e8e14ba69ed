//! The program itself, run as its operators run it: its own process, its own data, its own logs.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Caller;

/// Longest that the program may take to be ready; making a cluster on a busy machine is the slow part.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(10);

/// A directory that is gone after the test, and with it any PostgreSQL that still runs on `postgres/data` in it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("luna-it-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&directory).unwrap();
        Self(directory)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The first process of the PostgreSQL below `postgres`, if it runs.
    pub fn postmaster(&self) -> Option<Pid> {
        let data = self.path("postgres/data");
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let pid: i32 = text.lines().next()?.trim().parse().ok()?;
        let (here, there) = (fs::metadata(data).ok()?, fs::metadata(format!("/proc/{pid}/cwd")).ok()?);
        if (here.dev(), here.ino()) == (there.dev(), there.ino()) { Pid::from_raw(pid) } else { None }
    }

    /// A connection URL for the PostgreSQL below `postgres`.
    pub fn database_url(&self, role: &str) -> String {
        let socket = self.path("postgres/data");
        format!("postgres://{role}@localhost/luna_organizations?host={}&sslmode=disable", socket.display())
    }

    /// What `first-admin.json` says.
    pub fn first_admin(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("first-admin.json")).unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(pid) = self.postmaster() {
            let _ = kill_process(pid, Signal::CONT);
            let _ = kill_process(pid, Signal::QUIT);
            let given_up = Instant::now() + Duration::from_secs(10);
            while self.postmaster().is_some() && Instant::now() < given_up {
                std::thread::sleep(POLL);
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A command of the program that ends by itself; one that does not is killed.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = command(arguments, environment);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    // What these commands say fits into a pipe, `openapi` apart: it is read below, by `wait_with_output`.
    while arguments != ["openapi"] && child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(POLL);
    }
    child.wait_with_output().unwrap()
}

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_luna-organizations"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    for inherited in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(inherited) {
            command.env(inherited, value);
        }
    }
    // On any free port, so that tests run beside each other.
    command.env("LUNA_ORGANIZATIONS_METRICS_LISTEN", "127.0.0.1:0");
    command.envs(environment.iter().copied());
    command
}

/// A running `dev` or `serve`. Killed if the test ends before it does.
pub struct Process {
    child: Child,
    output: PathBuf,
    /// Where the API is, once ready.
    pub base_url: String,
    /// Where the metrics are, once ready.
    pub metrics_url: String,
}

impl Process {
    /// Starts `dev` on this data directory, without waiting for it.
    pub fn spawn_dev(scratch: &Scratch, environment: &[(&str, &str)]) -> Self {
        let directory = scratch.0.to_str().unwrap();
        Self::spawn(scratch, &["dev", "--data-dir", directory, "--listen", "127.0.0.1:0"], environment)
    }

    /// Starts `dev` and waits until it is ready.
    pub fn dev(scratch: &Scratch, environment: &[(&str, &str)]) -> Self {
        let mut process = Self::spawn_dev(scratch, environment);
        process.wait_for_welcome();
        process
    }

    /// Starts `serve` and waits until it is ready.
    pub fn serve(scratch: &Scratch, environment: &[(&str, &str)]) -> Self {
        let listen = [("LUNA_ORGANIZATIONS_LISTEN", "127.0.0.1:0")];
        let mut process = Self::spawn(scratch, &["serve"], &[listen.as_slice(), environment].concat());
        let line = process.wait_for(|log| log.lines().find(|line| line.contains("\"serving\"")).map(str::to_owned));
        let event: Value = serde_json::from_str(&line).unwrap();
        process.base_url = format!("http://{}", event["address"].as_str().unwrap());
        process.metrics_url = format!("http://{}/metrics", event["metrics"].as_str().unwrap());
        process
    }

    fn spawn(scratch: &Scratch, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let output = scratch.path(&format!("output-{}", uuid::Uuid::now_v7()));
        let file = File::create_new(&output).unwrap();
        let errors = file.try_clone().unwrap();
        let child = command(arguments, environment).stdout(file).stderr(errors).spawn().unwrap();
        Self { child, output, base_url: String::new(), metrics_url: String::new() }
    }

    fn wait_for_welcome(&mut self) {
        let url = |log: &str, label| {
            let rest = log.split_once("Luna Organizations is running")?.1.split_once("Ctrl-C")?.0.split_once(label)?.1;
            Some(rest.split_whitespace().next()?.to_owned())
        };
        let found = self.wait_for(|log| Some((url(log, "API ")?, url(log, "metrics ")?)));
        (self.base_url, self.metrics_url) = found;
    }

    fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.output();
            if let Some(found) = find(&log) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended ({ended:?}):\n{log}");
            assert!(Instant::now() < deadline, "not ready:\n{log}");
            std::thread::sleep(POLL);
        }
    }

    /// Everything that it has printed and logged.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned()
    }

    /// Somebody who presents nothing.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(&self.base_url)
    }

    /// The first admin of `dev`, by API key.
    pub fn first_admin(&self, scratch: &Scratch) -> Caller {
        Caller::with_api_key(&self.base_url, scratch.first_admin()["api_key"].as_str().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// As the kernel's out-of-memory killer would: nothing is tidied up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The most memory that it has had so far, in kilobytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it still runs after {limit:?}:\n{}", self.output());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Tells it to stop, as an operator does, and checks that it ends well.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended(Duration::from_secs(20)).await;
        assert!(status.success(), "{status}:\n{}", self.output());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All processes of a PostgreSQL: the first one and those that it has started.
pub fn family(postmaster: Pid) -> Vec<Pid> {
    let parent = format!("PPid:\t{}", postmaster.as_raw_nonzero());
    let is_child = |pid: &i32| {
        fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))
            .is_ok_and(|status| status.lines().any(|line| line == parent))
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    std::iter::once(postmaster).chain(pids.filter(is_child).filter_map(Pid::from_raw)).collect()
}
