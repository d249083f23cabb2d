//! What can keep a chore from finishing.

use std::path::PathBuf;

use thiserror::Error;

/// What can keep a chore from finishing. Every message says what to do or where to look.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// What was typed is not understood.
    #[error("{0}\n   `./x --help` lists what there is")]
    Usage(String),
    /// A program did not start.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("`{program}` failed: {says}")]
    Program {
        /// The program with its first arguments.
        program: String,
        /// The end of what it printed, or its exit status.
        says: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file does not say what it should.
    #[error("{path}: {says}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        says: String,
    },
    /// There is nothing by that name.
    #[error("no {kind} is called `{name}`; there is: {known}")]
    Unknown {
        /// What was looked for, such as `measure`.
        kind: &'static str,
        /// The name that was typed.
        name: String,
        /// What there is.
        known: String,
    },
}

impl Trouble {
    /// For `map_err` on a file operation.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// For `map_err` on starting a program.
    pub(crate) fn start(program: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let program = program.into();
        move |source| Self::Start { program, source }
    }
}
