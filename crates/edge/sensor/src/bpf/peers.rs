//! Socket addresses as the kernel and callers write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watchglass_bytes::{ReadError, Reader};
use watchglass_events::{Name, Peer, SocketId};

use super::paths;
use super::record::{PATH, Record, STRING};

/// The peer or local address of a record: for a Unix socket the path at which it is bound, where the
/// kernel reached it.
pub(super) fn of(record: &Record<'_>) -> Option<Peer> {
    let address = record.parts[STRING];
    let peer = parse(address)?;
    match (&peer, record.parts[PATH].is_empty()) {
        (Peer::Unix(_), false) => paths::resolved(record, PATH).map(Peer::Unix),
        _ => Some(peer),
    }
}

/// The socket of a record, if it is one.
pub(super) fn socket(record: &Record<'_>) -> Option<SocketId> {
    let object = record.object;
    let known = object.inode != 0 || object.cookie != 0;
    known.then_some(SocketId { inode: object.inode, cookie: object.cookie })
}

/// Whether the object of a record is a socket.
pub(super) fn is_socket(record: &Record<'_>) -> bool {
    record.object.mode >> 12 == 0o14
}

/// Reads a `sockaddr`. Addresses of version 4 mapped into version 6 are given as version 4.
fn parse(bytes: &[u8]) -> Option<Peer> {
    if bytes.len() < 2 {
        return None;
    }
    let mut reader = Reader::new(bytes);
    let family = reader.u16_le("family").ok()?;
    let internet = match family {
        AF_UNIX => return Some(Peer::Unix(Name::new(unix_name(reader.rest())))),
        AF_INET => version_4(&mut reader),
        AF_INET6 => version_6(&mut reader),
        _ => return Some(Peer::Other { family, raw: Name::new(bytes) }),
    };
    Some(internet.unwrap_or(Peer::Other { family, raw: Name::new(bytes) }))
}

/// A path ends at its first zero byte; an abstract name begins with one and is told whole (unix(7)).
fn unix_name(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0, ..] => bytes,
        _ => bytes.split(|&byte| byte == 0).next().unwrap_or_default(),
    }
}

fn version_4(reader: &mut Reader<'_>) -> Result<Peer, ReadError> {
    let port = reader.u16_be("port")?;
    let address = Ipv4Addr::from(*reader.array::<4>("address")?);
    Ok(Peer::Internet { address: IpAddr::V4(address), port })
}

fn version_6(reader: &mut Reader<'_>) -> Result<Peer, ReadError> {
    let port = reader.u16_be("port")?;
    reader.u32_le("flow")?;
    let address = Ipv6Addr::from(*reader.array::<16>("address")?);
    Ok(Peer::Internet { address: address.to_canonical(), port })
}

pub(super) const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_given_as_version_4() {
        let mut bytes = vec![10, 0, 1, 187, 0, 0, 0, 0];
        bytes.extend("::ffff:192.0.2.7".parse::<Ipv6Addr>().unwrap().octets());
        let address = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(parse(&bytes), Some(Peer::Internet { address, port: 443 }));
    }

    #[test]
    fn abstract_names_keep_their_first_byte_and_paths_end() {
        assert_eq!(parse(b"\x01\0\0abc"), Some(Peer::Unix(Name::new(*b"\0abc"))));
        assert_eq!(parse(b"\x01\0/run/x\0junk"), Some(Peer::Unix("/run/x".into())));
        assert_eq!(parse(b"\x01\0"), Some(Peer::Unix(Name::default())));
    }

    #[test]
    fn other_families_and_short_addresses_keep_their_bytes() {
        let vsock = b"\x28\0\0\0";
        assert_eq!(parse(vsock), Some(Peer::Other { family: 40, raw: Name::new(*vsock) }));
        let short = b"\x02\0\x01";
        assert_eq!(parse(short), Some(Peer::Other { family: 2, raw: Name::new(*short) }));
        assert_eq!(parse(b"\x02"), None);
    }
}
