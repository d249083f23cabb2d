//! The name server: every host has a stable address of the documentation ranges, so that a flow can
//! be joined to the name that was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use watchglass_packets::dns::{
    self, DomainName, Message, OPCODE, Question, RESPONSE, Record, TRUNCATED, kind,
};

use crate::scenario::{Scenario, Unknown};

/// Names, their addresses, and what the name server says about them.
#[derive(Debug)]
pub(crate) struct Names {
    scenario: Arc<Scenario>,
    /// Every name above a host of the scenario: it exists, and has nothing.
    above: BTreeSet<String>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    addresses: BTreeMap<String, Ipv4Addr>,
    names: BTreeMap<Ipv4Addr, String>,
}

/// Which messages a reply may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Datagrams: 512 bytes, or what the asker says, up to 1,232.
    Udp,
    /// Streams: 65,535 bytes.
    Tcp,
}

impl Names {
    /// Gives the hosts of a scenario their addresses.
    pub(crate) fn new(scenario: Arc<Scenario>) -> Self {
        let mut book = Book::default();
        let mut above = BTreeSet::new();
        let fixed = |host: &&crate::Host| host.address.is_some();
        let (with, without): (Vec<_>, Vec<_>) = scenario.hosts.iter().partition(fixed);
        for host in with.into_iter().chain(without) {
            let name = host.host.trim_start_matches("*.");
            above.extend(name.match_indices('.').map(|(dot, _)| name[dot + 1..].to_owned()));
            match host.address {
                _ if host.is_wildcard() => drop(above.insert(name.to_owned())),
                Some(address) => book.insert(name, address),
                None => drop(book.address_of(name)),
            }
        }
        Self { scenario, above, book: Mutex::new(book) }
    }

    /// The name whose address this is, if it was asked for or stands in the scenario.
    pub(crate) fn name_of(&self, address: IpAddr) -> Option<String> {
        let IpAddr::V4(address) = address else { return None };
        self.book().names.get(&address).cloned()
    }

    /// The address of a host, made up if it has none yet.
    pub(crate) fn address_of(&self, name: &str) -> Ipv4Addr {
        self.book().address_of(name)
    }

    /// Whether a message asks for a host that the scenario has.
    pub(crate) fn plays(&self, query: &[u8]) -> bool {
        let Ok(query) = dns::parse(query) else { return false };
        let mut names = query.questions.iter().filter_map(|question| question.name.host());
        names.any(|name| self.scenario.host(&name).is_some())
    }

    /// The reply to a question; `None` where a server keeps silent.
    pub(crate) fn reply(&self, query: &[u8], carrier: Carrier) -> Option<Vec<u8>> {
        let query = match dns::parse(query) {
            Ok(query) => query,
            Err(_) => return format_error(query),
        };
        if query.flags & RESPONSE != 0 {
            return None;
        }
        let mut reply = Message {
            id: query.id,
            flags: RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE | query.flags & ECHOED,
            questions: query.questions.clone(),
            ..Message::default()
        };
        match query.questions.as_slice() {
            _ if query.flags & OPCODE != 0 => reply.flags |= NOT_IMPLEMENTED,
            [question] => self.fill(&mut reply, question),
            _ => reply.flags |= FORMAT_ERROR,
        }
        Some(fit(reply, max_bytes(&query, carrier), &query))
    }

