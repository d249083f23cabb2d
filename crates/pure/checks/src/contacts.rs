//! Who on the network was reached, by whom, put together from every source.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watchglass_events::{Direction, Event, Flow, Peer, Process, Transport, What};

use crate::case::Run;
use crate::link::{self, Kind};
use crate::processes::Role;
use crate::results::Evidence;
use crate::wire::{self, Stream};

/// A far end: address and port.
pub(crate) type End = (IpAddr, u16);

/// Port of the resolver.
pub(crate) const DNS_PORT: u16 = 53;

/// Everything known of the traffic to one far end.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    /// Names that were answered with the address, or that the streams named.
    pub(crate) hosts: BTreeSet<String>,
    /// Those of them that the resolver answered with the address. What a stream says of itself, by
    /// SNI or by `Host`, is the subject's word, and covers nothing.
    pub(crate) resolved: BTreeSet<String>,
    /// Transports on the link.
    pub(crate) transports: BTreeSet<Transport>,
    /// Payload bytes from the subject on the link, each byte once.
    pub(crate) link_sent: u64,
    /// Payload bytes to the subject on the link.
    pub(crate) link_received: u64,
    /// Flows on the link.
    pub(crate) flows: u64,
    /// Whether a flow was reset or never finished, so that bytes may have stayed in the kernel.
    pub(crate) broken_off: bool,
    /// Bytes that processes sent, as the kernel sensor saw.
    pub(crate) process_sent: u64,
    /// Processes that connected or sent, with the row that shows it first.
    pub(crate) processes: BTreeMap<Process, u64>,
    /// The domains of the programs that each of them ran when it connected or sent.
    pub(crate) domains: BTreeMap<Process, BTreeSet<Option<String>>>,
    /// Streams at the gate.
    pub(crate) streams: Vec<Stream>,
    /// Datagrams from the subject at the gate, with their rows.
    pub(crate) datagrams: Vec<(Vec<u8>, u64)>,
    /// Payload from the subject on the link, for what the gate does not know.
    pub(crate) raw: Vec<Vec<u8>>,
    /// Rows that show it.
    pub(crate) evidence: Vec<Evidence>,
    /// Whether only the lab's own canary went there.
    pub(crate) canary: bool,
}

/// The traffic of a run, by far end.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    by_end: BTreeMap<End, Contact>,
    names: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Questions to the resolver, in order.
    pub(crate) questions: Vec<Question>,
}

/// A question to the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The name that was asked for, lower case, safe to print.
    pub(crate) name: String,
    /// `A`, `TXT`, ….
    pub(crate) kind: Kind,
    /// Row of the gate's log.
    pub(crate) row: u64,
    /// Whether it is the lab's own canary.
    pub(crate) canary: bool,
}

impl Contacts {
    /// Puts the sources of a run side by side.
    #[must_use]
    pub(crate) fn of(run: &Run) -> Self {
        let mut contacts = Self::default();
        let tokens = run.tokens();
        contacts.resolve(run, tokens);
        contacts.add_gate(run);
        contacts.add_link(run);
        contacts.add_processes(run);
        contacts.mark_canaries(run, tokens);
        contacts
    }

    /// Far ends that are the subject's, not the lab's.
    pub(crate) fn of_subject(&self) -> impl Iterator<Item = (&End, &Contact)> {
        self.by_end.iter().filter(|(_, contact)| !contact.canary)
    }

    /// What is known of a far end that is the subject's.
    #[must_use]
    pub(crate) fn at_end(&self, end: &End) -> Option<&Contact> {
        self.by_end.get(end).filter(|contact| !contact.canary)
    }

    /// A far end for people.
    #[must_use]
    pub(crate) fn shown(&self, end: &End) -> String {
        let host = self.by_end.get(end).and_then(|contact| contact.hosts.first());
        wire::destination(host.map(String::as_str), end.0, end.1)
    }

    fn at(&mut self, end: End) -> &mut Contact {
        let names = self.names.get(&end.0);
        self.by_end.entry(end).or_insert_with(|| Contact {
            hosts: names.cloned().unwrap_or_default(),
            resolved: names.cloned().unwrap_or_default(),
            ..Contact::default()
        })
    }

    fn resolve(&mut self, run: &Run, tokens: &[String]) {
        for datagram in wire::datagrams(&run.gate.events) {
            if datagram.flow.to_port == DNS_PORT {
                self.take_dns(datagram.data, datagram.direction, datagram.row, tokens);
            }
        }
        for stream in wire::streams(&run.gate.events) {
            if stream.flow.to_port == DNS_PORT {
                for (bytes, direction) in
                    [(&stream.sent, Direction::Sent), (&stream.received, Direction::Received)]
                {
                    // DNS over TCP puts two bytes of length before each message (RFC 1035 §4.2.2).
                    for message in link::prefixed(bytes) {
                        self.take_dns(message, direction, stream.row, tokens);
                    }
                }
            }
        }
    }

