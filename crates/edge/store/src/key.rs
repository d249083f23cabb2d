//! The assayer's Ed25519 key, made on first use.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use ed25519_dalek::Signer as _;
use watchglass_evidence::{Envelope, PublicKey};

use crate::{Escape as _, StoreError, random_seed};

/// A key that signs envelopes. It never leaves its file but into this type.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

impl SigningKey {
    /// Opens the key in `path`, or makes one there that only its owner can read.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read or made, or is no key.
    pub fn open_or_make(path: &Path) -> Result<Self, StoreError> {
        match OpenOptions::new().read(true).open(path) {
            Ok(file) => Self::read(path, file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(StoreError::io("open", path)(error)),
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs an in-toto statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> Envelope {
        let signature = self.0.sign(&Envelope::to_be_signed(statement));
        Envelope::new(statement, self.public(), signature.to_bytes())
    }

    fn read(path: &Path, file: fs::File) -> Result<Self, StoreError> {
        let mut text = String::new();
        file.take(256).read_to_string(&mut text).map_err(StoreError::io("read", path))?;
        let secret = PublicKey::parse(text.trim_end()).map(|parsed| parsed.to_bytes());
        let secret = secret.ok_or_else(|| StoreError::Key { path: path.escape_debug() })?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&secret)))
    }

    fn make(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(StoreError::io("create", folder))?;
        }
        let secret = random_seed()?;
        let mut options = OpenOptions::new();
        // `create_new`: of two assays that start at once, one makes the key and one must read it.
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let mut file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Self::open_or_make(path);
            }
            Err(error) => return Err(StoreError::io("create", path)(error)),
        };
        writeln!(file, "{}", PublicKey::from_bytes(secret))
            .and_then(|()| file.sync_all())
            .map_err(StoreError::io("write", path))?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_private_key_once_and_reads_it_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/key");
        let first = SigningKey::open_or_make(&path).unwrap().public();
        assert_eq!(SigningKey::open_or_make(&path).unwrap().public(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn refuses_a_damaged_key_and_leaves_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "short").unwrap();
        assert!(matches!(SigningKey::open_or_make(&path), Err(StoreError::Key { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
