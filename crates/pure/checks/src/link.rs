//! The link as it was captured: flows, stray frames, and questions to resolvers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watchglass_events::{Direction, Flow, Name};
use watchglass_packets::{Budget, FlowRecord, LinkKind, TcpFlags, dns, flows, pcapng};

/// The link of one run.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Flows in the order of their first packets; their number is their evidence row.
    pub(crate) flows: Vec<LinkFlow>,
    /// Frames from the subject that are no traffic of its kernel's own.
    pub(crate) stray: Vec<Stray>,
    /// Why the capture is not whole, if it is not.
    pub(crate) cut: Option<String>,
}

/// A flow on the link.
#[derive(Debug)]
pub(crate) struct LinkFlow {
    /// Both ends, the subject first.
    pub(crate) flow: Flow,
    /// Its number, from 0.
    pub(crate) number: u64,
    /// Payload bytes from the subject, each once.
    pub(crate) sent_bytes: u64,
    /// Payload bytes to the subject, each once.
    pub(crate) received_bytes: u64,
    /// Payload from the subject.
    pub(crate) sent: Vec<u8>,
    /// Whether it was reset, or not finished, so that bytes may have stayed in the kernel.
    pub(crate) broken_off: bool,
    /// Whether the subject's kernel makes such packets by itself: errors and neighbour discovery.
    pub(crate) is_kernels: bool,
}

/// A frame that no process sent through a socket of the internet families.
#[derive(Debug)]
pub(crate) struct Stray {
    /// Its place among such frames, from 0.
    pub(crate) number: u64,
    /// What it is.
    pub(crate) what: String,
}

impl Link {
    /// Reads a capture.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let capture = pcapng::parse(bytes).map_err(|error| error.to_string())?;
        let totals = capture.totals;
        let joined = flows(capture.frames, Budget::default());
        let records = joined.flows.iter().zip(0_u64..);
        let strays = joined.link.iter().zip(0_u64..).filter_map(|(frame, number)| {
            let what = stray(frame.direction, frame.kind)?;
            Some(Stray { number, what })
        });
        let errors = joined.errors.iter().filter(|error| error.direction == Direction::Sent);
        let broken = errors.map(|error| Stray {
            number: error.frame,
            what: format!("{} bytes that cannot be read: {}", error.bytes, error.reason),
        });
        let cut = match totals {
            None => Some("the capture broke off".to_owned()),
            Some(totals) if totals.dropped > 0 => {
                Some(format!("{} frames were dropped", totals.dropped))
            }
            Some(_) if joined.cut != watchglass_packets::Cut::default() => {
                Some("the capture holds more than the checks may read".to_owned())
            }
            Some(_) => None,
        };
        Ok(Self {
            flows: records.map(|(record, number)| LinkFlow::of(record, number)).collect(),
            stray: strays.chain(broken).collect(),
            cut,
        })
    }
}

impl LinkFlow {
    fn of(record: &FlowRecord, number: u64) -> Self {
        let datagrams = |direction| {
            let bytes =
                record.datagrams.iter().filter(move |datagram| datagram.direction == direction);
            bytes.map(|datagram| datagram.bytes.as_slice()).collect::<Vec<_>>().concat()
        };
        let is_tcp = record.flow.transport == watchglass_events::Transport::Tcp;
        let sent = if is_tcp { stream(&record.sent.stream) } else { datagrams(Direction::Sent) };
        let bytes = |side: &watchglass_packets::Side| {
            if is_tcp { side.stream.total() } else { side.payload_bytes }
        };
        let reset = record.sent.tcp_flags.any(TcpFlags::RST)
            || record.received.tcp_flags.any(TcpFlags::RST);
        let finished = record.sent.tcp_flags.any(TcpFlags::FIN);
        Self {
            flow: record.flow,
            number,
            sent_bytes: bytes(&record.sent),
            received_bytes: bytes(&record.received),
            broken_off: is_tcp && (reset || !finished),
            is_kernels: record.flow.transport == watchglass_events::Transport::Icmp
                && !echoes(&sent),
            sent,
        }
    }
}

/// The stream with what lies beyond its gaps.
fn stream(stream: &watchglass_packets::Stream) -> Vec<u8> {
    let islands = stream.islands.iter().map(|island| island.bytes.as_slice());
    [stream.bytes.as_slice()].into_iter().chain(islands).collect::<Vec<_>>().concat()
}

/// Only a process asks for an echo (ICMP type 8, ICMPv6 type 128); errors are the kernel's.
fn echoes(messages: &[u8]) -> bool {
    matches!(messages.first(), Some(8 | 128))
}

fn stray(direction: Direction, kind: LinkKind) -> Option<String> {
    if direction == Direction::Received {
        return None;
    }
    match kind {
        LinkKind::Arp | LinkKind::NeighbourDiscovery | LinkKind::GroupMembership => None,
        LinkKind::Lldp => Some("link layer discovery".to_owned()),
        LinkKind::EtherType(number) => Some(format!("Ethernet type {number:#06x}")),
    }
}

/// What a DNS message tells.
#[derive(Debug, Default)]
pub(crate) struct Dns {
    /// Names and types that are asked for.
    pub(crate) questions: Vec<(String, Kind)>,
    /// Names with the addresses that are answered.
    pub(crate) addresses: Vec<(String, IpAddr)>,
}

/// The type of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(pub u16);

impl Kind {
    /// How a claim sees the question.
    #[must_use]
    pub(crate) fn question(self) -> watchglass_claims::Question {
        const HTTPS: u16 = 65;
        match self.0 {
            dns::kind::A | dns::kind::AAAA | HTTPS => watchglass_claims::Question::Address,
            _ => watchglass_claims::Question::Other,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            dns::kind::A => f.write_str("A"),
            dns::kind::AAAA => f.write_str("AAAA"),
            dns::kind::TXT => f.write_str("TXT"),
            dns::kind::MX => f.write_str("MX"),
            dns::kind::NS => f.write_str("NS"),
            dns::kind::PTR => f.write_str("PTR"),
            other => write!(f, "type {other}"),
        }
    }
}

/// Reads a DNS message; `None` if it is none.
#[must_use]
pub(crate) fn dns(bytes: &[u8]) -> Option<Dns> {
    let message = dns::parse(bytes).ok()?;
    let questions =
        message.questions.iter().map(|question| (shown(&question.name), Kind(question.kind)));
    let answers = message.answers.iter().filter_map(|record| {
        let address: IpAddr = match record.kind {
            dns::kind::A => {
                Ipv4Addr::from(<[u8; 4]>::try_from(record.data.as_slice()).ok()?).into()
            }
            dns::kind::AAAA => {
                Ipv6Addr::from(<[u8; 16]>::try_from(record.data.as_slice()).ok()?).into()
            }
            _ => return None,
        };
        Some((shown(&record.name), address))
    });
    Some(Dns { questions: questions.collect(), addresses: answers.collect() })
}

/// A name as text: plain names in lower case, others with codes.
fn shown(name: &dns::DomainName) -> String {
    name.host().unwrap_or_else(|| Name::new(name.labels().join(&b'.')).to_string())
}

/// Messages of DNS over TCP: each after two bytes of length (RFC 1035 §4.2.2).
pub(crate) fn prefixed(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (message, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        bytes = rest;
        Some(message)
    })
}