    fn fill(&self, reply: &mut Message, question: &Question) {
        let Some(name) = question.name.host() else { return deny(reply, question) };
        if let Some(address) = reverse_address(&name) {
            return match self.name_of(address).as_deref().and_then(DomainName::from_text) {
                Some(pointed) if matches!(question.kind, kind::PTR | kind::ANY) => {
                    reply.answers.push(record(question, kind::PTR, name_data(&pointed)));
                }
                Some(_) => reply.authorities.push(authority(question)),
                None => deny(reply, question),
            };
        }
        let host = self.scenario.host(&name).map(|(_, host)| host);
        let is_known = host.is_some() || self.scenario.default == Unknown::Synthesise;
        if !is_known && !self.above.contains(&name) {
            return deny(reply, question);
        }
        let wants = |kind: u16| question.kind == kind || question.kind == kind::ANY;
        if is_known && wants(kind::A) {
            let address = self.address_of(&name).octets().to_vec();
            reply.answers.push(record(question, kind::A, address));
        }
        if wants(kind::TXT) {
            let texts = host.into_iter().flat_map(|host| &host.dns_txt);
            let texts = texts.map(|text| record(question, kind::TXT, text_data(text)));
            reply.answers.extend(texts);
        }
        if is_known && wants(kind::MX) {
            let data = [&10_u16.to_be_bytes()[..], &name_data(&question.name)].concat();
            reply.answers.push(record(question, kind::MX, data));
        }
        if wants(kind::NS) {
            reply.answers.push(record(question, kind::NS, name_data(&server_name())));
        }
        if wants(kind::SOA) {
            reply.answers.push(authority(question));
        }
        if reply.answers.is_empty() {
            reply.authorities.push(authority(question));
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// The same name gets the same address in every run, as long as no other name was there first.
    fn address_of(&mut self, name: &str) -> Ipv4Addr {
        if let Some(&address) = self.addresses.get(name) {
            return address;
        }
        let start = u32::from_be_bytes(first_word(name)) % ADDRESSES;
        let free = (0..ADDRESSES)
            .map(|step| documentation_address((start + step) % ADDRESSES))
            .find(|address| !self.names.contains_key(address));
        // More names than addresses: the rest share one, and nothing grows.
        let Some(address) = free else { return SHARED };
        self.insert(name, address);
        address
    }

    fn insert(&mut self, name: &str, address: Ipv4Addr) {
        self.addresses.insert(name.to_owned(), address);
        self.names.insert(address, name.to_owned());
    }
}

fn first_word(name: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = watchglass_events::Digest::of(name.as_bytes()).0;
    [a, b, c, d]
}

/// 192.0.2.1 to .253, then the same of 198.51.100.0 and 203.0.113.0 (RFC 5737).
fn documentation_address(number: u32) -> Ipv4Addr {
    let range = match number / ADDRESSES_OF_A_RANGE {
        0 => Ipv4Addr::new(192, 0, 2, 0),
        1 => Ipv4Addr::new(198, 51, 100, 0),
        _ => Ipv4Addr::new(203, 0, 113, 0),
    };
    Ipv4Addr::from_bits(range.to_bits() + 1 + number % ADDRESSES_OF_A_RANGE)
}

/// The address in a name like `1.2.0.192.in-addr.arpa`.
fn reverse_address(name: &str) -> Option<IpAddr> {
    let reversed: Ipv4Addr = name.strip_suffix(".in-addr.arpa")?.parse().ok()?;
    let [a, b, c, d] = reversed.octets();
    Some(Ipv4Addr::new(d, c, b, a).into())
}

fn deny(reply: &mut Message, question: &Question) {
    reply.flags |= NO_SUCH_NAME;
    reply.authorities.push(authority(question));
}

fn record(question: &Question, kind: u16, data: Vec<u8>) -> Record {
    Record { name: question.name.clone(), kind, class: 1, ttl_seconds: TTL_SECONDS, data }
}

/// Start of authority: with it, a denial may be kept (RFC 2308).
fn authority(question: &Question) -> Record {
    let mut data = name_data(&server_name());
    server_name().write(&mut data);
    for number in [1, 3600, 600, 86_400, TTL_SECONDS] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    record(question, kind::SOA, data)
}

fn server_name() -> DomainName {
    DomainName::from_text(SERVER_NAME).unwrap_or_default()
}

fn name_data(name: &DomainName) -> Vec<u8> {
    let mut data = Vec::new();
    name.write(&mut data);
    data
}

fn text_data(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    std::iter::once(length).chain(bytes.iter().copied().take(length.into())).collect()
}

fn max_bytes(query: &Message, carrier: Carrier) -> usize {
    let offered = query.additional.iter().find(|record| record.kind == kind::OPT);
    match (carrier, offered) {
        (Carrier::Tcp, _) => usize::from(u16::MAX),
        (Carrier::Udp, Some(options)) => usize::from(options.class.clamp(512, EDNS_BYTES)),
        (Carrier::Udp, None) => 512,
    }
}

/// The reply's bytes, cut down to the question if they are too many.
fn fit(mut reply: Message, max_bytes: usize, query: &Message) -> Vec<u8> {
    if query.additional.iter().any(|record| record.kind == kind::OPT) {
        let name = DomainName::default();
        let options =
            Record { name, kind: kind::OPT, class: EDNS_BYTES, ttl_seconds: 0, data: vec![] };
        reply.additional.push(options);
    }
    let bytes = reply.to_bytes();
    if bytes.len() <= max_bytes {
        return bytes;
    }
    reply.answers.clear();
    reply.authorities.clear();
    reply.flags |= TRUNCATED;
    reply.to_bytes()
}

/// The reply to what is no DNS message, if at least its number can be read.
fn format_error(query: &[u8]) -> Option<Vec<u8>> {
    let &[high, low, flags, ..] = query else { return None };
    let is_question = flags & 0x80 == 0 && query.len() >= HEADER_BYTES;
    let id = u16::from_be_bytes([high, low]);
    let reply = Message { id, flags: RESPONSE | FORMAT_ERROR, ..Message::default() };
    is_question.then(|| reply.to_bytes())
}

const HEADER_BYTES: usize = 12;
const AUTHORITATIVE: u16 = 0x0400;
const RECURSION_AVAILABLE: u16 = 0x0080;
/// Opcode and "recursion desired" come back as they came.
const ECHOED: u16 = OPCODE | 0x0100;
const FORMAT_ERROR: u16 = 1;
const NO_SUCH_NAME: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;

/// What resolvers use today: it fits every link unsplit.
const EDNS_BYTES: u16 = 1232;

const TTL_SECONDS: u32 = 300;
const SERVER_NAME: &str = "ns.invalid";

const ADDRESSES_OF_A_RANGE: u32 = 253;
const ADDRESSES: u32 = 3 * ADDRESSES_OF_A_RANGE;
/// The address of all names once the others are given away.
const SHARED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 254);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Names {
        Names::new(Arc::new(toml::from_str(text).unwrap()))
    }

