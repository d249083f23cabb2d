//! One frame, down to the transport.

use std::net::IpAddr;

use etherparse::{
    EtherType, IpNumber, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TcpSlice,
    TransportSlice,
};
use watchglass_events::Transport;

/// What a frame is that does not belong to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkKind {
    /// Who has this IPv4 address?
    Arp,
    /// The same for IPv6: router and neighbour discovery (ICMPv6 types 133 to 137).
    NeighbourDiscovery,
    /// Multicast groups joined and left (IGMP; ICMPv6 types 130 to 132 and 143).
    GroupMembership,
    /// Link layer discovery.
    Lldp,
    /// Another ethertype, or the length field of IEEE 802.3.
    EtherType(u16),
}

/// A frame as far as it can be read.
#[derive(Debug)]
pub(crate) enum Decoded<'a> {
    Packet(Packet<'a>),
    Link(LinkKind),
    Unreadable(String),
}

/// An IP packet.
#[derive(Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) payload: Payload<'a>,
}

/// What an IP packet carries.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    Tcp(TcpSlice<'a>),
    Udp {
        source_port: u16,
        destination_port: u16,
        data: &'a [u8],
    },
    Icmp(&'a [u8]),
    /// A protocol without ports, or a packet whose transport header cannot be read.
    Other(&'a [u8]),
    /// A part of a packet. Whoever splits packets hides the transport header from simple filters.
    Fragment {
        transport: Transport,
        data: &'a [u8],
    },
}

/// Reads a frame. Never fails: what cannot be read is one of the answers.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let sliced = match LaxSlicedPacket::from_ethernet(bytes) {
        Ok(sliced) => sliced,
        Err(error) => return Decoded::Unreadable(error.to_string()),
    };
    let Some(net) = &sliced.net else { return without_ip(&sliced) };
    let (source, destination) = match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            (IpAddr::from(header.source()), IpAddr::from(header.destination()))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            (IpAddr::from(header.source()), IpAddr::from(header.destination()))
        }
        LaxNetSlice::Arp(_) => return Decoded::Link(LinkKind::Arp),
    };
    let Some(ip) = net.ip_payload_ref() else { return without_ip(&sliced) };
    let (number, data) = (ip.ip_number, ip.payload);
    if let Some(kind) = link_noise(number, data).filter(|_| !ip.fragmented) {
        return Decoded::Link(kind);
    }
    let payload = if ip.fragmented {
        Payload::Fragment { transport: transport(number), data }
    } else {
        transport_payload(sliced.transport, number, data)
    };
    Decoded::Packet(Packet { source, destination, payload })
}

fn transport_payload<'a>(
    slice: Option<TransportSlice<'a>>,
    number: IpNumber,
    data: &'a [u8],
) -> Payload<'a> {
    match slice {
        Some(TransportSlice::Tcp(tcp)) => Payload::Tcp(tcp),
        Some(TransportSlice::Udp(udp)) => Payload::Udp {
            source_port: udp.source_port(),
            destination_port: udp.destination_port(),
            data: udp.payload(),
        },
        _ if transport(number) == Transport::Icmp => Payload::Icmp(data),
        _ => Payload::Other(data),
    }
}

fn transport(number: IpNumber) -> Transport {
    match number {
        IpNumber::TCP => Transport::Tcp,
        IpNumber::UDP => Transport::Udp,
        IpNumber::ICMP | IpNumber::IPV6_ICMP => Transport::Icmp,
        _ => Transport::Other,
    }
}

/// What hosts tell each other about the link itself.
fn link_noise(number: IpNumber, data: &[u8]) -> Option<LinkKind> {
    let kind = *data.first()?;
    match (number, kind) {
        (IpNumber::IGMP, _) | (IpNumber::IPV6_ICMP, 130..=132 | 143) => {
            Some(LinkKind::GroupMembership)
        }
        (IpNumber::IPV6_ICMP, 133..=137) => Some(LinkKind::NeighbourDiscovery),
        _ => None,
    }
}

fn without_ip(sliced: &LaxSlicedPacket<'_>) -> Decoded<'static> {
    let ether_type = match (sliced.link_exts.last(), &sliced.link) {
        (Some(LaxLinkExtSlice::Vlan(vlan)), _) => vlan.ether_type(),
        (None, Some(LinkSlice::Ethernet2(header))) => header.ether_type(),
        _ => return Decoded::Unreadable("a link extension that is not read here".to_owned()),
    };
    match ether_type {
        EtherType::ARP => Decoded::Link(LinkKind::Arp),
        LLDP => Decoded::Link(LinkKind::Lldp),
        EtherType::IPV4 | EtherType::IPV6 => {
            let reason = sliced.stop_err.as_ref().map(|(error, _)| error.to_string());
            Decoded::Unreadable(reason.unwrap_or_default())
        }
        EtherType(other) => Decoded::Link(LinkKind::EtherType(other)),
    }
}

const LLDP: EtherType = EtherType(0x88cc);
