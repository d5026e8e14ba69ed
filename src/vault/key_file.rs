//! The key-ring file: JSON, mode 0600.
//!
//! ```json
//! { "version": 1, "active": "kek-1f…", "keys": [ { "id": "kek-1f…", "key": "<32 bytes in base64>" } ] }
//! ```
//!
//! `active` seals what is new; the others only open what is old. One member names the active key, so there cannot be
//! two. No error repeats anything from the file but key ids.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aes_gcm::aead::Generate as _;
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::strength::weakness;
use super::{DataKey, VaultError};

/// A ring of a thousand keys is still smaller.
const MAX_BYTES: u64 = 128 * 1024;
const SHAPE: &str = r#"{"version": 1, "active": "<id>", "keys": [{"id": "<id>", "key": "<32 bytes in base64>"}]}"#;

/// What a good file says: the active key's id, and all keys by id.
pub(super) struct Keys {
    pub(super) active: String,
    pub(super) keys: BTreeMap<String, DataKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    active: String,
    keys: Vec<Entry>,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    key: String,
}

/// Reads and checks a file; every refusal is a [`VaultError::KeyRing`].
pub(super) fn read(path: &Path) -> Result<Keys, VaultError> {
    let text = read_private(path).map_err(|problem| VaultError::key_ring(path, problem))?;
    parse(&text).map_err(|problem| VaultError::key_ring(path, problem))
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("does not exist; create it with `luna-organizations keys generate {}`", path.display())
        }
        _ => format!("cannot be opened ({error}); it should be a file that this service may read"),
    })?;
    let found = file.metadata().map_err(|error| format!("cannot be inspected ({error})"))?;
    if !found.is_file() {
        return Err("is not a regular file; it should be the key-ring file itself".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        let (mode, name) = (found.mode() & 0o777, path.display());
        return Err(format!("has mode {mode:04o}; it should be 0600, for its owner only: `chmod 600 {name}`"));
    }
    if found.len() > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes; it should be a key ring: {SHAPE}"));
    }
    // Full size at once: a vector that grows leaves copies of the keys behind.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len() + 1).unwrap_or_default()));
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(|error| format!("cannot be read ({error})"))?;
    Ok(text)
}

fn parse(text: &[u8]) -> Result<Keys, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| {
        // Not the error itself: it may repeat a value, and the value may be a key.
        format!("line {}, column {}: it should be {SHAPE} and nothing else", error.line(), error.column())
    })?;
    if document.version != 1 {
        return Err(format!("has version {}; it should be 1", document.version));
    }
    let mut keys = BTreeMap::<String, DataKey>::new();
    for entry in &document.keys {
        let (id, key) = (check_id(&entry.id)?, decode(entry)?);
        if let Some((twin, _)) = keys.iter().find(|(_, other)| other.as_bytes() == key.as_bytes()) {
            return Err(format!("keys \"{twin}\" and \"{id}\" are the same key; every id should have its own"));
        }
        if keys.insert(id.to_owned(), key).is_some() {
            return Err(format!("has two keys with the id \"{id}\"; every id should be there once"));
        }
    }
    if !keys.contains_key(&document.active) {
        return Err("\"active\" names none of its keys; it should be the id of exactly one".to_owned());
    }
    Ok(Keys { active: document.active, keys })
}

fn check_id(id: &str) -> Result<&str, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if (1..=64).contains(&id.len()) && id.bytes().all(good) {
        Ok(id)
    } else {
        Err("a key's id should be 1 to 64 characters of a-z, A-Z, 0-9, '-', '.' and '_'".to_owned())
    }
}

fn decode(entry: &Entry) -> Result<DataKey, String> {
    let id = &entry.id;
    let bytes = BASE64.decode(entry.key.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| format!("key \"{id}\" should be 32 random bytes in base64"))?;
    let key = DataKey::from_bytes(&bytes)
        .ok_or_else(|| format!("key \"{id}\" has {} bytes; it should have 32, in base64", bytes.len()))?;
    match weakness(key.as_bytes()) {
        Some(why) => Err(format!("key \"{id}\" is weak: {why}; it should be 32 random bytes")),
        None => Ok(key),
    }
}

/// Writes a new file with one random key. The file appears complete and durable under its name or not at all, and
/// never replaces another: it is written beside, synced, and then linked into place.
pub(super) fn create(path: &Path) -> Result<(), VaultError> {
    let exists = "exists; a key ring is never overwritten, because what it sealed would be lost";
    if path.symlink_metadata().is_ok() {
        return Err(VaultError::key_ring(path, exists));
    }
    let (id, key) = (random_name()?, strong_key()?);
    let encoded = Zeroizing::new(BASE64.encode(key.as_bytes()));
    let text = Zeroizing::new(format!(
        "{{\n  \"version\": 1,\n  \"active\": \"kek-{id}\",\n  \"keys\": [\n    {{ \"id\": \"kek-{id}\", \"key\": \"{}\" }}\n  ]\n}}\n",
        *encoded
    ));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = folder.join(format!(".key-ring-{id}.new"));
    let written = write_new(&beside, text.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    match written.and(removed).and_then(|()| File::open(folder)?.sync_all()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(VaultError::key_ring(path, exists)),
        Err(error) => Err(VaultError::key_ring(path, format!("cannot be written ({error})"))),
    }
}

fn write_new(path: &PathBuf, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn random_name() -> Result<String, VaultError> {
    <[u8; 8]>::try_generate().map(|bytes| HEXLOWER.encode(&bytes)).map_err(|_| VaultError::NoRandomness)
}

fn strong_key() -> Result<DataKey, VaultError> {
    loop {
        let key = DataKey::generate()?;
        if weakness(key.as_bytes()).is_none() {
            return Ok(key);
        }
    }
}
