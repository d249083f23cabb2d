//! What happens to one connection of the subject.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use watchglass_events::{Flow, How, TlsFacts, Transport as Protocol};

use crate::gate::Internet;
use crate::http;
use crate::names::Carrier;
use crate::passage::pass_stream;
use crate::scenario::Fault;
use crate::tls::{Failed, Secured};
use crate::wire::{Look, Raw, Transport, Wire, ending};

/// Finds out what the subject speaks, and speaks it with it, to the end.
pub(crate) fn converse(internet: &Internet, socket: TcpStream, from: SocketAddr, to: SocketAddr) {
    let talk = Talk { internet, flow: flow(Protocol::Tcp, from, to), to };
    let named = internet.names.name_of(to.ip());
    if let Some(passage) = internet.passage.as_ref().filter(|_| named.is_none()) {
        return pass_stream(internet, passage, socket, talk.flow, to);
    }
    let raw = Raw::new(socket, &internet.limits);
    match named.as_deref().and_then(|name| internet.fault(name)) {
        Some(Fault::Refuse) => talk.record(raw, "refuse", |wire| wire.abort(How::ByScenario)),
        Some(Fault::Silent) => talk.sink(raw, "silent"),
        Some(fault @ (Fault::Reset | Fault::Garbage)) => talk.upset(raw, fault),
        _ if to.port() == DNS_PORT => talk.record(raw, "dns", |wire| {
            let mut wire = wire;
            let how = answer_names(&mut wire, internet);
            wire.finish(how);
        }),
        _ => talk.recognise(raw, named.as_deref()),
    }
}

/// Both ends of a connection or datagram.
pub(crate) fn flow(transport: Protocol, from: SocketAddr, to: SocketAddr) -> Flow {
    let (from_port, to_port) = (from.port(), to.port());
    Flow { transport, from: plain(from.ip()), from_port, to: plain(to.ip()), to_port }
}

/// IPv4 addresses mapped into IPv6 are given as IPv4.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

struct Talk<'a> {
    internet: &'a Internet,
    flow: Flow,
    to: SocketAddr,
}

