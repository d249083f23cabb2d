//! Makes the calls of a subject that reach others, in its stead, where no network namespace keeps it
//! in.
//!
//! What a thread passes in memory another thread can change before the kernel reads it, so the
//! kernel never reads it: the tracer reads the address once, takes a duplicate of the subject's
//! socket, makes the call on it with an address of its own, and the subject is told the result. The
//! subject's own `connect`, `listen`, `sendmsg` and `sendto` with an address never run. Every
//! socket of the internet that reaches anybody was bound to 127.0.0.1 before, and the kernel routes
//! nothing from there to another device (`__mkroute_output` in net/ipv4/route.c).
#![expect(
    clippy::disallowed_methods,
    reason = "calls of the subject, to the fake internet on the loopback device alone"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketType, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};
use watchglass_events::Peer;

use super::address::{MessageHead, word};
use super::calls::Kind;
use super::lead::Leader;
use super::observe::{Before, descriptor, low_half};
use super::peek::Peek;

/// Leads to the fake internet.
pub trait Gate: Send + Sync + std::fmt::Debug {
    /// Tells the fake internet whom the traffic from this local port is for, before it comes, and
    /// gives the place on the loopback device where it goes.
    ///
    /// # Errors
    /// What the subject is told, such as `ECONNREFUSED` where nothing answers.
    fn announce(
        &self,
        traffic: Traffic,
        from: u16,
        to: SocketAddrV4,
    ) -> Result<SocketAddrV4, Errno>;
}

/// What is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A connection that is about to be made.
    Stream,
    /// Datagrams from now on.
    Datagrams,
    /// The next datagram alone.
    Datagram,
}

/// Makes the calls.
#[derive(Debug)]
pub(super) struct Turner {
    leader: Arc<Leader>,
    gate: Arc<dyn Gate>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) pid: u32,
    pub(super) tid: u32,
}

type Answer = Result<i64, Errno>;

/// Whether sockets can be taken over: takes a duplicate of a descriptor of this very process.
///
/// # Errors
/// What the kernel, or a filter before it, says.
pub fn probe_turning() -> std::io::Result<()> {
    let own = rustix::fs::memfd_create("probe", rustix::fs::MemfdFlags::CLOEXEC)?;
    let process = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    let (number, none) = (own.as_raw_fd(), PidfdGetfdFlags::empty());
    Ok(rustix::process::pidfd_getfd(&process, number, none).map(drop)?)
}

impl Turner {
    pub(super) fn new(leader: Arc<Leader>, gate: Arc<dyn Gate>) -> Self {
        Self { leader, gate }
    }

    /// Whether a call is made here and not by its caller. Only what stands in registers decides.
    pub(super) fn takes(kind: Kind, arguments: &[u64; 6]) -> bool {
        match kind {
            Kind::Connect | Kind::Listen | Kind::SendMessage | Kind::SendMessages => true,
            Kind::SendTo => arguments[4] != 0,
            _ => false,
        }
    }

    /// Makes the call; what it returned, errors as negative numbers.
    pub(super) fn make(
        &self,
        peek: &Peek,
        caller: Caller,
        kind: Kind,
        arguments: &[u64; 6],
        before: Option<&Before>,
        socket: &OwnedFd,
    ) -> i64 {
        let made = match (kind, before) {
            (Kind::Connect, Some(Before::Peer(peer))) => {
                self.connect(peek, caller, socket, peer.as_ref())
            }
            (Kind::SendTo, Some(Before::Peer(peer))) => {
                self.send_to(peek, caller, socket, arguments, peer.as_ref())
            }
            (Kind::SendMessage, Some(Before::Messages(messages))) => {
                let peer = messages.first().and_then(|message| message.peer.as_ref());
                self.send_message(peek, caller, socket, arguments, peer)
            }
            (Kind::SendMessages, Some(Before::Messages(messages))) => {
                let peers = messages.iter().map(|message| message.peer.as_ref());
                self.send_messages(peek, caller, socket, arguments, peers)
            }
            (Kind::Listen, _) => listen(socket, arguments),
            _ => Err(Errno::PERM),
        };
        made.unwrap_or_else(|error| -i64::from(error.raw_os_error()))
    }

    fn connect(
        &self,
        peek: &Peek,
        caller: Caller,
        socket: &OwnedFd,
        peer: Option<&Peer>,
    ) -> Answer {
        match peer.ok_or(Errno::FAULT)? {
            Peer::Internet { address: IpAddr::V4(address), port } => {
                self.connect_internet(socket, SocketAddrV4::new(*address, *port))?;
            }
            Peer::Unix(name) => {
                let (_held, place) = self.unix(peek, caller, name.as_bytes())?;
                patiently(socket, || rustix::net::connect(socket, &place))?;
            }
            // AF_UNSPEC: the association of a datagram socket ends.
            Peer::Other { family: 0, .. } => rustix::net::connect_unspec(socket)?,
            Peer::Internet { .. } | Peer::Other { .. } => return Err(Errno::AFNOSUPPORT),
        }
        Ok(0)
    }

