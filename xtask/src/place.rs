//! Where the repository is, and programs started from it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::trouble::Trouble;

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    root: PathBuf,
    target: PathBuf,
}

impl Place {
    /// Finds the repository that this program was built from.
    ///
    /// # Errors
    /// When it is gone, or the current folder is.
    pub(crate) fn find() -> Result<Self, Trouble> {
        // `cargo run` says where the manifest is now; the compiled-in place is for who starts the
        // program itself.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
        let xtask = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&xtask).join("..");
        let root = root.canonicalize().map_err(Trouble::file(root))?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => std::path::absolute(&target).map_err(Trouble::file(target))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The top folder of the repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// `cargo` with arguments, in the top folder. Its results go to stderr with its progress: what
    /// a chore has to say on stdout it says itself.
    pub(crate) fn cargo<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(cargo_program());
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command.stdout(std::io::stderr());
        command
    }
}

/// Takes away what `cargo run` put into the environment for this program, so that a program
/// started by a chore sees the caller's environment.
pub(crate) fn forget_cargo(command: &mut Command) {
    let ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        let set_by_cargo = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_PRIMARY_"];
        name == "CARGO"
            || name == "LD_LIBRARY_PATH"
            || set_by_cargo.iter().any(|start| name.starts_with(start))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it does not start or does not end with 0.
pub(crate) fn succeed(command: &mut Command) -> Result<(), Trouble> {
    let program = name_of(command);
    let status = command.status().map_err(Trouble::start(&program))?;
    if status.success() {
        return Ok(());
    }
    Err(Trouble::Program { program, says: status.to_string() })
}

/// Runs a command to its end and returns what it printed on stdout.
///
/// # Errors
/// When it does not start or does not end with 0; then with what it printed on stderr.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Trouble> {
    let program = name_of(command);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = output.map_err(Trouble::start(&program))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Trouble::Program { program, says })
}

/// A program's file, looked for along `PATH` and in the folders of system programs, which an
/// ordinary user's `PATH` lacks on Debian.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = command.get_args().take(2).map(OsStr::to_string_lossy);
    let words: Vec<_> = std::iter::once(program.to_string_lossy()).chain(words).collect();
    words.join(" ")
}
