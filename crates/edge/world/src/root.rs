//! The files a world starts from.

mod debian;
pub(crate) mod host;
mod inventory;
mod range;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use watchglass_claims::Install;

use crate::RootError;

pub use debian::{CachedRoot, list, prune};
pub(crate) use debian::{run_role, sweep};
pub use inventory::{FileDigest, Inventory, Package};

/// A root that worlds can be built over. It is never written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedRoot {
    pub(crate) kind: Kind,
    key: Option<String>,
    products: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder(PathBuf),
    Host,
}

/// How a root is made.
pub struct Preparation<'a> {
    /// Where finished roots are kept; it is made when missing. It must lie on a file system that
    /// can map owners (ext4, xfs, btrfs, tmpfs and others).
    pub cache: &'a Path,
    /// The program that dispatches [`crate::run_role`]; the lab's own unless said.
    pub program: Option<PathBuf>,
    /// Is told of every step, in a few words.
    pub progress: &'a mut dyn FnMut(&str),
    /// Set it to stop; nothing half-made remains.
    pub cancel: &'a AtomicBool,
}

impl std::fmt::Debug for Preparation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparation").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl PreparedRoot {
    /// Makes the root of an installation, or finds it in the cache. The first time takes the
    /// download and about half a minute for a small product; later it takes milliseconds. Files of
    /// the product file are not put into the root: they belong into the world's layer.
    ///
    /// # Errors
    /// As [`RootError`].
    pub fn prepare(
        install: &Install,
        preparation: &mut Preparation<'_>,
    ) -> Result<Self, RootError> {
        match install {
            Install::Host { .. } => Ok(Self::host()),
            Install::Debian { packages, .. } => debian::prepare(packages, preparation),
        }
    }

    /// Whether a root can be prepared, as far as that can be told without doing it: a package that
    /// does not exist, or a mirror that does not answer, shows only then.
    ///
    /// # Errors
    /// As [`RootError`].
    pub fn check(install: &Install, cache: &Path) -> Result<(), RootError> {
        match install {
            Install::Host { .. } => Ok(()),
            Install::Debian { packages, .. } => debian::check(packages, cache),
        }
    }

    /// The machine's own programs, without the owner's folders.
    #[must_use]
    pub fn host() -> Self {
        Self { kind: Kind::Host, key: None, products: Vec::new() }
    }

    /// The key in the cache: SHA-256, in hexadecimal digits, of all that decides the content.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The folder on the machine; the machine's own root for [`PreparedRoot::host`].
    #[must_use]
    pub fn folder(&self) -> &Path {
        match &self.kind {
            Kind::Folder(folder) => folder,
            Kind::Host => Path::new("/"),
        }
    }

    /// Lists what is installed: every package with its version, and every file of the product's
    /// own packages with its digest (check I1). Reads each of those files once.
    ///
    /// # Errors
    /// [`RootError::Io`] when the package database cannot be read. A file that is listed and
    /// missing is in the inventory without a digest.
    pub fn inventory(&self) -> Result<Inventory, RootError> {
        inventory::read(self.folder(), &self.products)
    }
}
