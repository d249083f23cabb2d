//! What crossed the gate in clear text, as messages with fields.

use std::collections::BTreeMap;
use std::net::IpAddr;

use watchglass_events::{Direction, Event, Flow, How, Name, TlsFacts, Transport, What};

/// Most bytes of one direction of one stream that are put together.
const MAX_STREAM_BYTES: usize = 64 << 20;
/// Most headers of one request.
const MAX_HEADERS: usize = 128;
/// Most requests of one stream.
const MAX_REQUESTS: usize = 10_000;

/// A stream or datagram flow through the gate.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Between whom.
    pub(crate) flow: Flow,
    /// What the TLS handshake told.
    pub(crate) tls: Option<TlsFacts>,
    /// The service that answered.
    pub(crate) service: String,
    /// Row of the gate's log that opened it.
    pub(crate) row: u64,
    /// When it was opened, in the recorder's clock.
    pub(crate) opened_ns: u64,
    /// When the subject said the last of it.
    pub(crate) sent_until_ns: u64,
    /// When the subject was told the last of it.
    pub(crate) received_until_ns: u64,
    /// Clear text from the subject.
    pub(crate) sent: Vec<u8>,
    /// Clear text to the subject.
    pub(crate) received: Vec<u8>,
    /// How it ended, if it did.
    pub(crate) how: Option<How>,
    /// Whether bytes are missing here: over a limit, or the log broke off.
    pub(crate) cut: bool,
}

/// A request of HTTP/1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// `GET`, ….
    pub(crate) method: String,
    /// The target as it was sent.
    pub(crate) target: Vec<u8>,
    /// Header fields in order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body, chunked coding undone.
    pub(crate) body: Vec<u8>,
}

/// A field of a message, as claims name them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Field {
    /// `method`, `path`, `query:NAME`, a header name, or `body`.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: Vec<u8>,
}

/// The streams of a gate log, in order of their opening.
#[must_use]
pub(crate) fn streams(events: &[Event]) -> Vec<Stream> {
    let mut streams: BTreeMap<u64, Stream> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::StreamOpened { stream, flow, tls, service } => {
                let opened = Stream {
                    flow: *flow,
                    tls: tls.clone(),
                    service: service.clone(),
                    row: event.seq,
                    opened_ns: event.at_ns,
                    sent_until_ns: event.at_ns,
                    received_until_ns: event.at_ns,
                    sent: Vec::new(),
                    received: Vec::new(),
                    how: None,
                    cut: true,
                };
                streams.insert(*stream, opened);
            }
            What::StreamData { stream, direction, data } => {
                if let Some(stream) = streams.get_mut(stream) {
                    stream.take(event.at_ns, *direction, data);
                }
            }
            What::StreamClosed { stream, how, sent, received } => {
                if let Some(stream) = streams.get_mut(stream) {
                    stream.close(how, *sent, *received);
                }
            }
            _ => {}
        }
    }
    streams.into_values().collect()
}

/// A datagram through the gate.
#[derive(Clone, Debug)]
pub(crate) struct Datagram<'a> {
    /// Between whom.
    pub(crate) flow: Flow,
    /// Which way.
    pub(crate) direction: Direction,
    /// The payload.
    pub(crate) data: &'a [u8],
    /// Row of the gate's log.
    pub(crate) row: u64,
}

/// The datagrams of a gate log.
pub(crate) fn datagrams(events: &[Event]) -> impl Iterator<Item = Datagram<'_>> {
    events.iter().filter_map(|event| match &event.what {
        What::Datagram { flow, direction, data } => Some(Datagram {
            flow: *flow,
            direction: *direction,
            data: data.as_bytes(),
            row: event.seq,
        }),
        _ => None,
    })
}

impl Stream {
    fn take(&mut self, at_ns: u64, direction: Direction, data: &Name) {
        let (side, until_ns) = match direction {
            Direction::Sent => (&mut self.sent, &mut self.sent_until_ns),
            Direction::Received => (&mut self.received, &mut self.received_until_ns),
        };
        *until_ns = at_ns;
        let room = MAX_STREAM_BYTES.saturating_sub(side.len());
        side.extend(data.as_bytes().iter().take(room));
    }

    fn close(&mut self, how: &How, sent: u64, received: u64) {
        let whole = |side: &[u8], bytes: u64| u64::try_from(side.len()) == Ok(bytes);
        self.cut = !whole(&self.sent, sent) || !whole(&self.received, received);
        self.how = Some(how.clone());
    }

    /// The host that the subject named: by SNI, else by the `Host` header, else none.
    #[must_use]
    pub(crate) fn host(&self) -> Option<String> {
        let by_tls = self.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        if let Some(name) = by_tls {
            return Some(name.to_string().to_ascii_lowercase());
        }
        let first = self.requests().into_iter().next()?;
        let host = first.header("host")?;
        let host = Name::new(host).to_string().to_ascii_lowercase();
        Some(host.split(':').next().unwrap_or_default().to_owned())
    }

    /// The requests of a stream that speaks HTTP/1, as far as they can be read.
    #[must_use]
    pub(crate) fn requests(&self) -> Vec<Request> {
        let (mut requests, mut rest) = (Vec::new(), self.sent.as_slice());
        while requests.len() < MAX_REQUESTS {
            let Some((request, left)) = request(rest) else { break };
            requests.push(request);
            rest = left;
        }
        requests
    }

    /// Lengths in bytes of the requests, in order, each with its head and its body.
    #[must_use]
    pub(crate) fn request_lengths(&self) -> Vec<usize> {
        let (mut lengths, mut rest) = (Vec::new(), self.sent.as_slice());
        while lengths.len() < MAX_REQUESTS {
            let Some((_, left)) = request(rest) else { break };
            lengths.push(rest.len().saturating_sub(left.len()));
            rest = left;
        }
        lengths
    }

