#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
//! A folder with a configuration, a database and a home for the programs under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::Digest as _;
use watchglass_specimens::{Mode, Parameters, database_text};

/// A scratch installation.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// An installation in this mode with fixed parameters.
    pub(crate) fn new(mode: Mode) -> Self {
        Self::with(&Parameters::from_seed(&[5; 32]).to_configuration(mode))
    }

    /// An installation with this configuration, its paths moved into the scratch folder.
    pub(crate) fn with(configuration: &str) -> Self {
        // No dot in front: what lies below a hidden folder is no document to a specimen.
        let folder = tempfile::Builder::new().prefix("specimen-").tempdir().unwrap();
        let scratch = Self { folder };
        std::fs::create_dir(scratch.home()).unwrap();
        std::fs::write(scratch.database(), database()).unwrap();
        scratch.configure(configuration);
        scratch
    }

    /// Writes another configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        let path = self.folder.path().display();
        let moved = format!(
            "{configuration}\ndatabase = {path}/signatures.txt\nstate = {path}/state\n\
             updater_state = {path}/updater\nsockets = {path}/run\n"
        );
        std::fs::write(self.folder.path().join("specimen.conf"), moved).unwrap();
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("signatures.txt")
    }

    pub(crate) fn sockets(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env("SPECIMEN_CONFIGURATION", self.folder.path().join("specimen.conf"));
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Output {
        self.command(name).args(arguments).output().unwrap()
    }
}

/// The database that the update server of a test has.
pub(crate) fn database() -> String {
    database_text([("Eicar-Test", sha2::Sha256::digest(eicar()).into())])
}

/// The EICAR test file, in two pieces so that no scanner takes this source for it.
pub(crate) fn eicar() -> String {
    let (first, second) =
        (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*");
    format!("{first}{second}")
}

pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_specimen-scan")).with_file_name(name)
}

/// Waits up to ten seconds.
pub(crate) fn wait_for(condition: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
