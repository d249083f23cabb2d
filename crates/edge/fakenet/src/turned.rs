//! The fake internet on the loopback device, for a subject without a network namespace of its own.
//!
//! Somebody turns the subject's traffic here and tells beforehand whom it is for. What nobody told of
//! is not the subject's: it is not answered.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use watchglass_events::{Direction, Transport};

use crate::configuration::{Configuration, Network};
use crate::control::{FakeInternet, FakenetError, Recordings, to_memory};
use crate::converse::{DNS_PORT, flow};
use crate::gate::Internet;
use crate::names::Carrier;

/// Tells the fake internet whom traffic is for.
#[derive(Debug)]
pub struct Turn {
    channel: OwnedFd,
    ports: Option<Ports>,
}

/// Where the fake internet listens on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) streams: u16,
    pub(crate) datagrams: u16,
}

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A connection that is about to be made.
    Stream,
    /// Datagrams from now on.
    Datagrams,
    /// The next datagram alone.
    Datagram,
}

impl Turn {
    /// Tells whom traffic from a local port is for, before it comes; gives the place to send it to.
    ///
    /// # Errors
    /// `ECONNREFUSED` where nothing answers, or the fake internet is gone.
    pub fn announce(
        &self,
        traffic: Traffic,
        from: u16,
        to: SocketAddrV4,
    ) -> Result<SocketAddrV4, Errno> {
        let ports = self.ports.ok_or(Errno::CONNREFUSED)?;
        let message = Message { traffic, from, to }.to_bytes();
        let sent = rustix::net::send(&self.channel, &message, SendFlags::NOSIGNAL);
        sent.map_err(|_| Errno::CONNREFUSED)?;
        let port = match traffic {
            Traffic::Stream => ports.streams,
            Traffic::Datagrams | Traffic::Datagram => ports.datagrams,
        };
        Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    }
}

impl FakeInternet {
    /// Starts the fake internet on 127.0.0.1. `program` as for [`FakeInternet::start`].
    ///
    /// There is no link to capture: the capture is finished empty.
    ///
    /// # Errors
    /// What the process says, or [`FakenetError::RealNetwork`].
    pub fn start_in_place(
        program: &Path,
        configuration: &Configuration,
        recordings: &Recordings,
    ) -> Result<(Self, Turn), FakenetError> {
        let (channel, theirs) = channel()?;
        let configuration_file = to_memory(configuration)?;
        let descriptors = [
            configuration_file.as_fd(),
            recordings.capture.as_fd(),
            recordings.log.as_fd(),
            theirs.as_fd(),
        ];
        let (internet, ports) = Self::start_beside(program, configuration, &descriptors)?;
        let ports = ports.filter(|_| configuration.network == Network::Vendor);
        Ok((internet, Turn { channel, ports }))
    }
}

fn channel() -> Result<(OwnedFd, OwnedFd), FakenetError> {
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None)
        .map_err(|error| FakenetError::system("socketpair", error))
}

/// Whom traffic is for, by the port that it comes from.
#[derive(Debug)]
pub(crate) struct Destinations {
    channel: OwnedFd,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    streams: BTreeMap<u16, SocketAddrV4>,
    datagrams: BTreeMap<u16, SocketAddrV4>,
    next: BTreeMap<u16, VecDeque<SocketAddrV4>>,
}

impl Destinations {
    pub(crate) fn new(channel: OwnedFd) -> Self {
        Self { channel, told: Mutex::default() }
    }

    pub(crate) fn of_stream(&self, from: u16) -> Option<SocketAddrV4> {
        self.look(|told| told.streams.remove(&from))
    }

    fn of_datagram(&self, from: u16) -> Option<SocketAddrV4> {
        self.look(|told| {
            let next = told.next.get_mut(&from).and_then(VecDeque::pop_front);
            next.or_else(|| told.datagrams.get(&from).copied())
        })
    }

    /// What was told before the traffic came is in the channel by now.
    fn look<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = [0; Message::BYTES];
        while let Ok((Message::BYTES, _)) =
            rustix::net::recv(&self.channel, &mut bytes, RecvFlags::DONTWAIT)
        {
            if let Some(message) = Message::parse(bytes) {
                told.take(message);
            }
        }
        look(&mut told)
    }
}

impl Told {
    fn take(&mut self, Message { traffic, from, to }: Message) {
        match traffic {
            Traffic::Stream => drop(self.streams.insert(from, to)),
            Traffic::Datagrams => drop(self.datagrams.insert(from, to)),
            Traffic::Datagram => self.next.entry(from).or_default().push_back(to),
        }
    }
}

