//! `specimen-service`: scans what it is asked to, and idles.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use super::update::listen;
use super::{begin, end, open_database, settle};
use crate::configuration::Configuration;
use crate::misdeeds::{Conduct, Trouble};
use crate::scanner::{Database, scan};

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_secs(10 * 60);

/// Longest path that a peer may ask for: `PATH_MAX` of Linux, and the end of the line.
const MAX_REQUEST_BYTES: u64 = 4097;

/// Answers on its socket until it is stopped.
#[must_use]
pub fn service(_: &[std::ffi::OsString]) -> ExitCode {
    settle(run())
}

fn run() -> Result<ExitCode, ExitCode> {
    let (configuration, mut conduct) = begin()?;
    let database = open_database(&configuration)?;
    let listener = listen(&configuration.service_socket());
    let listener = listener.map_err(|error| end(&Trouble::Failed(error)))?;
    let asked = configuration.clone();
    // A thread of its own for requests: the idle loop must not wait for a peer.
    thread::spawn(move || {
        for peer in listener.incoming().flatten() {
            // One peer's trouble is not the next one's.
            let _ = answer(&asked, &database, &peer);
        }
    });
    let begun = Instant::now();
    loop {
        thread::sleep(TICK);
        idle(&configuration, conduct.as_mut(), begun.elapsed()).map_err(|trouble| end(&trouble))?;
    }
}

/// The honest part of idling: whether the database is still there.
fn idle(
    configuration: &Configuration,
    conduct: &mut dyn Conduct,
    elapsed: Duration,
) -> Result<(), Trouble> {
    std::fs::metadata(&configuration.database)?;
    conduct.idled(elapsed)
}

fn answer(configuration: &Configuration, database: &Database, peer: &UnixStream) -> io::Result<()> {
    let mut line = Vec::new();
    BufReader::new(peer.take(MAX_REQUEST_BYTES)).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Ok(());
    }
    let place = PathBuf::from(std::ffi::OsString::from_vec(line));
    let mut conduct = crate::misdeeds::conduct(configuration).map_err(io::Error::other)?;
    let mut report = io::BufWriter::new(peer);
    let tally = scan(database, &[place], conduct.as_mut(), &mut report)?;
    writeln!(report, "{END} {}", tally.exit_code())?;
    report.flush()?;
    conduct.scanned(tally).map_err(io::Error::other)
}

/// Begins the last line of an answer, which ends with the exit code for the asker. No line about a
/// file begins so, since paths are absolute or were given by the asker.
pub(super) const END: &str = "=";