    fn connect_internet(&self, socket: &OwnedFd, to: SocketAddrV4) -> Result<(), Errno> {
        let traffic = match sockopt::socket_type(socket)? {
            SocketType::STREAM => Traffic::Stream,
            _ => Traffic::Datagrams,
        };
        let from = bound_to_loopback(socket)?;
        let to = self.gate.announce(traffic, from, to)?;
        patiently(socket, || rustix::net::connect(socket, &to))
    }

    /// A Unix socket of the subject's own. The descriptor holds the place while it is used.
    fn unix(
        &self,
        peek: &Peek,
        caller: Caller,
        name: &[u8],
    ) -> Result<(OwnedFd, SocketAddrUnix), Errno> {
        let folder = peek.working_folder(caller.tid);
        let held = self.leader.socket(name, folder.as_deref()).ok_or(Errno::CONNREFUSED)?;
        let place = SocketAddrUnix::new(format!("/proc/self/fd/{}", held.as_raw_fd()))?;
        Ok((held, place))
    }

    fn send_to(
        &self,
        peek: &Peek,
        caller: Caller,
        socket: &OwnedFd,
        arguments: &[u64; 6],
        peer: Option<&Peer>,
    ) -> Answer {
        let data = whole(caller, arguments[1], arguments[2])?;
        let peer = peer.ok_or(Errno::FAULT)?;
        self.deliver(peek, caller, socket, Some(peer), &data, arguments[3])
    }

    fn send_message(
        &self,
        peek: &Peek,
        caller: Caller,
        socket: &OwnedFd,
        arguments: &[u64; 6],
        peer: Option<&Peer>,
    ) -> Answer {
        let head = Peek::bytes::<{ MessageHead::BYTES }>(caller.tid, arguments[1]);
        let head = head.and_then(|head| MessageHead::parse(&head)).ok_or(Errno::FAULT)?;
        let data = payload(caller, &head)?;
        self.deliver(peek, caller, socket, peer, &data, arguments[2])
    }