    fn take_dns(&mut self, bytes: &[u8], direction: Direction, row: u64, tokens: &[String]) {
        let Some(message) = link::dns(bytes) else { return };
        if direction == Direction::Received {
            // An alias is answered under its own name; what was asked for leads there as well.
            let asked: Vec<String> = message.questions.into_iter().map(|(name, _)| name).collect();
            for (name, address) in message.addresses {
                let names = self.names.entry(address).or_default();
                names.insert(name);
                names.extend(asked.iter().cloned());
            }
            return;
        }
        for (name, kind) in message.questions {
            let canary = is_canary_name(&name, tokens);
            self.questions.push(Question { name, kind, row, canary });
        }
    }

    fn add_gate(&mut self, run: &Run) {
        for stream in wire::streams(&run.gate.events) {
            let evidence = run.row("gate.log", stream.row);
            let contact = self.at(end(&stream.flow));
            contact.transports.insert(stream.flow.transport);
            contact.hosts.extend(stream.host());
            contact.evidence.push(evidence);
            contact.streams.push(stream);
        }
        for datagram in wire::datagrams(&run.gate.events) {
            if datagram.direction != Direction::Sent {
                continue;
            }
            let contact = self.at(end(&datagram.flow));
            contact.transports.insert(datagram.flow.transport);
            contact.datagrams.push((datagram.data.to_vec(), datagram.row));
            contact.evidence.push(run.row("gate.log", datagram.row));
        }
    }

    fn add_link(&mut self, run: &Run) {
        for flow in run.link.flows.iter().filter(|flow| !flow.is_kernels) {
            let contact = self.at(end(&flow.flow));
            contact.transports.insert(flow.flow.transport);
            contact.link_sent = contact.link_sent.saturating_add(flow.sent_bytes);
            contact.link_received = contact.link_received.saturating_add(flow.received_bytes);
            contact.flows = contact.flows.saturating_add(1);
            contact.broken_off |= flow.broken_off;
            contact.raw.push(flow.sent.clone());
            contact.evidence.push(run.row("packets.pcapng", flow.number));
        }
    }

    fn add_processes(&mut self, run: &Run) {
        let mut peers = BTreeMap::new();
        for event in &run.sensor.events {
            let Some((end, bytes)) = reached(event, &mut peers) else { continue };
            let Some(actor) = event.actor else { continue };
            let contact = self.at(end);
            contact.process_sent = contact.process_sent.saturating_add(bytes);
            let domain = run.processes.domain(event).map(str::to_owned);
            contact.domains.entry(actor.process).or_default().insert(domain);
            if contact.processes.insert(actor.process, event.seq).is_none() {
                contact.evidence.push(run.sensed(event));
            }
        }
    }

    /// A far end is the canary's if nobody else went there.
    fn mark_canaries(&mut self, run: &Run, tokens: &[String]) {
        for contact in self.by_end.values_mut() {
            let by_name = contact.hosts.iter().any(|host| is_canary_name(host, tokens));
            let is_canary = |process| run.processes.role(process) == Role::Canary;
            let alone = contact.processes.keys().all(|process| is_canary(*process));
            contact.canary = by_name && alone;
        }
    }
}

/// A canary asks for its token below the domain of the canaries, and for nothing else.
fn is_canary_name(name: &str, tokens: &[String]) -> bool {
    let token = name.strip_suffix(CANARY_DOMAIN).and_then(|token| token.strip_suffix('.'));
    token.is_some_and(|token| tokens.iter().any(|known| known == token))
}

fn end(flow: &Flow) -> End {
    (flow.to, flow.to_port)
}

/// Names below this one are the canaries'. It is reserved for documentation (RFC 2606).
pub const CANARY_DOMAIN: &str = "canary.example";

/// Canaries of one run that are followed; the lab lets a handful go.
pub(crate) const MAX_CANARIES: usize = 64;

/// 24 letters and digits (RFC 4648 §6, lower case), as the lab draws them.
fn is_token(token: &str) -> bool {
    let is_drawn = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    token.len() == 24 && token.bytes().all(is_drawn)
}

/// Tokens of the canaries of a run.
#[must_use]
pub(crate) fn tokens(run: &Run) -> Vec<String> {
    let token = |event: &Event| match &event.what {
        What::CanaryPlaced { token, .. } => Some(token.clone()),
        _ => None,
    };
    let tokens = run.lab.events.iter().filter_map(token);
    tokens.filter(|token| is_token(token)).take(MAX_CANARIES).collect()
}

/// Whom on the network an event reached, and with how many bytes. Only one source counts, since the
/// cgroup hooks see the same connections again.
pub(crate) fn reached(
    event: &Event,
    peers: &mut BTreeMap<watchglass_events::SocketId, Peer>,
) -> Option<(End, u64)> {
    if event.source == watchglass_events::Source::Cgroup {
        return None;
    }
    let (socket, peer, bytes) = match &event.what {
        What::Connected { socket, peer, error: None } => (*socket, Some(peer), 0),
        What::Sent { socket, peer, bytes, error: None, .. } => (*socket, peer.as_ref(), *bytes),
        _ => return None,
    };
    if let (Some(socket), Some(peer)) = (socket, peer) {
        peers.insert(socket, peer.clone());
    }
    let known = socket.and_then(|socket| peers.get(&socket));
    match peer.or(known)? {
        Peer::Internet { address, .. } if address.is_loopback() || address.is_unspecified() => None,
        Peer::Internet { address, port } => Some(((*address, *port), bytes)),
        Peer::Unix(_) | Peer::Other { .. } => None,
    }
}
