//! The world's network: empty but for the loopback device.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::thread::UnshareFlags;
use watchglass_sys::namespace;

use crate::ids::RANGE;
use crate::messages::{AtStep, Blueprint, Failure};

/// Moves the keeper into a network namespace of its own and returns it. It is made before the
/// subject's user namespace and belongs to the one outside: the subject's root has no
/// `CAP_NET_ADMIN` and no `CAP_NET_RAW` over it, and can change neither routes nor addresses nor
/// capture the link.
pub(crate) fn create(blueprint: &Blueprint) -> Result<OwnedFd, Failure> {
    namespace::unshare(UnshareFlags::NEWNET).at("network namespace")?;
    raise_loopback().at("raising the loopback device")?;
    // For want of CAP_NET_BIND_SERVICE over the namespace, low ports are open to everybody.
    write_setting("ip_unprivileged_port_start", "0")?;
    // Echo requests without raw sockets, as most machines have it.
    let last = if blueprint.ids.count == RANGE { blueprint.ids.outside(RANGE - 1) } else { 0 };
    write_setting("ping_group_range", &format!("{}\t{last}", blueprint.ids.outside(0)))?;
    super::open_namespace("net")
}

fn write_setting(name: &str, value: &str) -> Result<(), Failure> {
    fs::write(format!("/proc/sys/net/ipv4/{name}"), value).at(format!("net.ipv4.{name}"))
}

/// `RTM_NEWLINK` with `IFF_UP` for device 1, which is the loopback device of every new namespace;
/// rtnetlink(7).
#[expect(clippy::disallowed_methods, reason = "a message to the kernel about the loopback device")]
fn raise_loopback() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None, // NETLINK_ROUTE, which is 0
    )?;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes()); // length
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    message.extend([0; 8]); // sequence and port
    message.extend([0; 4]); // family, padding, device type
    message.extend(1_i32.to_ne_bytes()); // device
    message.extend(IFF_UP.to_ne_bytes()); // flags
    message.extend(IFF_UP.to_ne_bytes()); // which flags change
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &kernel)?;
    let mut answer = [0; 128];
    let (length, _) = rustix::net::recv(&socket, &mut answer, rustix::net::RecvFlags::empty())?;
    match answer.get(16..20).filter(|_| length >= 20).map(<[u8; 4]>::try_from) {
        Some(Ok(error)) if i32::from_ne_bytes(error) == 0 => Ok(()),
        Some(Ok(error)) => Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(error))),
        _ => Err(io::Error::other("a short answer")),
    }
}

const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const IFF_UP: u32 = 1;
