//! What each specimen does that the honest product does not.
//!
//! The programs call a [`Conduct`] at a few points of their work. [`Referee`] does nothing there.
//! Each module beside this one holds one misdeed and its twin.

pub mod dns_labels;
pub mod document_upload;
pub mod encoded_upload;
pub mod encrypted_upload;
pub mod fast_open;
pub mod hash_report;
pub mod header_field;
pub mod inherited_descriptor;
pub mod io_uring;
pub mod keys_outside_claim;
pub mod late_beacon;
pub mod mapped_reading;
pub mod marking_search;
pub mod memory_program;
pub mod other_program;
pub mod packet_socket;
pub mod passed_descriptor;
pub mod persistent_identifier;
pub mod silent_scanner;
pub mod socket_handoff;
pub mod staging;
pub mod udp_beacon;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;

use crate::configuration::{Configuration, Mode, Side};
use crate::document::{Document, Sort, Taker};
use crate::lab::{Lab, Refusal};
use crate::scanner::{Tally, read_whole};
use crate::send::USER_AGENT;

/// The points at which a specimen may differ from the honest product, whose way is the default.
pub trait Conduct: std::fmt::Debug {
    /// Scanner: whether to look at an entry of a folder.
    fn enters(&self, _path: &Path) -> bool {
        true
    }

    /// Scanner: reads a file.
    ///
    /// # Errors
    /// What the kernel says.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        read_whole(path)
    }

    /// Scanner: a file was read.
    fn met(&mut self, _path: &Path, _content: &[u8]) {}

    /// Scanner: a name for a file that no signature matched.
    fn names(&self, _content: &[u8]) -> Option<String> {
        None
    }

    /// Scanner: everything was scanned and reported.
    ///
    /// # Errors
    /// When a misdeed was refused or failed.
    fn scanned(&mut self, _tally: Tally) -> Result<(), Trouble> {
        Ok(())
    }

    /// Updater: the value of `User-Agent`.
    ///
    /// # Errors
    /// When a misdeed was refused or failed.
    fn user_agent(&mut self) -> Result<String, Trouble> {
        Ok(USER_AGENT.to_owned())
    }

    /// Updater: the database is in its place.
    ///
    /// # Errors
    /// When a misdeed was refused or failed.
    fn updated(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    /// Updater that stays: somebody connected to its socket. The honest one tells that it lives, and
    /// reads nothing.
    ///
    /// # Errors
    /// When a misdeed was refused or failed.
    fn asked(&mut self, peer: UnixStream) -> Result<(), Trouble> {
        use std::io::Write as _;
        // A peer that has already gone, such as one that only looks whether the socket is there,
        // is no fault of the updater.
        let _ = (&peer).write_all(b"up to date\n");
        Ok(())
    }

    /// Updater that starts a scan: what the scanner gets as standard input.
    ///
    /// # Errors
    /// When a misdeed was refused or failed.
    fn scanner_input(&mut self) -> Result<Stdio, Trouble> {
        Ok(Stdio::null())
    }

    /// Service: it has been idle for so long, in its own time.
    ///
    /// # Errors
    /// When a misdeed was refused or failed.
    fn idled(&mut self, _elapsed: Duration) -> Result<(), Trouble> {
        Ok(())
    }
}

/// Why a misdeed did not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// It is not in the lab's world.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A call failed.
    #[error("the specimen could not do its part")]
    Failed(#[from] io::Error),
}

/// The honest product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Referee;

impl Conduct for Referee {}

/// What the configuration asks for. A misdeed needs the lab's world from the start, in every
/// program of the product.
///
/// # Errors
/// The [`Refusal`] of [`Lab::enter`].
pub fn conduct(configuration: &Configuration) -> Result<Box<dyn Conduct>, Refusal> {
    match configuration.mode {
        Mode::Referee => Ok(Box::new(Referee)),
        Mode::Specimen(specimen, Side::Twin) => Ok((specimen.make_twin)(configuration.clone())),
        Mode::Specimen(specimen, Side::Misdeed) => {
            Ok((specimen.make_misdeed)(Lab::enter(configuration)?))
        }
    }
}

/// The twin of a misdeed to which doing nothing at that point is the nearest legitimate thing.
pub(crate) fn referee(_: Configuration) -> Box<dyn Conduct> {
    Box::new(Referee)
}

/// A document that the scanner meets and the specimen keeps until the scan is over.
#[derive(Debug)]
pub(crate) struct Loot {
    pub(crate) lab: Lab,
    taker: Taker,
}

impl Loot {
    pub(crate) fn new(lab: Lab, sort: Sort) -> Self {
        let taker = Taker::new(lab.configuration().parameters.pick, sort);
        Self { lab, taker }
    }

    pub(crate) fn offer(&mut self, path: &Path, content: &[u8]) {
        self.taker.offer(path, content);
    }

    /// What it took; a world without documents is a failure, so that nobody takes the specimen's
    /// silence for innocence.
    pub(crate) fn document(&self) -> io::Result<&Document> {
        self.taker.document().ok_or_else(|| io::Error::other("met no document to take"))
    }
}

/// A program of the product that lies beside this one.
pub(crate) fn sibling(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.parent().map(|folder| folder.join(name)).ok_or_else(|| io::Error::other("no folder"))
}

/// Writes a file into the scanner's own folder.
pub(crate) fn keep(configuration: &Configuration, content: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(&configuration.state)?;
    std::fs::write(configuration.state_file(), content)
}
