//! Roots: the files that are there before anything is laid over them.
//!
//! A root of Debian packages is made once for each list of packages and state of the machine's apt
//! sources, and kept in a cache. The machine's own root needs nothing to be made.

mod debian;
pub(crate) mod host;
mod inventory;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use watchglass_claims::Install;

pub use inventory::{Inventory, InventoryFile, InventoryPackage, inventory};

use crate::RootError;
use crate::messages::Root;

/// A root that a world can be built over, any number of times.
#[derive(Clone, Debug)]
pub struct PreparedRoot {
    pub(crate) root: Root,
}

impl PreparedRoot {
    /// The folder that holds it; the machine's own root is `/`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match &self.root {
            Root::Folder(folder) => folder,
            Root::Host => Path::new("/"),
        }
    }
}

/// Makes the root that a product is installed in, or finds it in `cache`.
///
/// A root of packages takes about half a minute and 600 MB, once. `say` is told what is being done.
/// An interrupted call leaves nothing under the root's final name.
///
/// # Errors
/// [`RootError`]: unknown packages by name, missing tools, a full disk.
pub fn prepare_root(
    install: &Install,
    cache: &Path,
    say: &mut dyn FnMut(&str),
    cancelled: &AtomicBool,
) -> Result<PreparedRoot, RootError> {
    let root = match install {
        Install::Host { .. } => Root::Host,
        Install::Debian { packages, .. } => {
            Root::Folder(debian::root(packages, cache, say, cancelled)?)
        }
    };
    Ok(PreparedRoot { root })
}

/// Roots in `cache`, for a user who wants the room back.
///
/// # Errors
/// [`RootError::Io`].
pub fn cached_roots(cache: &Path) -> Result<Vec<PathBuf>, RootError> {
    debian::cached(cache)
}