    fn send_messages<'a>(
        &self,
        peek: &Peek,
        caller: Caller,
        socket: &OwnedFd,
        arguments: &[u64; 6],
        peers: impl Iterator<Item = Option<&'a Peer>>,
    ) -> Answer {
        let mut sent = 0;
        for (peer, place) in peers.zip(0_u64..) {
            let address = arguments[1].wrapping_add(place.wrapping_mul(MESSAGE_BYTES));
            match self.one_of_many(peek, caller, socket, peer, address, arguments[3]) {
                Ok(()) => sent += 1,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    fn one_of_many(
        &self,
        peek: &Peek,
        caller: Caller,
        socket: &OwnedFd,
        peer: Option<&Peer>,
        address: u64,
        flags: u64,
    ) -> Result<(), Errno> {
        let head = Peek::bytes::<{ MessageHead::BYTES }>(caller.tid, address);
        let head = head.and_then(|head| MessageHead::parse(&head)).ok_or(Errno::FAULT)?;
        let data = payload(caller, &head)?;
        let sent = self.deliver(peek, caller, socket, peer, &data, flags)?;
        let length = u32::try_from(sent).unwrap_or(0).to_ne_bytes();
        peek.write(caller.tid, address.wrapping_add(MessageHead::BYTES as u64), &length)
    }

    fn deliver(
        &self,
        peek: &Peek,
        caller: Caller,
        socket: &OwnedFd,
        peer: Option<&Peer>,
        data: &[u8],
        flags: u64,
    ) -> Answer {
        let asked = SendFlags::from_bits_truncate(low_half(flags) & SAFE_FLAGS);
        // The tracer neither waits nor dies for one subject.
        let flags_now = asked | SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let is_stream = sockopt::socket_type(socket)? == SocketType::STREAM;
        let sent = match peer {
            None => rustix::net::send(socket, data, flags_now),
            Some(Peer::Internet { address: IpAddr::V4(address), port }) => {
                let to = SocketAddrV4::new(*address, *port);
                if is_stream {
                    self.send_at_once(socket, to, data, flags, flags_now)
                } else {
                    let from = bound_to_loopback(socket)?;
                    let to = self.gate.announce(Traffic::Datagram, from, to)?;
                    rustix::net::sendto(socket, data, flags_now, &to)
                }
            }
            Some(Peer::Unix(_)) if is_stream => rustix::net::send(socket, data, flags_now),
            Some(Peer::Unix(name)) => {
                let (_held, place) = self.unix(peek, caller, name.as_bytes())?;
                rustix::net::sendto(socket, data, flags_now, &place)
            }
            Some(Peer::Internet { .. } | Peer::Other { .. }) => Err(Errno::AFNOSUPPORT),
        };
        match sent {
            Ok(sent) => i64::try_from(sent).map_err(|_| Errno::MSGSIZE),
            // It asked to wait, so it is told to ask again.
            Err(Errno::AGAIN) if waits(socket, asked) => Err(Errno::INTR),
            Err(error) => Err(error),
        }
    }

    /// TCP Fast Open: the connection is made first, since the address must be ours.
    fn send_at_once(
        &self,
        socket: &OwnedFd,
        to: SocketAddrV4,
        data: &[u8],
        flags: u64,
        flags_now: SendFlags,
    ) -> Result<usize, Errno> {
        if low_half(flags) & MSG_FASTOPEN != 0 && rustix::net::getpeername(socket).is_err() {
            self.connect_internet(socket, to)?;
        }
        rustix::net::send(socket, data, flags_now)
    }
}

/// Only Unix sockets are listened on: a port would be open to the whole machine, and beyond.
fn listen(socket: &OwnedFd, arguments: &[u64; 6]) -> Answer {
    if sockopt::socket_domain(socket)? != AddressFamily::UNIX {
        return Err(Errno::ACCESS);
    }
    rustix::net::listen(socket, low_half(arguments[1]).cast_signed())?;
    Ok(0)
}

/// The subject's socket, as the tracer's own descriptor.
pub(super) fn duplicate(caller: Caller, fd: u64) -> Result<OwnedFd, Errno> {
    let pid = i32::try_from(caller.pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    rustix::process::pidfd_getfd(&process, descriptor(fd), PidfdGetfdFlags::empty())
}

/// The local port of a socket that stands on 127.0.0.1.
fn bound_to_loopback(socket: &OwnedFd) -> Result<u16, Errno> {
    let local = || -> Result<SocketAddrV4, Errno> {
        SocketAddrV4::try_from(rustix::net::getsockname(socket)?).map_err(|_| Errno::AFNOSUPPORT)
    };
    if local()?.port() == 0 {
        rustix::net::bind(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    }
    let local = local()?;
    if local.ip().is_loopback() { Ok(local.port()) } else { Err(Errno::ACCESS) }
}

/// Nothing on this machine's loopback device keeps a caller waiting, unless the subject arranges it.
fn patiently(socket: &OwnedFd, act: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let before = sockopt::socket_timeout(socket, sockopt::Timeout::Send)?;
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    let acted = act();
    let _ = sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, before);
    acted
}

fn waits(socket: impl AsFd, asked: SendFlags) -> bool {
    let flags = rustix::fs::fcntl_getfl(socket);
    let is_blocking = flags.is_ok_and(|flags| !flags.contains(rustix::fs::OFlags::NONBLOCK));
    is_blocking && !asked.contains(SendFlags::DONTWAIT)
}

fn whole(caller: Caller, address: u64, length: u64) -> Result<Vec<u8>, Errno> {
    let length = length.min(MAX_PAYLOAD_BYTES as u64);
    let data = match length {
        0 => Vec::new(),
        _ => Peek::up_to(caller.tid, address, length, MAX_PAYLOAD_BYTES).ok_or(Errno::FAULT)?,
    };
    if data.len() as u64 == length { Ok(data) } else { Err(Errno::FAULT) }
}

/// The bytes of a message. Control messages can carry descriptors and routes: none is passed on.
fn payload(caller: Caller, head: &MessageHead) -> Result<Vec<u8>, Errno> {
    if head.control != 0 && head.control_bytes != 0 {
        return Err(Errno::PERM);
    }
    let count = head.piece_count.min(MAX_PIECES);
    let pieces = Peek::up_to(caller.tid, head.pieces, count * PIECE_BYTES as u64, usize::MAX);
    let pieces = if count == 0 { Vec::new() } else { pieces.ok_or(Errno::FAULT)? };
    let mut data = Vec::new();
    for piece in pieces.chunks_exact(PIECE_BYTES) {
        let room = (MAX_PAYLOAD_BYTES - data.len()) as u64;
        data.extend(whole(caller, word(piece, 0), word(piece, 8).min(room))?);
    }
    Ok(data)
}

/// How long the tracer waits for one call of a subject.
const PATIENCE: Duration = Duration::from_millis(500);
/// More than any datagram; of a stream, the rest is asked for again.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// `UIO_MAXIOV`.
const MAX_PIECES: u64 = 1024;
/// `struct iovec`.
const PIECE_BYTES: usize = 16;
/// `struct mmsghdr`.
const MESSAGE_BYTES: u64 = 64;
const MSG_FASTOPEN: u32 = 0x2000_0000;
/// `MSG_OOB`, `MSG_DONTWAIT`, `MSG_EOR`, `MSG_MORE`. Not `MSG_DONTROUTE`, nor what concerns memory.
const SAFE_FLAGS: u32 = 0x1 | 0x40 | 0x80 | 0x8000;
