//! Messages between the lab, the keeper and the world's first process.
//!
//! A channel is a pair of `SOCK_SEQPACKET` sockets, so that the kernel keeps messages apart and a
//! length can be neither forged nor cut. Both ends are ours; the bound is against our own mistakes.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use minicbor::{Decode, Encode};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// One end of a channel.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), Self(theirs)))
    }

    /// Sends a message with descriptors. Waits while the other side is slow.
    pub(crate) fn send(&self, message: &impl Encode<()>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = minicbor::to_vec(message).map_err(io::Error::other)?;
        if bytes.len() > MAX_MESSAGE {
            return Err(io::Error::other(format!(
                "a message of {} bytes, limit {MAX_MESSAGE}",
                bytes.len()
            )));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other("too many descriptors for a message"));
        }
        let payload = [IoSlice::new(&bytes)];
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.0, &payload, &mut control, SendFlags::NOSIGNAL)
        })?;
        Ok(())
    }

    /// Receives a message; `None` when the other side is gone.
    pub(crate) fn receive<T: for<'b> Decode<'b, ()>>(
        &self,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut payload = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.0, &mut payload, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let received = match received {
            Ok(received) if received.bytes == 0 => return Ok(None),
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            received => received?,
        };
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::other("a message was cut"));
        }
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        bytes.truncate(received.bytes);
        let message = minicbor::decode(&bytes).map_err(io::Error::other)?;
        Ok(Some((message, fds)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

/// Longest message in bytes: below the 208 KiB that a socket holds by default.
pub(crate) const MAX_MESSAGE: usize = 160 * 1024;
/// Most descriptors in one message.
const MAX_FDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_messages_and_descriptors_until_the_other_side_goes() {
        let (ours, theirs) = Channel::pair().expect("a pair");
        let (_read, write) = rustix::pipe::pipe().expect("a pipe");
        ours.send(&vec![7_u32, 8], &[write.as_fd()]).expect("sent");
        let (message, fds) = theirs.receive::<Vec<u32>>().expect("received").expect("a message");
        assert_eq!((message, fds.len()), (vec![7, 8], 1));
        drop(ours);
        assert!(theirs.receive::<Vec<u32>>().expect("no failure").is_none());
    }

    #[test]
    fn refuses_a_message_that_is_too_long() {
        let (ours, _theirs) = Channel::pair().expect("a pair");
        assert!(ours.send(&vec![u32::MAX; MAX_MESSAGE / 4], &[]).is_err());
    }
}
