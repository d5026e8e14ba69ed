//! What the vault promises, each promise tried from the attacker's side.

mod credentials;
mod key_rings;
mod opaque;
mod other_bytes;
mod rotation;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Binding, Credential, LocalKeyRing, OpeningProof, SealedCredential, Secret, Vault, VaultError};
use crate::domain::{OrganizationId, QpuTokenId, TokenOwner};

/// A folder that disappears with the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("luna-vault-{}", QpuTokenId::new()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("keys.json")
    }

    /// A private key-ring file with this text.
    pub(super) fn with(text: &str) -> (Self, PathBuf) {
        let folder = Self::new();
        let file = folder.file();
        fs::write(&file, text).unwrap();
        chmod(&file, 0o600);
        (folder, file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) fn chmod(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

/// Two fixed keys, as base64 of 32 random bytes.
pub(super) const A: &str = "kxS7dn0QwZ1m5v2yHcVf8b3rJtLpXeGiUoNaYhRzWq4=";
pub(super) const B: &str = "9mTqLw2cXvB7rKp0ZsYdJhUeGfNaOi5x3b8nCk1yMlE=";

/// A vault on a ring with these `(id, key)`, the first of them active.
pub(super) fn vault(keys: &[(&str, &str)]) -> Vault {
    let list: Vec<_> = keys.iter().map(|(id, key)| format!(r#"{{"id": "{id}", "key": "{key}"}}"#)).collect();
    let text = format!(r#"{{"version": 1, "active": "{}", "keys": [{}]}}"#, keys[0].0, list.join(", "));
    let (_folder, file) = Folder::with(&text);
    Vault::new(Arc::new(LocalKeyRing::load(&file).unwrap()))
}

pub(super) fn binding() -> Binding {
    Binding {
        owner: TokenOwner::Organization(OrganizationId::new()),
        token: QpuTokenId::new(),
        secret_version: 1,
        provider: "aws".parse().unwrap(),
    }
}

pub(super) fn credential() -> Credential {
    let field = |name: &str, value: &str| (name.parse().unwrap(), Secret::from(value.to_owned()));
    Credential::new([field("secret_access_key", "s3cret/+"), field("access_key_id", "AKIA")]).unwrap()
}

/// The opened fields, as text.
pub(super) async fn open(vault: &Vault, binding: &Binding, sealed: &SealedCredential) -> Result<String, VaultError> {
    let proof = OpeningProof::for_use_of_a_token();
    let show = |(name, value): (&str, &str)| format!("{name}={value}");
    vault.open(binding, sealed, &proof, |opened| opened.fields().map(show).collect::<Vec<_>>().join(" ")).await
}

pub(super) const PLAIN: &str = "access_key_id=AKIA secret_access_key=s3cret/+";
