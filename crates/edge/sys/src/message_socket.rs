//! Messages with descriptors between two processes of one program.
//!
//! A pair of Unix sockets that keeps messages apart (`SOCK_SEQPACKET`): a hostile peer cannot make one
//! message look like two.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

/// One end of a pair.
#[derive(Debug)]
pub struct MessageSocket(OwnedFd);

/// What came in one message.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes of it that are in the caller's buffer; 0 is the end of the peer.
    pub length: usize,
    /// Whether it was longer than the buffer, or had more descriptors than are taken.
    pub truncated: bool,
    /// Descriptors that came with it, closed when they are dropped.
    pub descriptors: Vec<OwnedFd>,
}

impl MessageSocket {
    /// Two ends, both closed by the next `exec`.
    ///
    /// # Errors
    /// As socketpair(2).
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(one), Self(other)))
    }

    /// An end that was handed over by the process that started this one.
    #[must_use]
    pub fn from_descriptor(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// The descriptor, to be handed over.
    #[must_use]
    pub fn into_descriptor(self) -> OwnedFd {
        self.0
    }

    /// Lets [`MessageSocket::receive`] end with `WouldBlock` after `wait`.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        Ok(set_socket_timeout(&self.0, Timeout::Recv, Some(wait))?)
    }

    /// Sends one message, with a descriptor if there is one.
    ///
    /// # Errors
    /// As sendmsg(2); a peer that has gone is `BrokenPipe`, without the signal.
    pub fn send(&self, message: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|one| [one]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let message = [IoSlice::new(message)];
        loop {
            match sendmsg(&self.0, &message, &mut ancillary, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                done => return Ok(done.map(drop)?),
            }
        }
    }

    /// Waits for one message. Descriptors that come with it are closed by `exec`.
    ///
    /// # Errors
    /// As recvmsg(2); `WouldBlock` after the time of [`MessageSocket::wait_at_most`], and
    /// `Interrupted` after a signal.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(buffer)];
        let got = recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let mut received = Received {
            length: got.bytes,
            truncated: got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC),
            descriptors: Vec::new(),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                received.descriptors.extend(descriptors);
            }
        }
        Ok(received)
    }

    /// Whether nobody holds the other end any more, and nothing is left to be received.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        let mut byte = [0_u8; 1];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let mut ancillary = RecvAncillaryBuffer::default();
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recvmsg(&self.0, &mut parts, &mut ancillary, flags).is_ok_and(|got| got.bytes == 0)
    }
}

impl AsFd for MessageSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn a_message_brings_its_descriptor() {
        let (one, other) = MessageSocket::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        file.rewind().unwrap();
        one.send(b"look", Some(file.as_fd())).unwrap();
        one.send(b"again", None).unwrap();
        let mut buffer = [0; 16];
        let mut first = other.receive(&mut buffer).unwrap();
        assert_eq!((&buffer[..first.length], first.truncated), (&b"look"[..], false));
        let mut text = String::new();
        File::from(first.descriptors.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        assert_eq!(other.receive(&mut buffer).unwrap().length, 5);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (one, other) = MessageSocket::pair().unwrap();
        one.send(b"longer than that", None).unwrap();
        let received = other.receive(&mut [0; 4]).unwrap();
        assert_eq!((received.length, received.truncated), (4, true));
    }

    #[test]
    fn an_end_that_is_gone_is_noticed() {
        let (one, other) = MessageSocket::pair().unwrap();
        assert!(!other.is_abandoned());
        one.send(b"last", None).unwrap();
        drop(one);
        assert!(!other.is_abandoned());
        assert_eq!(other.receive(&mut [0; 4]).unwrap().length, 4);
        assert!(other.is_abandoned());
        assert_eq!(other.send(b"x", None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
