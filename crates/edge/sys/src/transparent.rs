//! Sockets that answer for any address (`IP_TRANSPARENT`, ip(7); ipv6(7)).
//!
//! A firewall rule (`tproxy`) hands packets for every address and port to such a socket. A stream's
//! own address is then the one that the other side wanted; for a datagram the kernel tells it beside
//! the bytes.
#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of kernel structures and its constants, which are all small"
)]

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use crate::packet_socket::set_option;

/// Lets `socket` take what was meant for others. `family` is that of its address.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` or `CAP_NET_RAW` over the network namespace.
pub fn set_transparent(socket: impl AsFd, family: &IpAddr) -> io::Result<()> {
    let socket = socket.as_fd();
    match family {
        IpAddr::V4(_) => set_option(&socket, libc::SOL_IP, libc::IP_TRANSPARENT, &[1]),
        IpAddr::V6(_) => set_option(&socket, libc::SOL_IPV6, libc::IPV6_TRANSPARENT, &[1]),
    }
}

/// Asks for the destination of every datagram, see [`receive`].
///
/// # Errors
/// What `setsockopt` says.
pub fn set_receive_destination(socket: impl AsFd, family: &IpAddr) -> io::Result<()> {
    let socket = socket.as_fd();
    match family {
        IpAddr::V4(_) => set_option(&socket, libc::SOL_IP, libc::IP_RECVORIGDSTADDR, &[1]),
        IpAddr::V6(_) => set_option(&socket, libc::SOL_IPV6, libc::IPV6_RECVORIGDSTADDR, &[1]),
    }
}

/// A datagram with both of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes written to the buffer.
    pub length: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom it was meant, before any redirection; `None` if the kernel did not say.
    pub to: Option<SocketAddr>,
}

/// Waits for a datagram. What does not fit `buffer` is cut off.
///
/// # Errors
/// What `recvmsg` says; `WouldBlock` after the socket's time limit.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    // SAFETY: all zeros is a valid `sockaddr_storage` and a valid `msghdr`.
    let (mut from, mut message): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = [0_u64; 16]; // aligned as `cmsghdr` wants; one `sockaddr_in6` needs 44 bytes
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of_val(&from) as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in `message` is to a live local or to `buffer`, with its true length.
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let other = || io::Error::other("a datagram from an address of another family");
    let from = address(&from).ok_or_else(other)?;
    Ok(Received { length, from, to: destination(&message) })
}

fn destination(message: &libc::msghdr) -> Option<SocketAddr> {
    // SAFETY: `message` was filled in by `recvmsg`, and its control buffer is still alive.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: `CMSG_FIRSTHDR` and `CMSG_NXTHDR` return headers inside the control buffer.
        let entry = unsafe { &*header };
        let length = match (entry.cmsg_level, entry.cmsg_type) {
            (libc::SOL_IP, libc::IP_ORIGDSTADDR) => size_of::<libc::sockaddr_in>(),
            (libc::SOL_IPV6, libc::IPV6_ORIGDSTADDR) => size_of::<libc::sockaddr_in6>(),
            _ => 0,
        };
        if length > 0 {
            // SAFETY: all zeros is a valid `sockaddr_storage`; the kernel wrote `length` bytes of an
            // address as the data of this entry, and the storage has room for them.
            let storage = unsafe {
                let mut storage: libc::sockaddr_storage = std::mem::zeroed();
                let data = libc::CMSG_DATA(header);
                std::ptr::copy_nonoverlapping(data, (&raw mut storage).cast::<u8>(), length);
                storage
            };
            return address(&storage);
        }
        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which address this is; the storage is large enough and
            // aligned for any of them.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = u32::from_be(v4.sin_addr.s_addr).into();
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let (ip, port) = (v6.sin6_addr.s6_addr.into(), u16::from_be(v6.sin6_port));
            Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the socket whose options are tested"
)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_datagram_tells_whom_it_was_meant_for() {
        for any in ["127.0.0.1", "::1"] {
            let any: IpAddr = any.parse().unwrap();
            let socket = UdpSocket::bind((any, 0)).unwrap();
            set_receive_destination(&socket, &any).unwrap();
            let sender = UdpSocket::bind((any, 0)).unwrap();
            sender.send_to(b"hello", socket.local_addr().unwrap()).unwrap();
            let mut buffer = [0; 16];
            let received = receive(&socket, &mut buffer).unwrap();
            assert_eq!(&buffer[..received.length], b"hello");
            assert_eq!(received.from, sender.local_addr().unwrap());
            assert_eq!(received.to, Some(socket.local_addr().unwrap()));
        }
    }
}
