use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// The example with all settings in force: `#` without a space after it is a setting.
fn example() -> String {
    let in_force = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => format!("{setting}\n"),
        _ => "\n".to_owned(),
    };
    EXAMPLE.lines().map(in_force).collect()
}

/// A file of its own, until the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("luna-configuration-{}", uuid::Uuid::now_v7()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Of the keys that are not tables of the operator's own: their dotted paths with the defaults.
fn defaults() -> Vec<(String, Value)> {
    let Value::Object(keys) = serde_json::to_value(Configuration::default()).unwrap() else { unreachable!() };
    let flat = |(key, value): (String, Value)| match value {
        Value::Object(table) => table.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect(),
        value => vec![(key, value)],
    };
    keys.into_iter().flat_map(flat).collect()
}

#[test]
fn the_example_has_every_key_with_its_default_and_its_environment_name() {
    let shown: Value = Figment::from(Toml::string(&example())).extract().unwrap();
    for (key, default) in defaults() {
        let pointer = format!("/{}", key.replace('.', "/"));
        let value = shown.pointer(&pointer).unwrap_or_else(|| panic!("config.example.toml lacks {key}"));
        let name = format!("# {PREFIX}{}\n", key.to_uppercase().replace('.', "__"));
        let named = EXAMPLE.contains(&name) || key == "database_url" && EXAMPLE.contains("# DATABASE_URL");
        assert!(named, "config.example.toml lacks the line {name:?}");
        // Without a default there is an example.
        if default != Value::Null && default != json!([]) {
            assert_eq!(*value, default, "config.example.toml shows another default of {key}");
        }
    }
}

#[test]
fn every_key_can_come_from_the_environment() {
    let Value::Object(keys) = serde_json::to_value(Configuration::default()).unwrap() else { unreachable!() };
    let mut known = KEYS.to_vec();
    known.sort_unstable();
    assert_eq!(known, keys.keys().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn the_example_is_a_valid_configuration() {
    let file = Scratch::new(&example());
    let figment = Figment::from(Serialized::defaults(Configuration::default())).merge(Toml::file_exact(&file.0));
    let configuration: Configuration = figment.extract().map_err(explain).unwrap();
    configuration.check().unwrap();
    let acme = configuration.providers().unwrap().iter().find(|provider| provider.name.to_string() == "acme").cloned();
    assert_eq!(acme.unwrap().title, "Acme Quantum");
}

#[test]
fn an_estimate_is_a_figure_that_a_job_can_have() {
    for (estimate, good) in [(0, true), (1_000_000_000_000_000, true), (-1, false), (1_000_000_000_000_001, false)] {
        let mut configuration = Configuration::default();
        configuration.providers.entry("acme".to_owned()).or_default().estimate = Some(estimate);
        assert_eq!(configuration.providers().is_ok(), good, "{estimate}");
    }
}

#[test]
fn the_password_file_completes_the_url() {
    let file = Scratch::new("p@ss w/rd\n");
    let with = |url: &str| Configuration {
        database_url: Some(url.to_owned()),
        database_password_file: Some(file.0.clone()),
        ..Configuration::default()
    };
    assert_eq!(*with("postgres://luna@db/luna").database().unwrap(), "postgres://luna:p%40ss%20w%2Frd@db/luna");
    assert_eq!(*with("postgres://luna:old@db/luna").database().unwrap(), "postgres://luna:p%40ss%20w%2Frd@db/luna");
    let error = with("postgres:///luna").database().unwrap_err().to_string();
    assert!(error.contains("DATABASE_URL") && error.contains("a host"), "{error}");

    let absent = Configuration { database_password_file: Some("/absent".into()), ..with("postgres://luna@db/luna") };
    let error = absent.database().unwrap_err().to_string();
    assert!(error.contains("LUNA_ORGANIZATIONS_DATABASE_PASSWORD_FILE") && error.contains("/absent"), "{error}");
}

#[test]
fn an_unknown_key_is_named_as_it_was_written() {
    let error = |text: &str| {
        let figment = Figment::from(Serialized::defaults(Configuration::default())).merge(Toml::string(text));
        explain(figment.extract::<Configuration>().err().unwrap()).to_string()
    };
    let known = |text: &str| error(text).split(" is no key").next().unwrap().to_owned();
    assert_eq!(known("lisen = 1"), "configuration: lisen (LUNA_ORGANIZATIONS_LISEN)");
    assert_eq!(known("[login]\nwindow = 1"), "configuration: login.window (LUNA_ORGANIZATIONS_LOGIN__WINDOW)");
}

#[test]
fn a_mount_does_not_hide_the_api() {
    let told = |public_url: Option<&str>, mounts: &[&str]| {
        let mut configuration = Configuration { public_url: public_url.map(str::to_owned), ..Configuration::default() };
        let mount = |url: &&str| MountConfiguration {
            token: uuid::Uuid::now_v7(),
            listen: None,
            public_url: Some((*url).to_owned()),
        };
        configuration.broker.mounts = mounts.iter().map(mount).collect();
        configuration.check().err().map(|error| error.to_string())
    };
    let api = Some("https://luna.example.org/here");
    let hidden = [
        (api, "https://luna.example.org"),
        (api, "https://LUNA.example.org:443/"),
        // Without a port, the two look the same in a request.
        (api, "http://luna.example.org"),
        (api, "http://luna.example.org:443"),
        (Some("http://luna.example.org:80"), "https://luna.example.org"),
        // Where it listens, also if others are told another address.
        (None, "http://127.0.0.1:8080"),
        (api, "http://user:secret@127.0.0.1:8080"),
    ];
    let told_of = |(api, mount)| told(api, &["https://ionq.example.org", mount]);
    let missed: Vec<_> = hidden.into_iter().filter(|pair| told_of(*pair).is_none()).collect();
    assert_eq!(missed, []);
    for (api, mount) in hidden {
        let told = told_of((api, mount)).unwrap_or_default();
        let key = "configuration: broker.mounts (LUNA_ORGANIZATIONS_BROKER__MOUNTS) must be ";
        assert!(told.starts_with(key) && told.contains("the API"), "{api:?}, {mount}: {told}");
        assert!(told.contains("luna.example.org") || told.contains("127.0.0.1:8080"), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let twice = told(api, &["https://ionq.example.org", "http://ionq.example.org"]).unwrap_or_default();
    assert!(twice.contains("http://ionq.example.org"), "{twice}");
    for mount in ["https://ionq.example.org", "https://luna.example.org:8443", "http://127.0.0.1:8081"] {
        assert_eq!(told(api, &[mount]), None, "{mount}");
    }
}
