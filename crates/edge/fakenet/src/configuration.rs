//! What the process of the fake internet is told.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::scenario::Scenario;

/// What the process of the fake internet is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// What there is behind the link.
    pub network: Network,
    /// How the vendor is played.
    pub scenario: Scenario,
    /// Who signs the certificates.
    pub authority: Authority,
    /// Addresses of both ends of the link.
    pub addresses: Addresses,
    /// How much it takes.
    pub limits: Limits,
    /// Seconds by which the subject's clock is ahead of the machine's, for `Date` headers.
    pub clock_offset_seconds: i64,
}

/// What there is behind the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The fake internet answers, and plays the vendor from the scenario.
    Vendor,
    /// Nothing: TCP is reset and everything else unreachable. What is sent is captured all the same.
    None,
    /// The real network: what the subject says is passed on and recorded. Hosts that the scenario
    /// has are played all the same.
    Real {
        /// Who answers the subject's questions about names.
        resolver: SocketAddr,
    },
}

/// Addresses of both ends of the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// Hardware address of the subject's `eth0`.
    pub subject_mac: MacAddress,
    /// IPv4 address of the subject, in a /24.
    pub subject_v4: Ipv4Addr,
    /// IPv6 address of the subject, in a /64.
    pub subject_v6: Ipv6Addr,
    /// IPv4 address of the gate: the subject's router and name server.
    pub gate_v4: Ipv4Addr,
    /// IPv6 address of the gate.
    pub gate_v6: Ipv6Addr,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            subject_mac: MacAddress([0x02, 0x77, 0, 0, 0, 2]),
            subject_v4: Ipv4Addr::new(10, 77, 0, 2),
            subject_v6: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2),
            gate_v4: Ipv4Addr::new(10, 77, 0, 1),
            gate_v6: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1),
        }
    }
}

/// A hardware address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacAddress(pub [u8; 6]);

impl std::fmt::Display for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// How much the fake internet takes from a subject that may try to drown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Streams at one time; each has a thread. Further ones are reset and recorded.
    pub streams: usize,
    /// Clear-text bytes of one stream, both ways together; at the limit it is reset.
    pub stream_bytes: u64,
    /// Bytes of the event log; at the limit all streams are reset and new ones refused.
    pub log_bytes: u64,
    /// Bytes of the capture; frames beyond are counted as lost.
    pub capture_bytes: u64,
    /// Memory for frames that the capture has not written yet.
    pub capture_ring_bytes: usize,
    /// How long a stream may be silent.
    pub idle_seconds: u64,
    /// How long a stream may live.
    pub stream_seconds: u64,
    /// How long a TLS handshake or the head of an HTTP request may take.
    pub handshake_seconds: u64,
    /// After how much silence at the beginning the gate speaks first, where a protocol wants that.
    pub silence_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 256,
            stream_bytes: 512 << 20,
            log_bytes: 1 << 30,
            capture_bytes: 1 << 30,
            capture_ring_bytes: 64 << 20,
            idle_seconds: 60,
            stream_seconds: 15 * 60,
            handshake_seconds: 15,
            silence_ms: 2000,
        }
    }
}
