//! Records of sockets: making, addressing, sending, receiving, passing descriptors.

use watchglass_events::{Direction, FileKind, Name, Peer, SocketId, What};

use super::address::{self, MessageHead};
use super::calls::Kind;
use super::observe::{Before, Observer, Outgoing, Returned, descriptor, is_patience, low_half};
use super::peek::Peek;
use super::record::Trouble;
use super::tally::Key;

impl Observer<'_> {
    pub(super) fn conclude_socket(
        &mut self,
        kind: Kind,
        arguments: &[u64; 6],
        before: Before,
        returned: Returned,
    ) {
        let fd = descriptor(arguments[0]);
        match (kind, before) {
            (Kind::Socket, _) => self.socket_made(arguments, returned.descriptor(), returned),
            (Kind::SocketPair, _) => self.pair_made(arguments, returned),
            (Kind::Accept, _) => self.accepted(arguments, returned),
            (Kind::Bind, Before::Peer(peer)) => self.bound(fd, peer, returned),
            (Kind::Connect, Before::Peer(peer)) => self.connected(fd, peer, returned),
            (Kind::SendTo, Before::Peer(peer)) => self.sent(fd, peer, returned),
            (Kind::SendMessage, Before::Messages(messages)) => {
                for Outgoing { peer, descriptors } in messages {
                    self.sent(fd, peer, returned);
                    self.passed(fd, Direction::Sent, descriptors, returned);
                }
            }
            (Kind::SendMessages, Before::Messages(messages)) => {
                self.sent_all(arguments, messages, returned);
            }
            (Kind::ReceiveFrom, _) => self.received_from(arguments, returned),
            (Kind::ReceiveMessage, _) => self.received_message(arguments, returned),
            (Kind::ReceiveMessages, _) => self.received_messages(arguments, returned),
            _ => {}
        }
    }

    pub(super) fn peer(&self, address: u64, length: u64) -> Option<Peer> {
        Peek::peer(self.tid(), address, low_half(length).into())
    }

    /// A write that failed on a socket: the attempt counts.
    pub(super) fn not_sent(&mut self, fd: i32, errno: i32) {
        if !is_patience(errno) && self.socket(fd).is_some() {
            self.sent(fd, None, Returned::Failed(errno));
        }
    }

    pub(super) fn outgoing(&self, head: u64) -> Outgoing {
        let head = Peek::bytes::<{ MessageHead::BYTES }>(self.tid(), head);
        match head.and_then(|head| MessageHead::parse(&head)) {
            Some(head) => self.outgoing_of(&head),
            None => Outgoing { peer: None, descriptors: 0 },
        }
    }

    pub(super) fn outgoing_all(&self, arguments: &[u64; 6]) -> Vec<Outgoing> {
        let heads = self.heads(arguments, u64::from(low_half(arguments[2])));
        heads.iter().map(|(head, _)| self.outgoing_of(head)).collect()
    }

    fn outgoing_of(&self, head: &MessageHead) -> Outgoing {
        let peer = self.peer(head.name, head.name_bytes);
        Outgoing { peer, descriptors: self.descriptors_in(head) }
    }

    fn descriptors_in(&self, head: &MessageHead) -> u32 {
        if head.control == 0 {
            return 0;
        }
        let control = Peek::up_to(self.tid(), head.control, head.control_bytes, MAX_CONTROL_BYTES);
        address::passed_descriptors(&control.unwrap_or_default())
    }

    /// The heads of `struct mmsghdr`s with the lengths that the kernel wrote into them.
    fn heads(&self, arguments: &[u64; 6], count: u64) -> Vec<(MessageHead, u64)> {
        let length = count.min(MAX_MESSAGES).saturating_mul(MESSAGE_BYTES as u64);
        let bytes = Peek::up_to(self.tid(), arguments[1], length, usize::MAX).unwrap_or_default();
        let heads = bytes.chunks_exact(MESSAGE_BYTES).filter_map(|message| {
            let length = address::word(message, MessageHead::BYTES) & 0xffff_ffff;
            Some((MessageHead::parse(message)?, length))
        });
        heads.collect()
    }

    fn socket_made(&mut self, arguments: &[u64; 6], fd: Option<i32>, returned: Returned) {
        let socket = fd.and_then(|fd| self.socket(fd));
        if fd.is_some() && socket.is_none() {
            self.recorder.count(Trouble::Unreadable);
        }
        let short = |argument: u64| u16::try_from(low_half(argument)).unwrap_or(u16::MAX);
        self.tell(What::SocketMade {
            socket,
            family: short(arguments[0]),
            kind: short(arguments[1] & SOCKET_TYPE),
            protocol: short(arguments[2]),
            error: returned.error(),
        });
    }

    fn pair_made(&mut self, arguments: &[u64; 6], returned: Returned) {
        let Returned::Value(_) = returned else {
            return self.socket_made(arguments, None, returned);
        };
        let pair = Peek::bytes::<8>(self.tid(), arguments[3]).map_or(0, u64::from_ne_bytes);
        for fd in [descriptor(pair), descriptor(pair >> 32)] {
            self.socket_made(arguments, Some(fd), returned);
        }
    }

    fn accepted(&mut self, arguments: &[u64; 6], returned: Returned) {
        let Some(fd) = returned.descriptor() else { return };
        let socket = self.socket(fd);
        let peer = self.peer_out(arguments[1], arguments[2]);
        self.tell(What::Accepted { socket, peer });
    }

    fn bound(&mut self, fd: i32, peer: Option<Peer>, returned: Returned) {
        let (socket, address) = (self.socket(fd), peer.unwrap_or_else(nobody));
        self.tell(What::Bound { socket, address, error: returned.error() });
    }

    fn connected(&mut self, fd: i32, peer: Option<Peer>, returned: Returned) {
        let (socket, peer) = (self.socket(fd), peer.unwrap_or_else(nobody));
        // The connection goes on being made after these two.
        let error = returned.error().filter(|&errno| errno != EINPROGRESS && errno != EINTR);
        self.tell(What::Connected { socket, peer, error });
    }

    fn sent(&mut self, fd: i32, peer: Option<Peer>, returned: Returned) {
        let (bytes, error) = match returned {
            Returned::Value(bytes) => (bytes, None),
            Returned::Failed(errno) if is_patience(errno) => return,
            Returned::Failed(EINPROGRESS) | Returned::Unknown => (0, None),
            Returned::Failed(errno) => (0, Some(errno)),
            Returned::Again => return,
        };
        match self.socket(fd) {
            Some(socket) => {
                self.add(Key::Socket(Direction::Sent, socket, peer, error), None, bytes)
            }
            // Another thread has closed it: the bytes are told without a socket.
            None => self.tell(What::Sent { socket: None, peer, bytes, calls: 1, error }),
        }
    }

    fn sent_all(&mut self, arguments: &[u64; 6], messages: Vec<Outgoing>, returned: Returned) {
        let fd = descriptor(arguments[0]);
        let Returned::Value(count) = returned else {
            let first = messages.into_iter().next();
            return self.sent(fd, first.and_then(|message| message.peer), returned);
        };
        let lengths = self.heads(arguments, count);
        for (message, (_, bytes)) in messages.into_iter().zip(lengths) {
            self.sent(fd, message.peer, Returned::Value(bytes));
            self.passed(fd, Direction::Sent, message.descriptors, returned);
        }
    }

    fn received_from(&mut self, arguments: &[u64; 6], returned: Returned) {
        let Returned::Value(bytes) = returned else { return };
        let peer = self.peer_out(arguments[4], arguments[5]);
        self.received(arguments, peer, bytes, arguments[3]);
    }

    fn received_message(&mut self, arguments: &[u64; 6], returned: Returned) {
        let Returned::Value(bytes) = returned else { return };
        let head = Peek::bytes::<{ MessageHead::BYTES }>(self.tid(), arguments[1]);
        let Some(head) = head.and_then(|head| MessageHead::parse(&head)) else {
            return self.recorder.count(Trouble::Unreadable);
        };
        let peer = self.peer(head.name, head.name_bytes);
        self.received(arguments, peer, bytes, arguments[2]);
        let descriptors = self.descriptors_in(&head);
        self.passed(descriptor(arguments[0]), Direction::Received, descriptors, returned);
    }

    fn received_messages(&mut self, arguments: &[u64; 6], returned: Returned) {
        let Returned::Value(count) = returned else { return };
        for (head, bytes) in self.heads(arguments, count) {
            let peer = self.peer(head.name, head.name_bytes);
            self.received(arguments, peer, bytes, arguments[3]);
            let descriptors = self.descriptors_in(&head);
            self.passed(descriptor(arguments[0]), Direction::Received, descriptors, returned);
        }
    }

    /// Bytes that were only looked at (`MSG_PEEK`) will be received again: the call counts, they
    /// do not.
    fn received(&mut self, arguments: &[u64; 6], peer: Option<Peer>, bytes: u64, flags: u64) {
        if bytes == 0 {
            return;
        }
        let bytes = if flags & MSG_PEEK == 0 { bytes } else { 0 };
        match self.socket(descriptor(arguments[0])) {
            Some(socket) => {
                self.add(Key::Socket(Direction::Received, socket, peer, None), None, bytes);
            }
            None => self.tell(What::Received { socket: None, peer, bytes, calls: 1 }),
        }
    }

    fn passed(&mut self, fd: i32, direction: Direction, count: u32, returned: Returned) {
        if count == 0 || returned.error().is_some() {
            return;
        }
        let socket = self.socket(fd);
        self.tell(What::DescriptorsPassed { socket, direction, count });
    }

    fn socket(&self, fd: i32) -> Option<SocketId> {
        let seen = self.peek.descriptor(self.tid(), fd)?;
        let is_socket = seen.file.kind == FileKind::Socket;
        is_socket.then_some(SocketId { inode: seen.file.inode, cookie: 0 })
    }

    /// An address that the kernel wrote, with its length behind a pointer.
    fn peer_out(&self, address: u64, length: u64) -> Option<Peer> {
        let length = Peek::bytes::<4>(self.tid(), length)?;
        self.peer(address, u32::from_ne_bytes(length).into())
    }
}

/// An address that could not be read.
fn nobody() -> Peer {
    Peer::Other { family: 0, raw: Name::default() }
}

const EINTR: i32 = 4;
const EINPROGRESS: i32 = 115;
const MSG_PEEK: u64 = 2;
/// The type without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const SOCKET_TYPE: u64 = 0xf;
/// Room for the 253 descriptors that the kernel lets through, and a little more.
const MAX_CONTROL_BYTES: usize = 4096;
/// `UIO_MAXIOV`: the kernel takes no more at once.
const MAX_MESSAGES: u64 = 1024;
/// `struct mmsghdr`: a `struct msghdr`, a `u32`, and padding.
const MESSAGE_BYTES: usize = 64;
