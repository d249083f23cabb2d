//! Keeps results that cost time.
//!
//! [`write_whole`] puts a file where a person wants it, all of it or nothing. A [`Cache`] keeps what
//! was compiled under a [`Key`] of what it was compiled from, in a folder that nobody else may enter,
//! and throws away what is old. What lies there is taken for what it says only as far as its opener
//! checks it; an entry that is not as this crate writes them is no entry. [`Verdicts`] keep which
//! contents were clean.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")
)]

mod cache;
mod verdicts;
mod whole;

use std::io;

use thiserror::Error;

pub use cache::{Cache, GENERATIONS, Kept, Key};
pub use verdicts::{MAX_VERDICTS, Tag, Verdicts};
pub use whole::write_whole;

/// What can go wrong on disk.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A call failed.
    #[error("{call} {path}")]
    Io {
        /// Which call.
        call: &'static str,
        /// On what, control characters shown as codes.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The place is not one to write a file to.
    #[error("{path}: not a regular file, and is left as it is")]
    NotAFile {
        /// Which.
        path: String,
    },
    /// A file is somebody else's, or others may open it.
    #[error("{path}: not a file that this user alone may open (mode 0600, one name)")]
    NotPrivateFile {
        /// Which.
        path: String,
    },
    /// A file is not as this crate writes it.
    #[error("{path}: damaged, or of another version; it is left as it is, and may be removed")]
    Damaged {
        /// Which.
        path: String,
    },
    /// The folder is somebody else's, or others may enter it.
    #[error("{path}: a cache is a folder of one's own that others may not enter (mode 0700)")]
    NotPrivate {
        /// Which.
        path: String,
    },
}

impl CacheError {
    fn io<E: Into<io::Error>>(call: &'static str, path: &str) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.escape_debug().to_string();
        move |error| Self::Io { call, path, source: error.into() }
    }
}
