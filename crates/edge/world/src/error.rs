//! What can go wrong with a world.

use std::io;
use std::path::PathBuf;

/// Why a world could not be built or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The plan asks for something that does not exist, such as a capability.
    #[error("{field}: `{found}` is not known")]
    Unknown {
        /// Key of the product file or field of the plan.
        field: &'static str,
        /// What was found there.
        found: String,
    },
    /// This machine or user lacks something.
    #[error("{what} is missing: {help}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// A step of the building failed.
    #[error("world: {step}: {cause}")]
    Step {
        /// The step, with its object.
        step: String,
        /// What the kernel said.
        cause: String,
    },
    /// A command could not be made ready in the world.
    #[error("command: {0}")]
    Refused(String),
    /// The world has ended by itself or was ended by somebody else.
    #[error("the world has ended")]
    Ended,
    /// A system call of the lab's own side failed.
    #[error("{call}")]
    System {
        /// The call and its object.
        call: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl WorldError {
    pub(crate) fn system(call: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let call = call.into();
        move |source| Self::System { call, source }
    }
}

/// Why a root could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// A tool is not installed.
    #[error("`{tool}` is missing: install the package `{package}`")]
    ToolMissing {
        /// The program.
        tool: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// No such package in the machine's sources.
    #[error("no package `{package}` in the machine's apt sources")]
    UnknownPackage {
        /// Its name.
        package: String,
    },
    /// A package name that is none.
    #[error("`{package}` is no package name")]
    BadPackageName {
        /// What was found.
        package: String,
    },
    /// Not enough room.
    #[error("no space left for a root in {}", folder.display())]
    DiskFull {
        /// The cache.
        folder: PathBuf,
    },
    /// The package servers cannot be reached.
    #[error("the package servers cannot be reached: {line}")]
    Unreachable {
        /// What apt said.
        line: String,
    },
    /// mmdebstrap failed for another reason.
    #[error("mmdebstrap failed: {line}")]
    Failed {
        /// The first line that says why.
        line: String,
    },
    /// The caller asked to stop.
    #[error("building the root was interrupted")]
    Cancelled,
    /// This user cannot make such a root.
    #[error("{what} is missing: {help}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// What to do about it.
        help: &'static str,
    },
    /// The machine has no apt sources.
    #[error("no apt sources in {}", folder.display())]
    NoSources {
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// A file or folder of the cache.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl RootError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
