//! Frames joined into flows.

use std::collections::BTreeMap;

use etherparse::TcpSlice;
use watchglass_events::{Direction, Flow, Transport};

use crate::frame::{Decoded, LinkKind, Packet, Payload, decode};
use crate::pcapng::Frame;
use crate::stream::Stream;

/// How much [`flows`] may keep. What does not fit is counted in [`Cut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Flows.
    pub flows: u64,
    /// Bytes of streams, datagrams and link frames, with 64 bytes for each piece.
    pub bytes: u64,
    /// Frames listed in [`Flows::errors`].
    pub errors: u64,
}

impl Default for Budget {
    /// 65,536 flows, 512 MiB, 1,024 errors: an assay's own traffic many times over.
    fn default() -> Self {
        Self { flows: 1 << 16, bytes: 512 << 20, errors: 1024 }
    }
}

/// What a capture says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// The flows in the order of their first packets.
    pub flows: Vec<FlowRecord>,
    /// Frames that belong to no flow.
    pub link: Vec<LinkFrame>,
    /// Frames that cannot be read.
    pub errors: Vec<FrameError>,
    /// What the budget did not let keep.
    pub cut: Cut,
}

/// What the budget did not let keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Packets of flows beyond the allowed number.
    pub packets: u64,
    /// Bytes of payload in those packets, and of datagrams and link frames beyond the budget.
    pub bytes: u64,
    /// Unreadable frames beyond the allowed number.
    pub errors: u64,
}

/// A flow: packets between the same two ends, or one connection among them for TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Both ends, the subject first. Ports are 0 for ICMP, for other protocols and for fragments.
    pub flow: Flow,
    /// Who sent its first packet: `Sent` for the subject.
    pub opened_by: Direction,
    /// First packet, in nanoseconds of the recorder's `CLOCK_BOOTTIME`.
    pub first_ns: u64,
    /// Last packet.
    pub last_ns: u64,
    /// From the subject.
    pub sent: Side,
    /// To the subject.
    pub received: Side,
    /// Payloads of UDP, ICMP, other protocols and fragments, in order.
    pub datagrams: Vec<Datagram>,
}

/// One direction of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload on the link, repetitions included.
    pub payload_bytes: u64,
    /// Bytes of payload in a SYN: TCP Fast Open.
    pub fast_open_bytes: u64,
    /// Packets that are parts of a split one.
    pub fragments: u64,
    /// Bytes that the capture cut off its frames.
    pub unseen_bytes: u64,
    /// TCP flags of any packet.
    pub tcp_flags: TcpFlags,
    /// The TCP stream.
    pub stream: Stream,
}

/// TCP flags, as RFC 9293 numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from this side.
    pub const FIN: u8 = 1;
    /// The connection is being opened.
    pub const SYN: u8 = 2;
    /// The connection is broken off.
    pub const RST: u8 = 4;
    /// Earlier bytes are acknowledged.
    pub const ACK: u8 = 16;
    /// The urgent pointer counts.
    pub const URG: u8 = 32;

    /// Whether any of `flags` was seen.
    #[must_use]
    pub fn any(self, flags: u8) -> bool {
        self.0 & flags != 0
    }
}

/// A payload with its own boundaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Nanoseconds of the recorder's `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Which way.
    pub direction: Direction,
    /// The payload; for ICMP from its type on, for fragments what the part carries.
    pub bytes: Vec<u8>,
}

/// A frame that belongs to no flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFrame {
    /// Nanoseconds of the recorder's `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Which way.
    pub direction: Direction,
    /// What it is.
    pub kind: LinkKind,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

/// A frame that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// Which frame of the capture, from 0.
    pub frame: u64,
    /// Which way it went.
    pub direction: Direction,
    /// Its length in bytes.
    pub bytes: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Joins frames into flows. The subject's end of a flow is the one on its side of the link, which
/// the capture knows; no address is believed.
///
/// Costs one pass and at most the memory that `budget` allows.
#[must_use]
pub fn flows<'a>(frames: impl IntoIterator<Item = Frame<'a>>, budget: Budget) -> Flows {
    let mut joiner = Joiner { budget, current: BTreeMap::new(), result: Flows::default() };
    for (index, frame) in (0..).zip(frames) {
        joiner.frame(index, &frame);
    }
    joiner.finish()
}

struct Joiner {
    budget: Budget,
    /// The last flow between two ends.
    current: BTreeMap<Flow, usize>,
    result: Flows,
}

