//! Keeps the house as `ARCHITECTURE.md` draws it: floors use only what is below them, in no circles; some parts stay on
//! their floor; files stay small; and what must be asked for is not taken.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the top. Rooms of one line stand side by side and do not use each other.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["http", "server", "worker"],
    &["broker"],
    &["repository"],
    &["authorization"],
    &["authentication", "vault"],
    &["domain"],
];

/// Crates that stay where they belong.
const CONFINED: &[(&str, &[&str])] = &[
    ("sqlx", &["src/repository"]),
    ("axum", &["src/http", "src/server.rs"]),
    ("utoipa_axum", &["src/http"]),
    ("argon2", &["src/authentication"]),
    ("jsonwebtoken", &["src/authentication"]),
    ("aes_gcm", &["src/vault"]),
    ("aws_sigv4", &["src/broker/providers/braket/signature.rs"]),
    ("aws_credential_types", &["src/broker/providers/braket/signature.rs"]),
    ("figment", &["src/cli"]),
    ("clap", &["src/cli", "src/main.rs"]),
    // What goes out goes through the broker.
    ("hyper_rustls", &["src/broker/upstream.rs"]),
    ("hyper_util::client", &["src/broker/upstream.rs"]),
];

/// Words that stay where they belong: what hands out rights, and what goes past a law.
const CONFINED_WORDS: &[(&str, &[&str])] = &[
    // Opens credentials: the broker, when a request is otherwise ready to go, and the redemption of leases.
    ("for_use_of_a_token", &["src/vault", "src/broker/inject.rs", "src/broker/redemption.rs"]),
    // The command line's grants, all of them.
    ("Grant::command_line", &["src/cli/bootstrap.rs", "src/cli/dev/first_admin.rs"]),
    // Proofs of those who are not signed in.
    ("::after_password", &["src/http/login.rs"]),
    ("::holder(", &["src/http/v1/sessions.rs", "src/http/v1/invitations.rs"]),
    // The facts that decisions rest on come from the database.
    ("Standing {", &["src/repository/standing.rs", "src/repository/admissions.rs", "src/authorization"]),
    (
        "Reach {",
        &["src/repository/access.rs", "src/repository/admissions.rs", "src/repository/leases.rs", "src/authorization"],
    ),
    // Routes are made by `route!`, which asks for the gate.
    ("utoipa_axum::routes!", &["src/http/routing.rs"]),
    ("GatedRoute::new", &["src/http/routing.rs"]),
    // Pages that show nothing but what is in this repository, and the metrics' own listener.
    ("axum::routing::get", &["src/http/docs.rs", "src/http/health.rs"]),
    ("axum::routing::{", &["src/http/routing.rs"]),
    ("axum::routing::any", &["src/http/qpu.rs"]),
    ("axum::routing::post", &[]),
    // Whoever commits writes an audit event.
    (
        ".commit().await",
        &[
            "src/repository/change.rs",
            "src/repository/due_jobs.rs",
            "src/repository/logins.rs",
            "src/repository/signing_keys.rs",
        ],
    ),
    ("allow(", &[]),
];

const LONGEST_FILE: usize = 600;

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The code before its tests, without comments.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    /// The top-level module that the file belongs to.
    fn room(&self) -> String {
        let inside = self.path.strip_prefix("src").unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    }

    fn is_test(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests") || self.path.ends_with("tests.rs")
    }
}

fn sources() -> Vec<Source> {
    fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    collect(Path::new("src"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source { text: fs::read_to_string(&path).unwrap(), path };
    paths.into_iter().map(read).filter(|source| !source.is_test()).collect()
}

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("src/{room} is on no floor; add it to FLOORS and to ARCHITECTURE.md"))
}

/// The top-level modules that a piece of code names, as `crate::room` or in a `use crate::{…}`.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for prefix in ["crate::", "luna_organizations::"] {
        for part in code.split(prefix).skip(1) {
            let names: String = match part.strip_prefix('{') {
                Some(group) => group.split('}').next().unwrap_or_default().to_owned(),
                None => part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
            };
            for name in names.split(',') {
                let name = name.trim().split("::").next().unwrap_or_default();
                if FLOORS.concat().contains(&name) {
                    rooms.insert(name.to_owned());
                }
            }
        }
    }
    rooms
}