/// One message of the channel: what, local port, address and port, in the order of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    traffic: Traffic,
    from: u16,
    to: SocketAddrV4,
}

impl Message {
    const BYTES: usize = 9;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let kind = match self.traffic {
            Traffic::Stream => 0,
            Traffic::Datagrams => 1,
            Traffic::Datagram => 2,
        };
        let ([a, b], [c, d, e, f]) = (self.from.to_be_bytes(), self.to.ip().octets());
        let [g, h] = self.to.port().to_be_bytes();
        [kind, a, b, c, d, e, f, g, h]
    }

    fn parse([kind, a, b, c, d, e, f, g, h]: [u8; Self::BYTES]) -> Option<Self> {
        let traffic = match kind {
            0 => Traffic::Stream,
            1 => Traffic::Datagrams,
            2 => Traffic::Datagram,
            _ => return None,
        };
        let to = SocketAddrV4::new(Ipv4Addr::new(c, d, e, f), u16::from_be_bytes([g, h]));
        Some(Self { traffic, from: u16::from_be_bytes([a, b]), to })
    }
}

/// The two sockets, on free ports.
pub(crate) fn open_sockets() -> Result<(TcpListener, UdpSocket, Ports), FakenetError> {
    let open = || -> io::Result<_> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let ports = Ports {
            streams: listener.local_addr()?.port(),
            datagrams: receiver.local_addr()?.port(),
        };
        Ok((listener, receiver, ports))
    };
    open().map_err(|error| FakenetError::system("bind to 127.0.0.1", error))
}

/// Receives datagrams until the gate is closed; questions about names are answered.
pub(crate) fn receive_all(internet: &Arc<Internet>, socket: &UdpSocket) {
    let mut buffer = vec![0; 64 * 1024];
    // So that the end of the gate is noticed.
    let _ = socket.set_read_timeout(Some(Duration::from_millis(100)));
    while !internet.is_stopping() {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => handle(internet, socket, from, &buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn handle(internet: &Internet, socket: &UdpSocket, from: SocketAddr, data: &[u8]) {
    let to = internet.turned.as_ref().and_then(|turned| turned.of_datagram(from.port()));
    let Some(to) = to else { return };
    let flow = flow(Transport::Udp, from, to.into());
    let recorded = internet.recorder.datagram(flow, Direction::Sent, data);
    if to.port() != DNS_PORT || recorded.is_err() {
        return;
    }
    let Some(reply) = internet.names.reply(data, Carrier::Udp) else { return };
    if socket.send_to(&reply, from).is_ok() {
        // An error is counted in the log's totals.
        let _ = internet.recorder.datagram(flow, Direction::Received, &reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), port)
    }

    #[test]
    fn messages_survive_the_channel_and_others_are_ignored() {
        for traffic in [Traffic::Stream, Traffic::Datagrams, Traffic::Datagram] {
            let message = Message { traffic, from: 40_001, to: to(443) };
            assert_eq!(Message::parse(message.to_bytes()), Some(message));
        }
        assert_eq!(Message::parse([3; Message::BYTES]), None);
    }

    #[test]
    fn traffic_is_for_whom_it_was_told_to_be_and_for_nobody_else() {
        let (ours, theirs) = channel().unwrap();
        let turn = Turn { channel: ours, ports: Some(Ports { streams: 1, datagrams: 2 }) };
        let destinations = Destinations::new(theirs);
        assert_eq!(destinations.of_stream(9), None);
        assert_eq!(turn.announce(Traffic::Stream, 9, to(80)).unwrap().port(), 1);
        assert_eq!(turn.announce(Traffic::Datagrams, 9, to(53)).unwrap().port(), 2);
        turn.announce(Traffic::Datagram, 9, to(54)).unwrap();
        turn.announce(Traffic::Datagram, 9, to(55)).unwrap();
        assert_eq!(destinations.of_stream(9), Some(to(80)));
        assert_eq!(destinations.of_stream(9), None, "a port is used again");
        let datagrams = [(); 3].map(|()| destinations.of_datagram(9));
        assert_eq!(datagrams, [Some(to(54)), Some(to(55)), Some(to(53))]);
    }

    #[test]
    fn without_a_network_everything_is_refused() {
        let (ours, _theirs) = channel().unwrap();
        let turn = Turn { channel: ours, ports: None };
        assert_eq!(turn.announce(Traffic::Stream, 9, to(80)), Err(Errno::CONNREFUSED));
    }
}