impl Joiner {
    fn frame(&mut self, index: u64, frame: &Frame<'_>) {
        match decode(frame.bytes) {
            Decoded::Packet(packet) => self.packet(frame, &packet),
            Decoded::Link(kind) => self.link(frame, kind),
            Decoded::Unreadable(reason) => self.error(index, frame, reason),
        }
    }

    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        let (flow, data) = key(packet, frame.direction);
        let Some(position) = self.find(flow, frame, packet) else {
            self.result.cut.packets = self.result.cut.packets.saturating_add(1);
            self.result.cut.bytes = self.result.cut.bytes.saturating_add(data.len() as u64);
            return;
        };
        let Some(record) = self.result.flows.get_mut(position) else { return };
        record.last_ns = frame.at_ns;
        let side = record.side_mut(frame.direction);
        side.count(frame, data.len() as u64);
        match &packet.payload {
            Payload::Tcp(segment) => return side.segment(segment, &mut self.budget.bytes),
            Payload::Fragment { .. } => side.fragments = side.fragments.saturating_add(1),
            Payload::Udp { .. } | Payload::Icmp(_) | Payload::Other(_) => {}
        }
        if take(&mut self.budget.bytes, data.len()) {
            let (at_ns, direction) = (frame.at_ns, frame.direction);
            record.datagrams.push(Datagram { at_ns, direction, bytes: data.to_vec() });
        } else {
            self.result.cut.bytes = self.result.cut.bytes.saturating_add(data.len() as u64);
        }
    }

    /// The flow that a packet belongs to, made if need be; `None` when there are too many.
    fn find(&mut self, flow: Flow, frame: &Frame<'_>, packet: &Packet<'_>) -> Option<usize> {
        if let Some(&position) = self.current.get(&flow) {
            let record = self.result.flows.get(position)?;
            if !record.is_followed_by(frame.direction, packet) {
                return Some(position);
            }
        }
        self.budget.flows = self.budget.flows.checked_sub(1)?;
        let position = self.result.flows.len();
        self.result.flows.push(FlowRecord::new(flow, frame));
        self.current.insert(flow, position);
        Some(position)
    }

    fn link(&mut self, frame: &Frame<'_>, kind: LinkKind) {
        if !take(&mut self.budget.bytes, frame.bytes.len()) {
            let bytes = frame.bytes.len() as u64;
            self.result.cut.bytes = self.result.cut.bytes.saturating_add(bytes);
            return;
        }
        let (at_ns, direction, bytes) = (frame.at_ns, frame.direction, frame.bytes.to_vec());
        self.result.link.push(LinkFrame { at_ns, direction, kind, bytes });
    }

    fn error(&mut self, index: u64, frame: &Frame<'_>, reason: String) {
        if self.result.errors.len() as u64 >= self.budget.errors {
            self.result.cut.errors = self.result.cut.errors.saturating_add(1);
            return;
        }
        let (direction, bytes) = (frame.direction, frame.bytes.len() as u64);
        self.result.errors.push(FrameError { frame: index, direction, bytes, reason });
    }

    fn finish(mut self) -> Flows {
        for record in &mut self.result.flows {
            record.sent.stream.finish();
            record.received.stream.finish();
        }
        self.result
    }
}

impl FlowRecord {
    fn new(flow: Flow, frame: &Frame<'_>) -> Self {
        let (sent, received) = (Side::default(), Side::default());
        let (opened_by, first_ns, last_ns) = (frame.direction, frame.at_ns, frame.at_ns);
        Self { flow, opened_by, first_ns, last_ns, sent, received, datagrams: Vec::new() }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    /// Whether `packet` opens another connection between the same ports: a SYN that does not repeat
    /// the first one.
    fn is_followed_by(&self, direction: Direction, packet: &Packet<'_>) -> bool {
        let Payload::Tcp(segment) = &packet.payload else { return false };
        if !segment.syn() || segment.ack() || direction != self.opened_by {
            return false;
        }
        let side = if direction == Direction::Sent { &self.sent } else { &self.received };
        !side.stream.begins_at(segment.sequence_number().wrapping_add(1))
    }
}

impl Side {
    fn count(&mut self, frame: &Frame<'_>, payload_bytes: u64) {
        let unseen = u64::from(frame.length).saturating_sub(frame.bytes.len() as u64);
        self.packets = self.packets.saturating_add(1);
        self.payload_bytes = self.payload_bytes.saturating_add(payload_bytes);
        self.unseen_bytes = self.unseen_bytes.saturating_add(unseen);
    }

