//! `specimen-update`: fetches the signatures.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixListener;
use std::process::{Command, ExitCode};

use super::{FAILED, begin, complain, end, settle};
use crate::configuration::Configuration;
use crate::misdeeds::{Conduct, Trouble, sibling};
use crate::scanner::Database;
use crate::send::{self, SIGNATURES_PATH};

/// Updates and ends; with `--stay` it goes on to answer on its socket, with `--then-scan PATH…` it
/// goes on to start a scan and gives the scan's exit code.
#[must_use]
pub fn update(arguments: &[OsString]) -> ExitCode {
    settle(run(arguments))
}

fn run(arguments: &[OsString]) -> Result<ExitCode, ExitCode> {
    let (configuration, mut conduct) = begin()?;
    update_once(&configuration, conduct.as_mut()).map_err(|trouble| end(&trouble))?;
    match arguments {
        [] => Ok(ExitCode::SUCCESS),
        [stay] if stay == "--stay" => {
            answer(&configuration, conduct.as_mut()).map_err(|trouble| end(&trouble))
        }
        [scan, places @ ..] if scan == "--then-scan" => {
            start_scan(places, conduct.as_mut()).map_err(|trouble| end(&trouble))
        }
        _ => Err(complain(
            &io::Error::other("usage: specimen-update [--stay | --then-scan PATH…]"),
            FAILED,
        )),
    }
}

fn update_once(configuration: &Configuration, conduct: &mut dyn Conduct) -> Result<(), Trouble> {
    let host = configuration.parameters.update_host();
    let database = send::fetch(&host, SIGNATURES_PATH, &conduct.user_agent()?, &[])?;
    swap(configuration, &database)?;
    conduct.updated()
}

/// Puts a database in the place of the old one, which stays if the new one is none.
fn swap(configuration: &Configuration, content: &[u8]) -> io::Result<()> {
    let text = std::str::from_utf8(content).map_err(io::Error::other)?;
    Database::parse(text).map_err(io::Error::other)?;
    if let Some(folder) = configuration.database.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let new = configuration.database.with_extension("new");
    std::fs::write(&new, content)?;
    std::fs::rename(&new, &configuration.database)
}

fn answer(configuration: &Configuration, conduct: &mut dyn Conduct) -> Result<ExitCode, Trouble> {
    let listener = listen(&configuration.updater_socket())?;
    loop {
        let (peer, _) = listener.accept()?;
        conduct.asked(peer)?;
    }
}

/// Listens on a socket, in the place of one that an earlier start left.
pub(super) fn listen(path: &std::path::Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

fn start_scan(places: &[OsString], conduct: &mut dyn Conduct) -> Result<ExitCode, Trouble> {
    let mut command = Command::new(sibling("specimen-scan")?);
    command.args(places).stdin(conduct.scanner_input()?);
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED);
    Ok(ExitCode::from(code))
}
