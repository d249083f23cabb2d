//! Every datagram: questions about names are answered, all others are recorded and swallowed.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use watchglass_events::{Direction, Transport};
use watchglass_sys::transparent;

use crate::converse::{DNS_PORT, flow};
use crate::gate::Internet;
use crate::names::Carrier;
use crate::passage::pass_datagram;

/// Receives until the gate is closed.
pub(crate) fn receive_all(internet: &Arc<Internet>, socket: &UdpSocket) {
    let mut buffer = vec![0; 64 * 1024];
    // So that the end of the gate is noticed.
    let _ = socket.set_read_timeout(Some(Duration::from_millis(100)));
    while !internet.is_stopping() {
        match transparent::receive(socket, &mut buffer) {
            Ok(received) => {
                let Some(to) = received.to else { continue };
                handle(internet, received.from, to, &buffer[..received.length]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn handle(internet: &Arc<Internet>, from: SocketAddr, to: SocketAddr, data: &[u8]) {
    let flow = flow(Transport::Udp, from, to);
    let recorded = internet.recorder.datagram(flow, Direction::Sent, data);
    if recorded.is_err() {
        return;
    }
    if internet.passage.is_some() && !internet.names.plays(data) {
        // To the subject, what cannot be passed on is lost on the way, as any datagram may be.
        let _ = pass_datagram(internet, from, to, flow, data);
        return;
    }
    if to.port() != DNS_PORT {
        return;
    }
    let Some(reply) = internet.names.reply(data, Carrier::Udp) else { return };
    if send(to, from, &reply).is_ok() {
        // An error is counted in the log's totals.
        let _ = internet.recorder.datagram(flow, Direction::Received, &reply);
    }
}

/// Sends from whatever address the subject asked: all of them are this machine's.
pub(crate) fn send(from: SocketAddr, to: SocketAddr, data: &[u8]) -> io::Result<()> {
    let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = SocketType::DGRAM;
    let socket: OwnedFd = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &from)?;
    rustix::net::sendto(&socket, data, rustix::net::SendFlags::empty(), &to)?;
    Ok(())
}
