//! Says what was seen, in records that a stranger can read.
//!
//! An [`Event`] is one thing that one source saw. Sources never merge: the kernel sensor, the gate
//! of the fake internet, the overlay difference and the lab itself write logs of their own, and the
//! checks compare them. A log is a sequence of CBOR records under a hash chain ([`log`]);
//! `docs/decisions/0001-event-record.md` gives the bytes.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

pub mod log;
mod name;
mod what;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

pub use name::{Name, printable};
pub use what::{
    Access, Act, Change, Direction, FileId, FileKind, Flow, How, Outcome, PathOperation, Peer,
    SocketId, TlsFacts, Transport, What,
};

/// One thing that one source saw.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Event {
    /// Position in the log of its source and run, from 0, without gaps.
    #[n(0)]
    pub seq: u64,
    /// Nanoseconds of the recorder's `CLOCK_BOOTTIME`.
    #[n(1)]
    pub at_ns: u64,
    /// Who saw it.
    #[n(2)]
    pub source: Source,
    /// The process that did it, where the source knows.
    #[n(3)]
    pub actor: Option<Actor>,
    /// What was seen.
    #[n(4)]
    pub what: What,
}

/// The process an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
pub struct Actor {
    /// The process.
    #[n(0)]
    pub process: Process,
    /// Its thread, as the recorder's pid namespace numbers it.
    #[n(1)]
    pub thread: u32,
    /// Effective user, as the world numbers it.
    #[n(2)]
    pub uid: u32,
}

/// A process by number and birth, since numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
pub struct Process {
    /// Thread group, as the recorder's pid namespace numbers it.
    #[n(0)]
    pub pid: u32,
    /// Start in nanoseconds of `CLOCK_BOOTTIME`, cut to 10 ms, which is what every source can tell.
    #[n(1)]
    pub start_ns: u64,
}

/// Who saw an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Source {
    /// The lab: marks of runs and phases, canaries, and what it could not do.
    #[n(0)]
    Lab,
    /// ptrace with a seccomp filter (tier T0).
    #[n(1)]
    Ptrace,
    /// BPF tracepoints (tier T1).
    #[n(2)]
    Tracepoint,
    /// BPF cgroup hooks (tier T1).
    #[n(3)]
    Cgroup,
    /// Uprobes on TLS libraries (tier T1).
    #[n(4)]
    Uprobe,
    /// The difference of the overlay's upper layer.
    #[n(5)]
    Overlay,
    /// The gate of the fake internet.
    #[n(6)]
    Gate,
    /// The packet capture on the gate's side of the link.
    #[n(7)]
    Capture,
}

/// How much the instrument of a run could see.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
pub enum Tier {
    /// ptrace, overlay difference, packet capture.
    #[n(0)]
    T0,
    /// BPF tracepoints and cgroup hooks, uprobes, overlay difference, packet capture.
    #[n(1)]
    T1,
    /// T1 with BPF LSM and fentry.
    #[n(2)]
    T2,
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Digest(#[cbor(with = "minicbor::bytes")] pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hexadecimal digits; anything else is `None`, so that a digest has one
    /// spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0_u8; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = (nibble(high)? << 4) | nibble(low)?;
        }
        Some(Self(digest))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10),
        _ => None,
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Digest::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::parse(text), Some(digest));
        assert_eq!(Digest::parse(&text.to_uppercase()), None);
        assert_eq!(Digest::parse(&text[1..]), None);
    }
}
