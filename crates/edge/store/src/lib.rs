//! Keeps the lab's own state on disk.
//!
//! Three things live here: bundles, read without following links and written so that a crash leaves
//! either the whole or nothing under its final name; the assayer's signing key; random seeds. The
//! user's files are no business of this crate.

mod bundle;
mod key;

pub use bundle::{
    create_file, fresh_folder, make_folder, read_bundle, read_results, remove_folder, write_file,
};
pub use key::SigningKey;
use thiserror::Error;
use watchglass_evidence::PartNameError;

/// What can go wrong on disk, with the path it is about.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A system call failed.
    #[error("{act} {path}")]
    Io {
        /// What was tried: `open`, `read`, ….
        act: &'static str,
        /// On which path, control characters shown as codes.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A bundle holds something that no bundle holds.
    #[error("{path}: {what}; a bundle holds plain files and folders only")]
    Stray {
        /// Where.
        path: String,
        /// What.
        what: &'static str,
    },
    /// A bundle's file has a name that no part has.
    #[error(transparent)]
    Name(#[from] PartNameError),
    /// A bundle is larger than any that is read.
    #[error("{path}: over the limit of {limit} {unit}")]
    TooLarge {
        /// Which file or folder.
        path: String,
        /// The limit.
        limit: u64,
        /// `bytes` or `files`.
        unit: &'static str,
    },
    /// The key file is damaged.
    #[error("{path}: not a key of this program; move it away to have a new one made")]
    Key {
        /// Which file.
        path: String,
    },
}

impl StoreError {
    fn io(act: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.escape_debug();
        move |source| Self::Io { act, path, source }
    }
}

trait Escape {
    fn escape_debug(&self) -> String;
}

impl Escape for std::path::Path {
    fn escape_debug(&self) -> String {
        self.as_os_str().as_encoded_bytes().escape_ascii().to_string()
    }
}

/// 32 bytes from the kernel's random source, for a seed.
///
/// # Errors
/// When the kernel has none to give, which Linux never says after boot.
pub fn random_seed() -> Result<[u8; 32], StoreError> {
    let mut seed = [0_u8; 32];
    let mut filled = 0;
    while let Some(rest) = seed.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let got = rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| StoreError::io("getrandom", "/dev/urandom".as_ref())(error.into()))?;
        filled += got;
    }
    Ok(seed)
}