impl Talk<'_> {
    /// Goes by the first bytes.
    fn recognise(&self, mut raw: Raw, named: Option<&str>) {
        let limits = &self.internet.limits;
        let mut patience = Duration::from_millis(limits.silence_ms);
        loop {
            match raw.look(patience) {
                Ok(Look::Bytes) => {}
                Ok(Look::Silence) if raw.first_bytes().is_empty() => return self.speak_first(raw),
                Ok(Look::Silence | Look::End) => return self.sink(raw, "sink"),
                Err(error) => {
                    let how = ending(error);
                    return self.record(raw, "sink", |wire| wire.abort(how));
                }
            }
            if watchglass_packets::hello::looks_like_tls(raw.first_bytes()) {
                return self.secure(raw, named);
            }
            let could_be_tls = raw.first_bytes() == [TLS_HANDSHAKE];
            match http::looks_like_http(raw.first_bytes()) {
                Some(true) => return self.serve(Transport::Plain(raw), None, named),
                Some(false) if !could_be_tls => return self.sink(raw, "sink"),
                // A few bytes that could become either; the rest has to come soon.
                _ => patience = Duration::from_millis(limits.silence_ms),
            }
        }
    }

    fn speak_first(&self, raw: Raw) {
        let Some((service, greeting)) = greeting(self.to.port()) else {
            return self.sink(raw, "sink");
        };
        self.record(raw, service, |mut wire| {
            let how = match wire.write(greeting.as_bytes()) {
                Ok(()) => http::sink(&mut wire),
                Err(how) => how,
            };
            wire.finish(how);
        });
    }

    fn secure(&self, raw: Raw, named: Option<&str>) {
        let patience = Duration::from_secs(self.internet.limits.handshake_seconds);
        let certificate_name = |wanted: &str| match self.internet.fault(wanted) {
            Some(Fault::WrongCertificate) => WRONG_NAME.to_owned(),
            _ => wanted.to_owned(),
        };
        match self.internet.tls.accept(raw, self.flow.to, patience, certificate_name) {
            Ok(Secured { stream, facts }) => {
                let name = facts.server_name.as_ref().map(ToString::to_string);
                let name = name.or_else(|| named.map(str::to_owned));
                self.after_handshake(Transport::Tls(Box::new(stream)), facts, name.as_deref());
            }
            Err(failed) => {
                let Failed { facts, reason } = *failed;
                let opened = self.internet.recorder.open(self.flow, Some(facts), "tls");
                if let Ok(record) = opened {
                    record.close(How::TlsFailed(reason));
                }
            }
        }
    }

    /// Inside of TLS: HTTP or a sink, by the first clear bytes.
    fn after_handshake(&self, transport: Transport, facts: TlsFacts, named: Option<&str>) {
        match named.and_then(|name| self.internet.fault(name)) {
            Some(Fault::Reset) => self.open(transport, Some(facts), "reset", |mut wire| {
                let _ = wire.read(&mut [0; 4096]);
                wire.abort(How::ByScenario);
            }),
            Some(Fault::Silent) => self.open(transport, Some(facts), "silent", |mut wire| {
                let how = http::sink(&mut wire);
                wire.finish(how);
            }),
            Some(Fault::Garbage) => self.open(transport, Some(facts), "garbage", talk_garbage),
            // What is not HTTP gets an error in HTTP, and is read to its end.
            _ => self.serve(transport, Some(facts), named),
        }
    }

    fn serve(&self, transport: Transport, tls: Option<TlsFacts>, named: Option<&str>) {
        self.open(transport, tls, "http", |mut wire| {
            let how = http::serve(&mut wire, self.internet, named);
            wire.finish(how);
        });
    }

    fn upset(&self, raw: Raw, fault: &Fault) {
        match fault {
            Fault::Garbage => self.record(raw, "garbage", talk_garbage),
            _ => self.record(raw, "reset", |mut wire| {
                let _ = wire.read(&mut [0; 4096]);
                wire.abort(How::ByScenario);
            }),
        }
    }

    fn sink(&self, raw: Raw, service: &str) {
        self.record(raw, service, |mut wire| {
            let how = http::sink(&mut wire);
            wire.finish(how);
        });
    }

    fn record(&self, raw: Raw, service: &str, then: impl FnOnce(Wire)) {
        self.open(Transport::Plain(raw), None, service, then);
    }

    /// Opens the record of the stream; without one, nothing is read or written.
    fn open(
        &self,
        transport: Transport,
        tls: Option<TlsFacts>,
        service: &str,
        then: impl FnOnce(Wire),
    ) {
        match self.internet.recorder.open(self.flow, tls, service) {
            Ok(record) => then(Wire::new(transport, record, &self.internet.limits)),
            Err(_) => transport.reset(),
        }
    }
}

fn talk_garbage(mut wire: Wire) {
    let _ = wire.read(&mut [0; 4096]);
    // Bytes of no protocol, the same in every run.
    let garbage: Vec<u8> = (0_u32..512).map(|i| (i.wrapping_mul(167) % 251) as u8 | 0x80).collect();
    let _ = wire.write(&garbage);
    wire.finish(How::ByScenario);
}

/// DNS over TCP: each message has its length before it (RFC 1035, 4.2.2).
fn answer_names(wire: &mut Wire, internet: &Internet) -> How {
    let mut pending = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match wire.read(&mut buffer) {
            Ok(0) => return How::Finished,
            Ok(length) => pending.extend_from_slice(&buffer[..length]),
            Err(how) => return how,
        }
        while let Some((length, rest)) = pending.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(query) = rest.get(..length) else { break };
            let reply = internet.names.reply(query, Carrier::Tcp);
            pending.drain(..2 + length);
            let Some(reply) = reply else { continue };
            let length = u16::try_from(reply.len()).unwrap_or(u16::MAX).to_be_bytes();
            if let Err(how) = wire.write(&[&length[..], &reply].concat()) {
                return how;
            }
        }
    }
}

/// Protocols in which the server speaks first: their service names and neutral greetings.
fn greeting(port: u16) -> Option<(&'static str, &'static str)> {
    match port {
        21 => Some(("ftp", "220 ready\r\n")),
        25 | 587 => Some(("smtp", "220 mail.invalid ESMTP\r\n")),
        110 => Some(("pop3", "+OK ready\r\n")),
        143 => Some(("imap", "* OK ready\r\n")),
        _ => None,
    }
}

pub(crate) const DNS_PORT: u16 = 53;
const TLS_HANDSHAKE: u8 = 22;
/// A name that nobody asks for.
const WRONG_NAME: &str = "wrong.invalid";
