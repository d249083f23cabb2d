//! Reads what a subject passed to the kernel in its own memory: addresses and control messages.
//!
//! All of it is hostile: the functions are total and look at no more than they were given.

use std::net::{Ipv4Addr, Ipv6Addr};

use watchglass_events::{Name, Peer};

/// Reads a `sockaddr`, cut to the length that the subject gave.
pub(super) fn parse(bytes: &[u8]) -> Option<Peer> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let family = u16::from_ne_bytes(*family);
    let known = match family {
        AF_UNIX => Some(Peer::Unix(unix_name(rest))),
        AF_INET => version_4(rest),
        AF_INET6 => version_6(rest),
        _ => None,
    };
    Some(known.unwrap_or_else(|| Peer::Other { family, raw: Name::new(rest) }))
}

/// A path ends at its first zero byte; an abstract name begins with one and is as long as given.
fn unix_name(rest: &[u8]) -> Name {
    let is_path = rest.first().is_some_and(|&byte| byte != 0);
    let end = rest.iter().position(|&byte| byte == 0).filter(|_| is_path);
    Name::new(&rest[..end.unwrap_or(rest.len())])
}

fn version_4(rest: &[u8]) -> Option<Peer> {
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let (address, _) = rest.split_first_chunk::<4>()?;
    let address = Ipv4Addr::from(*address).into();
    Some(Peer::Internet { address, port: u16::from_be_bytes(*port) })
}

fn version_6(rest: &[u8]) -> Option<Peer> {
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let (_flow, rest) = rest.split_first_chunk::<4>()?;
    let (address, _) = rest.split_first_chunk::<16>()?;
    let address = Ipv6Addr::from(*address).to_canonical();
    Some(Peer::Internet { address, port: u16::from_be_bytes(*port) })
}

/// How many descriptors the control messages in `bytes` carry (`SCM_RIGHTS`).
///
/// `struct cmsghdr` on 64-bit machines: `len: u64` with the head, `level: i32`, `type: i32`; each
/// message begins at a multiple of 8.
pub(super) fn passed_descriptors(mut bytes: &[u8]) -> u32 {
    let mut count = 0_u32;
    while let Some((head, _)) = bytes.split_first_chunk::<CONTROL_HEAD_BYTES>() {
        let length = usize::try_from(word(head, 0)).unwrap_or(usize::MAX).min(bytes.len());
        let Some(body) = length.checked_sub(CONTROL_HEAD_BYTES) else { break };
        if word(head, 8) == RIGHTS {
            count = count.saturating_add(u32::try_from(body / 4).unwrap_or(u32::MAX));
        }
        bytes = bytes.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    count.min(MAX_DESCRIPTORS)
}

/// `struct msghdr` on 64-bit machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageHead {
    pub(super) name: u64,
    pub(super) name_bytes: u64,
    pub(super) pieces: u64,
    pub(super) piece_count: u64,
    pub(super) control: u64,
    pub(super) control_bytes: u64,
}

impl MessageHead {
    pub(super) const BYTES: usize = 56;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<{ Self::BYTES }>()?;
        let name_bytes = word(head, 8) & 0xffff_ffff;
        let (pieces, piece_count) = (word(head, 16), word(head, 24));
        let (control, control_bytes) = (word(head, 32), word(head, 40));
        Some(Self { name: word(head, 0), name_bytes, pieces, piece_count, control, control_bytes })
    }
}

/// The word at `offset`, which the callers keep inside of `bytes`; 0 beyond.
pub(super) fn word(bytes: &[u8], offset: usize) -> u64 {
    let word = bytes.get(offset..).and_then(<[u8]>::first_chunk::<8>);
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const CONTROL_HEAD_BYTES: usize = 16;
/// `SOL_SOCKET` and `SCM_RIGHTS`, both 1, as one word.
const RIGHTS: u64 = 1 | (1 << 32);
/// `SCM_MAX_FD` of the kernel.
const MAX_DESCRIPTORS: u32 = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(address: Ipv6Addr) -> Vec<u8> {
        let mut bytes = AF_INET6.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&443_u16.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&address.octets());
        bytes.extend_from_slice(&[0; 4]);
        bytes
    }

    #[test]
    fn gives_mapped_addresses_as_version_4() {
        let mapped = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped();
        let address = Ipv4Addr::new(192, 0, 2, 7).into();
        assert_eq!(parse(&v6(mapped)), Some(Peer::Internet { address, port: 443 }));
        let address = Ipv6Addr::LOCALHOST.into();
        assert_eq!(parse(&v6(Ipv6Addr::LOCALHOST)), Some(Peer::Internet { address, port: 443 }));
    }

    #[test]
    fn tells_unix_paths_from_abstract_names() {
        let unix = |name: &[u8]| parse(&[&AF_UNIX.to_ne_bytes(), name].concat());
        assert_eq!(unix(b"/run/x\0\0junk"), Some(Peer::Unix("/run/x".into())));
        assert_eq!(unix(b"\0a\0b"), Some(Peer::Unix(Name::new(&b"\0a\0b"[..]))));
        assert_eq!(unix(b""), Some(Peer::Unix(Name::default())));
    }

    #[test]
    fn short_addresses_are_kept_as_bytes() {
        let short = [2, 0, 1];
        assert_eq!(parse(&short), Some(Peer::Other { family: 2, raw: Name::new(&[1][..]) }));
        assert_eq!(parse(&[2]), None);
    }

    fn control(length: u64, level: i32, kind: i32, body: &[u8]) -> Vec<u8> {
        [&length.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes(), body].concat()
    }

    #[test]
    fn counts_passed_descriptors_over_several_messages() {
        let other = control(20, 1, 2, &[0; 8]);
        let three = control(28, 1, 1, &[0; 16]);
        assert_eq!(passed_descriptors(&[other, three].concat()), 3);
    }

    #[test]
    fn control_messages_that_lie_about_their_length_end_the_walk() {
        for length in [0, 15, 17, u64::MAX, u64::MAX - 7] {
            assert!(passed_descriptors(&control(length, 1, 1, &[0; 40])) <= MAX_DESCRIPTORS);
        }
        assert_eq!(passed_descriptors(&control(0, 1, 1, &[0; 40])), 0);
    }
}