    fn segment(&mut self, segment: &TcpSlice<'_>, budget: &mut u64) {
        let (data, sequence) = (segment.payload(), segment.sequence_number());
        self.tcp_flags.0 |= segment.slice().get(FLAGS_POSITION).copied().unwrap_or(0);
        if segment.rst() {
            return;
        }
        if !segment.syn() {
            return self.stream.insert(sequence, data, budget);
        }
        // The SYN itself takes one number (RFC 9293, 3.4); data in it follows (RFC 7413).
        self.fast_open_bytes = self.fast_open_bytes.saturating_add(data.len() as u64);
        self.stream.begin(sequence.wrapping_add(1));
        self.stream.insert(sequence.wrapping_add(1), data, budget);
    }
}

/// Both ends of a packet with the subject first, and its payload.
fn key<'a>(packet: &Packet<'a>, direction: Direction) -> (Flow, &'a [u8]) {
    let (transport, source_port, destination_port, data) = match &packet.payload {
        Payload::Tcp(tcp) => {
            (Transport::Tcp, tcp.source_port(), tcp.destination_port(), tcp.payload())
        }
        Payload::Udp { source_port, destination_port, data } => {
            (Transport::Udp, *source_port, *destination_port, *data)
        }
        Payload::Icmp(data) => (Transport::Icmp, 0, 0, *data),
        Payload::Other(data) => (Transport::Other, 0, 0, *data),
        Payload::Fragment { transport, data } => (*transport, 0, 0, *data),
    };
    let source = (packet.source, source_port);
    let destination = (packet.destination, destination_port);
    let (from, to) = match direction {
        Direction::Sent => (source, destination),
        Direction::Received => (destination, source),
    };
    let flow = Flow { transport, from: from.0, from_port: from.1, to: to.0, to_port: to.1 };
    (flow, data)
}

/// Takes a piece of `length` bytes from the budget if it fits.
fn take(budget: &mut u64, length: usize) -> bool {
    let cost = (length as u64).saturating_add(PIECE_OVERHEAD_BYTES);
    let left = budget.checked_sub(cost);
    *budget = left.unwrap_or(*budget);
    left.is_some()
}

/// What keeping a piece costs beside its bytes.
const PIECE_OVERHEAD_BYTES: u64 = 64;

