//! `--network real`: passes on what the subject says, and records it on the way.
//!
//! The gate stays in its own namespace. One thread enters the lab's network, gives up every
//! capability, and from then on makes sockets: a socket belongs to the network of the thread that
//! made it, so the others use them and never leave. TLS is not opened, since the lab's authority has
//! no business with the subject's real peers: what goes inside is recorded as it is on the link.
//!
//! The machine and private networks are not the internet. Addresses that are not public are refused,
//! as are the machine's own; a neighbour with a public address is not told from anybody else. The
//! documentation ranges, which nobody has, are left for tests.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::thread::LinkNameSpaceType;
use watchglass_events::{Direction, Flow, How};

use crate::control::FakenetError;
use crate::converse::DNS_PORT;
use crate::datagrams;
use crate::gate::Internet;
use crate::record::StreamRecord;
use crate::wire::ending;

/// The way out to the real network.
#[derive(Debug)]
pub(crate) struct Passage {
    asks: SyncSender<Ask>,
    /// Who answers what the subject asks the gate's name server.
    resolver: SocketAddr,
    /// The gate's own addresses, where its name server is.
    gate: [IpAddr; 2],
    /// Datagram sockets by both ends of their flows.
    flows: Mutex<BTreeMap<(SocketAddr, SocketAddr), Arc<UdpSocket>>>,
}

/// A socket that somebody wants.
#[derive(Debug)]
struct Ask {
    family: AddressFamily,
    kind: SocketType,
    answer: SyncSender<io::Result<OwnedFd>>,
}

impl Passage {
    /// Starts the thread that makes sockets in `outside`.
    pub(crate) fn open(
        outside: OwnedFd,
        resolver: SocketAddr,
        gate: [IpAddr; 2],
    ) -> Result<Self, FakenetError> {
        let (asks, asked) = sync_channel(0);
        let (ready, entered) = sync_channel(1);
        let thread = std::thread::Builder::new().name("outside".to_owned());
        let spawned = thread.spawn(move || {
            let done = enter(&outside);
            let entered = done.is_ok();
            let _ = ready.send(done);
            if entered {
                make_sockets(&asked);
            }
        });
        spawned.map_err(|error| FakenetError::system("thread", error))?;
        entered.recv().unwrap_or(Err(FakenetError::Ended))?;
        Ok(Self { asks, resolver, gate, flows: Mutex::default() })
    }

    /// Where a flow to this end really goes; an error says why it goes nowhere.
    fn destination(&self, to: SocketAddr) -> io::Result<SocketAddr> {
        if to.port() == DNS_PORT && self.gate.contains(&to.ip()) {
            return Ok(self.resolver);
        }
        if let Some(why) = reason_to_refuse(to.ip()) {
            return Err(io::Error::other(why));
        }
        // A datagram socket learns its own address from the route, without sending anything.
        let probe = self.socket(to, SocketType::DGRAM)?;
        rustix::net::connect(&probe, &to)?;
        match rustix::net::getsockname(&probe)?.try_into() {
            Ok(own) if SocketAddr::ip(&own) == to.ip() => {
                Err(io::Error::other("it is an address of the lab's machine"))
            }
            _ => Ok(to),
        }
    }

    fn socket(&self, to: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let (answer, made) = sync_channel(1);
        let gone = || io::Error::other("the way out is closed");
        self.asks.send(Ask { family, kind, answer }).map_err(|_| gone())?;
        made.recv().map_err(|_| gone())?
    }

    fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let to = self.destination(to)?;
        let socket = self.socket(to, SocketType::STREAM)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(CONNECT_TIME))?;
        rustix::net::connect(&socket, &to)?;
        Ok(socket.into())
    }

    /// The socket of a datagram flow, and whether it is a new one.
    fn datagram_socket(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        limit: usize,
    ) -> io::Result<(Arc<UdpSocket>, bool)> {
        if let Some(socket) = self.flows().get(&(from, to)) {
            return Ok((Arc::clone(socket), false));
        }
        let far = self.destination(to)?;
        let socket = self.socket(far, SocketType::DGRAM)?;
        rustix::net::connect(&socket, &far)?;
        let socket = Arc::new(UdpSocket::from(socket));
        let mut flows = self.flows();
        if flows.len() >= limit {
            return Err(io::Error::other("too many flows at one time"));
        }
        flows.insert((from, to), Arc::clone(&socket));
        Ok((socket, true))
    }

    fn flows(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<(SocketAddr, SocketAddr), Arc<UdpSocket>>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn enter(outside: &OwnedFd) -> Result<(), FakenetError> {
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(outside.as_fd(), kind)
        .map_err(|error| FakenetError::system("setns to the lab's network", error))?;
    crate::process::give_up_capabilities()
}

fn make_sockets(asked: &Receiver<Ask>) {
    while let Ok(Ask { family, kind, answer }) = asked.recv() {
        let made = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None);
        let _ = answer.send(made.map_err(Into::into));
    }
}

/// Joins a stream of the subject to its real peer, to the end of both.
pub(crate) fn pass_stream(
    internet: &Internet,
    passage: &Passage,
    socket: TcpStream,
    flow: Flow,
    to: SocketAddr,
) {
    let reset = |socket: &TcpStream| {
        let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    };
    let Ok(record) = internet.recorder.open(flow, None, SERVICE) else { return reset(&socket) };
    match passage.connect(to) {
        Ok(far) => {
            let how = relay(internet, &socket, &far, record);
            if how != How::Finished {
                reset(&socket);
            }
        }
        Err(error) => {
            reset(&socket);
            record.close(How::Limit(format!("not passed on: {error}")));
        }
    }
}

/// Both directions of a stream, with one record.
struct Relay<'a> {
    internet: &'a Internet,
    record: Mutex<StreamRecord>,
    ends_at: Instant,
}