    fn ask(names: &Names, name: &str, kind: u16) -> Message {
        let name = DomainName::from_text(name).unwrap();
        let questions = vec![Question { name, kind, class: 1 }];
        let query = Message { id: 9, flags: 0x0100, questions, ..Message::default() };
        let reply = dns::parse(&names.reply(&query.to_bytes(), Carrier::Udp).unwrap()).unwrap();
        assert_eq!((reply.id, reply.flags & RESPONSE), (9, RESPONSE));
        reply
    }

    const VENDOR: &str = r#"
        default = "nxdomain"
        [[hosts]]
        host = "current.cvd.clamav.net"
        dns_txt = ["0.103.8:62"]
        [[hosts]]
        host = "fixed.example.org"
        address = "198.51.100.7"
        [[hosts]]
        host = "*.below.example.org"
    "#;

    #[test]
    fn a_host_has_its_address_text_and_reverse_name() {
        let names = names(VENDOR);
        assert_eq!(ask(&names, "Fixed.Example.org", kind::A).answers[0].data, [198, 51, 100, 7]);
        let text = ask(&names, "current.cvd.clamav.net", kind::TXT);
        assert_eq!(text.answers[0].data, b"\x0a0.103.8:62");
        let pointer = ask(&names, "7.100.51.198.in-addr.arpa", kind::PTR);
        assert_eq!(pointer.answers[0].data, b"\x05fixed\x07example\x03org\0");
        assert_eq!(names.name_of([198, 51, 100, 7].into()).unwrap(), "fixed.example.org");
        let ipv6 = ask(&names, "fixed.example.org", kind::AAAA);
        assert_eq!((ipv6.flags & 15, ipv6.answers.len(), ipv6.authorities.len()), (0, 0, 1));
    }

    #[test]
    fn names_above_and_below_hosts_exist_and_others_do_not() {
        let names = names(VENDOR);
        assert_eq!(ask(&names, "clamav.net", kind::A).flags & 15, 0);
        assert_eq!(ask(&names, "x.below.example.org", kind::A).answers.len(), 1);
        assert_eq!(ask(&names, "nobody.example.org", kind::A).flags & 15, NO_SUCH_NAME);
        assert_eq!(ask(&names, "9.2.0.192.in-addr.arpa", kind::PTR).flags & 15, NO_SUCH_NAME);
    }

    #[test]
    fn a_name_has_the_same_address_whatever_else_was_asked_first() {
        let (first, second) = (names(""), names(""));
        let _ = ask(&second, "other.example.net", kind::A);
        let address = |names| ask(names, "www.example.net", kind::A).answers[0].data.clone();
        assert_eq!(address(&first), address(&second));
    }

    #[test]
    fn names_without_end_do_not_fill_the_memory() {
        let names = names("");
        let addresses: BTreeSet<Ipv4Addr> =
            (0..2000).map(|number| names.address_of(&format!("{number}.example"))).collect();
        assert_eq!(addresses.len(), ADDRESSES as usize + 1);
        assert!(addresses.contains(&SHARED) && names.book().names.len() == ADDRESSES as usize);
    }

    #[test]
    fn a_long_reply_is_cut_for_datagrams_only() {
        let texts = vec![format!("{:?}", "x".repeat(250)); 8].join(",");
        let names = names(&format!("[[hosts]]\nhost = \"a.org\"\ndns_txt = [{texts}]"));
        let name = DomainName::from_text("a.org").unwrap();
        let questions = vec![Question { name, kind: kind::TXT, class: 1 }];
        let query = Message { questions, ..Message::default() }.to_bytes();
        let cut = dns::parse(&names.reply(&query, Carrier::Udp).unwrap()).unwrap();
        assert_eq!((cut.flags & TRUNCATED, cut.answers.len()), (TRUNCATED, 0));
        let whole = dns::parse(&names.reply(&query, Carrier::Tcp).unwrap()).unwrap();
        assert_eq!((whole.flags & TRUNCATED, whole.answers.len()), (0, 8));
    }

    #[test]
    fn what_is_no_question_gets_an_error_or_silence() {
        let names = names("");
        assert_eq!(names.reply(b"short", Carrier::Udp), None);
        assert_eq!(names.reply(&[0x80; 40], Carrier::Udp), None);
        assert_eq!(names.reply(&[0x7f; 40], Carrier::Udp).unwrap()[3] & 15, 1);
    }
}