/// Where the flags stand in a TCP header.
const FLAGS_POSITION: usize = 13;

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    const SUBJECT: [u8; 4] = [10, 77, 0, 2];
    const SERVER: [u8; 4] = [192, 0, 2, 9];

    /// A TCP segment; `flags` are letters of S, A, F, R.
    fn tcp(direction: Direction, sequence: u32, flags: &str, data: &[u8]) -> (Direction, Vec<u8>) {
        let (source, destination, ports) = match direction {
            Direction::Sent => (SUBJECT, SERVER, (40_000, 80)),
            Direction::Received => (SERVER, SUBJECT, (80, 40_000)),
        };
        let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, destination, 64);
        let mut builder = ethernet.tcp(ports.0, ports.1, sequence, 1000);
        for flag in flags.chars() {
            builder = match flag {
                'S' => builder.syn(),
                'A' => builder.ack(1),
                'F' => builder.fin(),
                _ => builder.rst(),
            };
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes, data).unwrap();
        (direction, bytes)
    }

    fn join(frames: &[(Direction, Vec<u8>)], budget: Budget) -> Flows {
        flows(
            frames.iter().zip(1..).map(|((direction, bytes), at_ns)| Frame {
                at_ns,
                direction: *direction,
                length: bytes.len() as u32,
                bytes,
            }),
            budget,
        )
    }

    use Direction::{Received, Sent};

    #[test]
    fn a_connection_is_one_flow_with_both_streams() {
        let frames = [
            tcp(Sent, 100, "S", b""),
            tcp(Received, 500, "SA", b""),
            tcp(Sent, 101, "A", b"GET "),
            tcp(Sent, 105, "A", b"/\r\n"),
            tcp(Sent, 105, "A", b"/\r\n"),
            tcp(Received, 501, "A", b"OK"),
            tcp(Received, 503, "FA", b""),
        ];
        let joined = join(&frames, Budget::default());
        let [flow] = joined.flows.as_slice() else { panic!("{joined:?}") };
        assert_eq!((flow.flow.from, flow.flow.to_port), (SUBJECT.into(), 80));
        assert_eq!((flow.first_ns, flow.last_ns, flow.opened_by), (1, 7, Sent));
        assert_eq!(flow.sent.stream.bytes, b"GET /\r\n");
        assert_eq!((flow.sent.payload_bytes, flow.sent.stream.repeated), (10, 3));
        assert_eq!(flow.received.stream.bytes, b"OK");
        assert!(
            flow.received.tcp_flags.any(TcpFlags::FIN) && !flow.sent.tcp_flags.any(TcpFlags::FIN)
        );
    }

    #[test]
    fn data_on_a_syn_is_counted_and_kept() {
        let frames = [tcp(Sent, 100, "S", b"early"), tcp(Sent, 106, "A", b"late")];
        let joined = join(&frames, Budget::default());
        assert_eq!(joined.flows[0].sent.fast_open_bytes, 5);
        assert_eq!(joined.flows[0].sent.stream.bytes, b"earlylate");
    }

    #[test]
    fn a_port_used_again_is_another_flow_but_a_repeated_syn_is_not() {
        let syn = |sequence| tcp(Sent, sequence, "S", b"");
        let joined = join(&[syn(1), syn(1), syn(9_000)], Budget::default());
        let packets: Vec<u64> = joined.flows.iter().map(|flow| flow.sent.packets).collect();
        assert_eq!(packets, [2, 1]);
    }

    #[test]
    fn datagrams_keep_their_boundaries() {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6([1; 16], [2; 16], 64);
        builder.udp(5000, 53).write(&mut bytes, b"question").unwrap();
        let joined = join(&[(Sent, bytes.clone()), (Sent, bytes)], Budget::default());
        assert_eq!(joined.flows[0].flow.transport, Transport::Udp);
        assert_eq!(joined.flows[0].datagrams.len(), 2);
        assert_eq!(joined.flows[0].datagrams[1].bytes, b"question");
    }

    #[test]
    fn what_is_not_ip_is_listed_with_its_bytes() {
        let frame = |ether_type: u16| {
            let mut bytes = vec![2; 12];
            bytes.extend_from_slice(&ether_type.to_be_bytes());
            bytes.extend_from_slice(b"hidden in plain sight");
            (Sent, bytes)
        };
        let joined = join(&[frame(0x88cc), frame(0x1234), frame(0x0800)], Budget::default());
        let kinds: Vec<LinkKind> = joined.link.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [LinkKind::Lldp, LinkKind::EtherType(0x1234)]);
        assert_eq!(joined.link[0].bytes.len(), 35);
        assert_eq!((joined.errors.len(), joined.errors[0].frame), (1, 2));
    }

    #[test]
    fn neighbour_discovery_is_noise_of_the_link_but_an_echo_is_a_flow() {
        let icmp = |kind: u8| {
            let mut bytes = Vec::new();
            let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6([1; 16], [2; 16], 255);
            builder.icmpv6_raw(kind, 0, [0; 4]).write(&mut bytes, b"payload").unwrap();
            (Sent, bytes)
        };
        let joined = join(&[icmp(135), icmp(143), icmp(128)], Budget::default());
        assert_eq!(joined.link[0].kind, LinkKind::NeighbourDiscovery);
        assert_eq!(joined.link[1].kind, LinkKind::GroupMembership);
        assert!(joined.flows[0].datagrams[0].bytes.ends_with(b"payload"));
    }

    #[test]
    fn fragments_are_kept_and_noted() {
        let (_, mut bytes) = tcp(Sent, 1, "A", b"rest of a packet");
        bytes[20] = 0x20; // more fragments
        let joined = join(&[(Sent, bytes)], Budget::default());
        assert_eq!((joined.flows[0].sent.fragments, joined.flows[0].flow.to_port), (1, 0));
        assert!(joined.flows[0].datagrams[0].bytes.ends_with(b"rest of a packet"));
    }

    #[test]
    fn the_budget_bounds_flows_and_bytes_and_counts_the_rest() {
        let small = Budget { flows: 1, bytes: 3, errors: 0 };
        let mut other = tcp(Received, 7, "A", b"unseen");
        other.0 = Sent;
        let joined = join(&[tcp(Sent, 1, "A", b"abcdef"), other, (Sent, vec![])], small);
        assert_eq!(joined.flows[0].sent.stream.cut, 3);
        assert_eq!(joined.cut, Cut { packets: 1, bytes: 6, errors: 1 });
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            frames in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..120)), 0..8),
        ) {
            let frames: Vec<_> = frames.into_iter()
                .map(|(sent, bytes)| (if sent { Sent } else { Received }, bytes)).collect();
            let _ = join(&frames, Budget::default());
        }

        #[test]
        fn damaged_packets_never_panic_and_are_all_accounted_for(
            damage in proptest::collection::vec((12_usize..80, any::<u8>()), 0..6),
            end in 0_usize..90,
        ) {
            let mut frames = vec![tcp(Sent, 100, "S", b"early"), tcp(Received, 9, "SA", b"data of it")];
            for (_, bytes) in &mut frames {
                for &(at, value) in &damage {
                    if let Some(byte) = bytes.get_mut(at) { *byte = value; }
                }
                bytes.truncate(end);
            }
            let joined = join(&frames, Budget::default());
            let packets: u64 = joined.flows.iter().map(|f| f.sent.packets + f.received.packets).sum();
            prop_assert_eq!(packets + (joined.link.len() + joined.errors.len()) as u64, 2);
        }
    }
}