fn relay(internet: &Internet, near: &TcpStream, far: &TcpStream, record: StreamRecord) -> How {
    let ends_at = Instant::now() + Duration::from_secs(internet.limits.stream_seconds);
    let relay = Relay { internet, record: Mutex::new(record), ends_at };
    let how = std::thread::scope(|scope| {
        let back = scope.spawn(|| relay.pump(far, near, Direction::Received));
        let there = relay.pump(near, far, Direction::Sent);
        let back = back.join().unwrap_or(Err(How::Reset));
        there.and(back).err().unwrap_or(How::Finished)
    });
    let record = relay.record.into_inner().unwrap_or_else(PoisonError::into_inner);
    record.close(how.clone());
    how
}

impl Relay<'_> {
    /// One direction, to its end. One that fails ends the other too.
    fn pump(&self, from: &TcpStream, to: &TcpStream, direction: Direction) -> Result<(), How> {
        let done = self.pump_all(from, to, direction);
        match &done {
            Ok(()) => {
                let _ = to.shutdown(Shutdown::Write);
            }
            Err(_) => {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            }
        }
        done
    }

    fn pump_all(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        direction: Direction,
    ) -> Result<(), How> {
        let patience = Duration::from_secs(self.internet.limits.idle_seconds.max(1));
        from.set_read_timeout(Some(SLICE)).map_err(ending)?;
        to.set_write_timeout(Some(patience)).map_err(ending)?;
        let (mut buffer, mut heard) = (vec![0; 64 * 1024], Instant::now());
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    heard = Instant::now();
                    self.note(direction, &buffer[..length])?;
                    to.write_all(&buffer[..length]).map_err(ending)?;
                }
                Err(error) if is_silence(&error) => {}
                Err(error) => return Err(ending(error)),
            }
            if self.internet.is_stopping() {
                return Err(How::Limit("the run was over".to_owned()));
            }
            if heard.elapsed() > patience || Instant::now() > self.ends_at {
                return Err(How::Limit("it took too long".to_owned()));
            }
        }
    }

    fn note(&self, direction: Direction, data: &[u8]) -> Result<(), How> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || How::Limit("the gate's log is full".to_owned());
        record.data(direction, data).map_err(|_| full())?;
        let limit = self.internet.limits.stream_bytes;
        if record.bytes() > limit {
            return Err(How::Limit(format!("over {limit} bytes")));
        }
        Ok(())
    }
}

/// Sends a datagram of the subject, which is recorded already, to its real end. Replies are recorded
/// and given to the subject until none has come for a while.
pub(crate) fn pass_datagram(
    internet: &Arc<Internet>,
    from: SocketAddr,
    to: SocketAddr,
    flow: Flow,
    data: &[u8],
) -> io::Result<()> {
    let Some(passage) = &internet.passage else { return Ok(()) };
    let (socket, is_new) = passage.datagram_socket(from, to, internet.limits.streams)?;
    socket.send(data)?;
    if is_new {
        let internet = Arc::clone(internet);
        let thread = std::thread::Builder::new().name("replies".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || {
            replies(&internet, &socket, from, to, flow);
            if let Some(passage) = &internet.passage {
                passage.flows().remove(&(from, to));
            }
        })?;
    }
    Ok(())
}

fn replies(internet: &Internet, socket: &UdpSocket, from: SocketAddr, to: SocketAddr, flow: Flow) {
    let (mut buffer, mut heard) = (vec![0; 64 * 1024], Instant::now());
    if socket.set_read_timeout(Some(SLICE)).is_err() {
        return;
    }
    while !internet.is_stopping() && heard.elapsed() < DATAGRAM_SILENCE {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                heard = Instant::now();
                let recorded =
                    internet.recorder.datagram(flow, Direction::Received, &buffer[..length]);
                if recorded.is_err() || datagrams::send(to, from, &buffer[..length]).is_err() {
                    return;
                }
            }
            Err(error) if is_silence(&error) => {}
            // A port that nobody listens on is told like this; the next datagram may do.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Why nothing is sent to an address, if so. RFC 6890 lists what is no public address.
fn reason_to_refuse(address: IpAddr) -> Option<&'static str> {
    const NOT_PUBLIC: &str = "it is no public address";
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = a == 0
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (a == 100 && b & 0xc0 == 64)
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && b & 0xfe == 18)
                || a >= 224;
            special.then_some(NOT_PUBLIC)
        }
        IpAddr::V6(v6) => {
            let documentation = v6.segments()[..2] == [0x2001, 0xdb8];
            // Only 2000::/3 is given out; what carries an IPv4 address in it may lead anywhere.
            let public = v6.segments()[0] & 0xe000 == 0x2000 && !is_transition(v6);
            (!public && !documentation).then_some(NOT_PUBLIC)
        }
    }
}

/// 6to4 and Teredo.
fn is_transition(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    first == 0x2002 || (first, second) == (0x2001, 0)
}

/// The service of a stream that was passed on.
const SERVICE: &str = "passed on";
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// How often a waiting thread looks whether the run is over.
const SLICE: Duration = Duration::from_millis(200);
const DATAGRAM_SILENCE: Duration = Duration::from_secs(30);
const STACK_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> bool {
        reason_to_refuse(address.parse().unwrap()).is_some()
    }

    #[test]
    fn the_machine_and_private_networks_are_not_the_internet() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fd77::1",
            "fe80::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001::1",
        ] {
            assert!(refused(address), "{address}");
        }
    }

    #[test]
    fn the_internet_is_let_through() {
        for address in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.2.7",
            "198.20.0.1",
            "203.0.113.9",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:db8::7",
            "2001:4860::8888",
        ] {
            assert!(!refused(address), "{address}");
        }
    }
}