    /// Bytes from the subject that are no HTTP/1 request.
    #[must_use]
    pub(crate) fn unread(&self) -> &[u8] {
        let (mut rest, mut count) = (self.sent.as_slice(), 0_usize);
        while count < MAX_REQUESTS {
            let Some((_, left)) = request(rest) else { break };
            rest = left;
            count = count.saturating_add(1);
        }
        rest
    }

    /// Whether the handshake failed, so that nobody can say what would have been sent.
    #[must_use]
    pub(crate) fn is_refused_by_subject(&self) -> bool {
        matches!(self.how, Some(How::TlsFailed(_)))
    }
}

impl Request {
    /// The first header field of that name.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// Every field that tells something: target, header fields but for framing, body.
    #[must_use]
    pub(crate) fn fields(&self) -> Vec<Field> {
        let field =
            |name: &str, value: &[u8]| Field { name: name.to_owned(), value: value.to_vec() };
        let mut target = self.target.splitn(2, |&byte| byte == b'?');
        let mut fields = vec![field("method", self.method.as_bytes())];
        fields.push(field("path", target.next().unwrap_or_default()));
        for pair in target.next().unwrap_or_default().split(|&byte| byte == b'&') {
            let mut pair = pair.splitn(2, |&byte| byte == b'=');
            let name = Name::new(pair.next().unwrap_or_default()).to_string();
            if !name.is_empty() {
                fields.push(field(&format!("query:{name}"), pair.next().unwrap_or_default()));
            }
        }
        for (name, value) in &self.headers {
            if !FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)) {
                fields.push(field(name, value));
            }
        }
        if !self.body.is_empty() {
            fields.push(field("body", &self.body));
        }
        fields
    }

    /// The request line, to look at.
    #[must_use]
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, Name::new(self.target.clone()))
    }
}

/// Header fields that say how the message is framed and whom it is for, which the contact already
/// tells.
const FRAMING: &[&str] = &["Host", "Connection", "Content-Length", "Transfer-Encoding", "Expect"];

fn request(bytes: &[u8]) -> Option<(Request, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(bytes).ok()? else { return None };
    let rest = bytes.get(length..)?;
    let headers: Vec<(String, Vec<u8>)> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), header.value.to_vec()))
        .collect();
    let mut request = Request {
        method: parsed.method?.to_owned(),
        target: parsed.path?.as_bytes().to_vec(),
        headers,
        body: Vec::new(),
    };
    let (body, rest) = body(&request, rest);
    request.body = body;
    Some((request, rest))
}

/// A body that breaks off is as long as it is.
fn body<'a>(request: &Request, rest: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
    let chunked = request
        .header("transfer-encoding")
        .is_some_and(|value| value.to_ascii_lowercase().ends_with(b"chunked"));
    if chunked {
        return dechunk(rest);
    }
    let length = request.header("content-length").and_then(|value| std::str::from_utf8(value).ok());
    let length = length.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
    let (body, rest) = rest.split_at(length.min(rest.len()));
    (body.to_vec(), rest)
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((head, length))) = httparse::parse_chunk_size(rest) {
        let chunk = rest.get(head..).unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(chunk.len());
        let (data, after) = chunk.split_at(length);
        body.extend_from_slice(data);
        rest = after.strip_prefix(b"\r\n").unwrap_or(after);
        if length == 0 {
            break;
        }
    }
    (body, rest)
}

/// A flow's far end for people: the name where one is known.
#[must_use]
pub(crate) fn destination(host: Option<&str>, to: IpAddr, port: u16) -> String {
    match (host, to) {
        (Some(host), _) => format!("{host}:{port}"),
        (None, IpAddr::V4(v4)) => format!("{v4}:{port}"),
        (None, IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
    }
}

/// A transport for people.
#[must_use]
pub(crate) fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Icmp => "icmp",
        Transport::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(sent: &[u8]) -> Stream {
        let any = IpAddr::from([0, 0, 0, 0]);
        Stream {
            flow: Flow { transport: Transport::Tcp, from: any, from_port: 1, to: any, to_port: 80 },
            tls: None,
            service: "http".into(),
            row: 0,
            opened_ns: 0,
            sent_until_ns: 0,
            received_until_ns: 0,
            sent: sent.to_vec(),
            received: Vec::new(),
            how: None,
            cut: false,
        }
    }

    #[test]
    fn reads_requests_that_follow_each_other() {
        let stream = stream(
            b"POST /a?id=7&x HTTP/1.1\r\nHost: Up.Example:80\r\nContent-Length: 3\r\n\r\nabc\
              GET /b HTTP/1.1\r\nHost: up.example\r\nUser-Agent: u/1\r\n\r\n",
        );
        let requests = stream.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].body, b"abc");
        let names: Vec<String> = requests[0].fields().into_iter().map(|field| field.name).collect();
        assert_eq!(names, ["method", "path", "query:id", "query:x", "body"]);
        assert_eq!(stream.host().as_deref(), Some("up.example"));
        assert!(stream.unread().is_empty());
    }

    #[test]
    fn undoes_chunks_even_when_they_break_off() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = stream(format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").as_bytes());
        assert_eq!(whole.requests()[0].body, b"abcde");
        let broken = stream(format!("{head}ffffffffffff\r\nab").as_bytes());
        assert_eq!(broken.requests()[0].body, b"ab");
    }

    #[test]
    fn leaves_what_is_no_request_unread() {
        assert_eq!(stream(b"\x16\x03\x01 hello").unread(), b"\x16\x03\x01 hello");
    }
}
