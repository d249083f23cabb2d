//! The updater tells a host that nobody claims that it lives. ATT&CK T1095.
//!
//! One datagram without content after each update. The twin updates and says nothing more.

use std::net::UdpSocket;

use super::{Conduct, Trouble};
use crate::lab::Lab;

/// Beacons.
#[derive(Debug)]
struct Misdeed(Lab);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(lab))
}

impl Conduct for Misdeed {
    fn updated(&mut self) -> Result<(), Trouble> {
        let collector = self.0.collector()?;
        UdpSocket::bind("0.0.0.0:0")?.send_to(b"alive", collector.address)?;
        Ok(())
    }
}