#[test]
fn floors_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "lib") {
        let room = source.room();
        for used in rooms_used(&source.code()) {
            if used != room && floor(&used) <= floor(&room) {
                wrong.push(format!("{} uses crate::{used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_floor_has_its_rooms() {
    let built: BTreeSet<String> = sources().iter().map(Source::room).filter(|room| room != "lib").collect();
    let drawn: BTreeSet<String> = FLOORS.concat().iter().map(|room| (*room).to_owned()).collect();
    assert_eq!(built, drawn);
}

#[test]
fn siblings_do_not_go_in_circles() {
    // Edges between the modules of one room: `super::x`, `crate::room::x`, from each direct child of the room.
    let mut edges: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let sources = sources();
    let child = |source: &Source| {
        let mut parts = source.path.strip_prefix("src").unwrap().components().skip(1);
        parts.next().map(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned())
    };
    for source in &sources {
        let Some(own) = child(source).filter(|own| own != "mod") else { continue };
        let room = source.room();
        let siblings: BTreeSet<String> = sources
            .iter()
            .filter(|other| other.room() == room)
            .filter_map(child)
            .filter(|name| name != "mod")
            .collect();
        let depth = source.path.components().count();
        let ups = if source.path.ends_with("mod.rs") { depth - 3 } else { depth - 2 };
        let own_prefix = format!("{}::", vec!["super"; ups].join("::"));
        for prefix in [own_prefix, format!("crate::{room}::")] {
            for part in source.code().split(&prefix).skip(1) {
                let names: String = match part.strip_prefix('{') {
                    Some(group) => group.split('}').next().unwrap_or_default().to_owned(),
                    None => part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
                };
                for name in names.split(',').map(|name| name.trim().split("::").next().unwrap_or_default()) {
                    if siblings.contains(name) && name != own {
                        edges.entry((room.clone(), own.clone())).or_default().insert(name.to_owned());
                    }
                }
            }
        }
    }
    for (room, start) in edges.keys() {
        let mut seen = BTreeSet::new();
        let mut next = vec![start.clone()];
        while let Some(at) = next.pop() {
            for to in edges.get(&(room.clone(), at)).into_iter().flatten() {
                assert!(to != start, "src/{room}: {start} uses itself through its siblings");
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
    }
}

#[test]
fn parts_stay_on_their_floor() {
    let mut wrong = Vec::new();
    for source in sources() {
        let code = source.code();
        let at = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
        for (name, places) in CONFINED {
            let used = code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            if used && !at(places) {
                wrong.push(format!("{} uses {name}", source.path.display()));
            }
        }
        for (word, places) in CONFINED_WORDS {
            if code.contains(word) && !at(places) {
                wrong.push(format!("{} says {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "out of place:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", source.path.display());
    }
}

#[test]
fn every_module_says_what_it_is() {
    for source in sources() {
        assert!(source.text.starts_with("//!"), "{} starts without a //! text", source.path.display());
    }
}

#[test]
fn every_changing_method_of_the_repository_asks_for_a_grant() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("src/repository")) {
        let code = source.code();
        for function in code.split("pub async fn ").skip(1) {
            let body_end = function.find("\n    }\n").unwrap_or(function.len());
            let function = &function[..body_end];
            let name = function.split(['(', '<']).next().unwrap_or_default();
            let signature = function.split('{').next().unwrap_or_default();
            let changes =
                ["INSERT INTO", "UPDATE ", "DELETE FROM", "self.change("].iter().any(|sql| function.contains(sql));
            if changes && !signature.contains("Grant<") && !BOOKKEEPING.contains(&name) {
                wrong.push(format!("{}: {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "changes without a grant:\n{}", wrong.join("\n"));
}

/// Writes that are nobody's doing: counting log-ins, remembering answers, sweeping, the first signing key.
const BOOKKEEPING: &[&str] = &[
    "begin_login",
    "login_succeeded",
    "login_failed",
    "forgive",
    "claim_answer",
    "keep_answer",
    "release_answer",
    "sweep",
    "signing_keys",
    // Whoever learns first what a job used books it; the worker asks for what nobody reads.
    "settle_jobs",
    "note_unknown",
    // Parts of a job belong to whoever it belongs to.
    "adopt_parts",
    "expire_job",
    "book_reserved",
    "due_jobs",
];
