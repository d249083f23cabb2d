//! HTTP/1.1 (RFC 9112) as far as a subject needs it: requests are read whole, bodies included, and
//! answered from the scenario.

use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use watchglass_events::How;

use crate::gate::Internet;
use crate::scenario::Fault;
use crate::site::{Body, Request, Response};
use crate::wire::Wire;

/// Whether a stream that begins with these bytes speaks HTTP/1: a method in capitals, then a space.
/// `None` while it could still go either way.
pub(crate) fn looks_like_http(start: &[u8]) -> Option<bool> {
    let method = start.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match start.get(method) {
        Some(b' ') => Some((3..=MAX_METHOD_BYTES).contains(&method)),
        Some(_) => Some(false),
        None => (method > MAX_METHOD_BYTES).then_some(false),
    }
}

/// Answers requests until one side has enough; returns how the stream ends. `named` is the host by
/// the TLS handshake or by the address, for requests without one.
pub(crate) fn serve(wire: &mut Wire, internet: &Internet, named: Option<&str>) -> How {
    let mut connection = Connection { wire, buffer: Vec::new() };
    for _ in 0..MAX_REQUESTS {
        match connection.exchange(internet, named) {
            Ok(After::KeepAlive) => {}
            Ok(After::Close) => return How::Finished,
            Ok(After::Sink) => return sink(connection.wire),
            Err(how) => return how,
        }
    }
    How::ByScenario
}

/// Reads to the end without an answer.
pub(crate) fn sink(wire: &mut Wire) -> How {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match wire.read(&mut buffer) {
            Ok(0) => return How::Finished,
            Ok(_) => {}
            Err(how) => return how,
        }
    }
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    KeepAlive,
    Close,
    /// What follows is not HTTP, or not meant to be answered.
    Sink,
}

struct Connection<'a> {
    wire: &'a mut Wire,
    /// Bytes that were read and not yet used.
    buffer: Vec<u8>,
}

/// The head of a request.
#[derive(Debug, Default)]
struct Head {
    request: Request,
    host: Option<String>,
    body: BodyLength,
    expects_continue: bool,
    keeps_alive: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BodyLength {
    #[default]
    None,
    Bytes(u64),
    Chunked,
}

impl Connection<'_> {
    fn exchange(&mut self, internet: &Internet, named: Option<&str>) -> Result<After, How> {
        let Some(head) = self.head(internet)? else { return Ok(After::Close) };
        let Some(head) = head else {
            self.respond(&Response::status(400), Kind::Last, internet)?;
            return Ok(After::Sink);
        };
        // A request to a bare address is for the host that has it.
        let host = head.host.as_deref().filter(|host| !is_address(host));
        let host = host.or(named).unwrap_or_default();
        let fault = internet.fault(host);
        if fault == Some(&Fault::Silent) {
            return Ok(After::Sink);
        }
        if head.expects_continue {
            self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if !self.read_body(head.body)? {
            self.respond(&Response::status(400), Kind::Last, internet)?;
            return Ok(After::Sink);
        }
        if let Some(Fault::Slow(slow)) = fault {
            // The stream's own life bounds how long a scenario can hold it.
            let longest = Duration::from_secs(internet.limits.stream_seconds);
            std::thread::sleep(Duration::from_millis(slow.delay_ms).min(longest));
            self.wire.slow_down(slow.bytes_per_second);
        }
        let response = internet.sites.respond(host, &head.request);
        let kind = match (head.request.method.as_str(), head.keeps_alive) {
            ("HEAD", true) => Kind::HeadOnly,
            (_, true) => Kind::Whole,
            ("HEAD", false) => Kind::LastHeadOnly,
            (_, false) => Kind::Last,
        };
        self.respond(&response, kind, internet)?;
        Ok(if head.keeps_alive { After::KeepAlive } else { After::Close })
    }

    /// The next head; `None` where the subject ends the stream, `Some(None)` for what is no head.
    fn head(&mut self, internet: &Internet) -> Result<Option<Option<Head>>, How> {
        while self.buffer.is_empty() {
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
        self.wire.raw().hurry(Duration::from_secs(internet.limits.handshake_seconds));
        loop {
            match parse_head(&self.buffer) {
                Parsed::Head(head, length) => {
                    self.buffer.drain(..length);
                    self.wire.raw().rest();
                    return Ok(Some(Some(*head)));
                }
                Parsed::Partial if self.buffer.len() < MAX_HEAD_BYTES => {}
                Parsed::Partial | Parsed::Wrong => {
                    self.wire.raw().rest();
                    return Ok(Some(None));
                }
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads the body to its end. `false`: its framing is broken.
    fn read_body(&mut self, length: BodyLength) -> Result<bool, How> {
        match length {
            BodyLength::None => Ok(true),
            BodyLength::Bytes(count) => self.skip(count),
            BodyLength::Chunked => self.skip_chunks(),
        }
    }

    fn skip_chunks(&mut self) -> Result<bool, How> {
        loop {
            let Some(line) = self.line()? else { return Ok(false) };
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size).ok().map(str::trim);
            let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
            match size {
                None => return Ok(false),
                Some(0) => break,
                Some(size) => {
                    let is_framed = self.skip(size)? && self.line()?.is_some_and(|l| l.is_empty());
                    if !is_framed {
                        return Ok(false);
                    }
                }
            }
        }
        for _ in 0..MAX_HEADERS {
            match self.line()? {
                None => return Ok(false),
                Some(line) if line.is_empty() => return Ok(true),
                Some(_) => {} // a trailer
            }
        }
        Ok(false)
    }

    /// A line without its end; `None` if it is too long or the stream ends.
    fn line(&mut self) -> Result<Option<Vec<u8>>, How> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(Some(line));
            }
            if self.buffer.len() > MAX_LINE_BYTES || self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads over `count` bytes. `false`: the stream ends before.
    fn skip(&mut self, mut count: u64) -> Result<bool, How> {
        loop {
            let known = usize::try_from(count).unwrap_or(usize::MAX).min(self.buffer.len());
            self.buffer.drain(..known);
            count -= known as u64;
            if count == 0 {
                return Ok(true);
            }
            if self.fill()? == 0 {
                return Ok(false);
            }
        }
    }

    fn fill(&mut self) -> Result<usize, How> {
        let mut bytes = [0; 16 * 1024];
        let length = self.wire.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn respond(&mut self, response: &Response, kind: Kind, internet: &Internet) -> Result<(), How> {
        let has_body = !matches!(response.status, 204 | 304);
        let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
        head += &format!("Date: {}\r\n", internet.http_date());
        if has_body {
            head += &format!("Content-Length: {}\r\n", response.body.length());
        }
        for (key, value) in &response.headers {
            head += &format!("{key}: {value}\r\n");
        }
        let is_last = matches!(kind, Kind::Last | Kind::LastHeadOnly);
        head += if is_last { "Connection: close\r\n\r\n" } else { "\r\n" };
        let is_head_only = matches!(kind, Kind::HeadOnly | Kind::LastHeadOnly);
        match &response.body {
            _ if is_head_only || !has_body => self.wire.write(head.as_bytes()),
            // One write for a small answer: one segment on the wire.
            Body::Bytes(bytes) => self.wire.write(&[head.as_bytes(), bytes].concat()),
            Body::File { file, offset, length } => {
                self.wire.write(head.as_bytes())?;
                self.send_file(file, *offset, *length)
            }
        }
    }

    fn send_file(&mut self, file: &std::fs::File, offset: u64, length: u64) -> Result<(), How> {
        let mut buffer = vec![0; 64 * 1024];
        let (mut at, end) = (offset, offset + length);
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read_at(&mut buffer[..left], at);
            let read =
                read.map_err(|error| How::Limit(format!("a file of the scenario: {error}")))?;
            if read == 0 {
                return Err(How::Limit("a file of the scenario became shorter".to_owned()));
            }
            self.wire.write(&buffer[..read])?;
            at += read as u64;
        }
        Ok(())
    }
}

/// How much of an answer is sent, and whether another may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    HeadOnly,
    Last,
    LastHeadOnly,
}

enum Parsed {
    Head(Box<Head>, usize),
    Partial,
    Wrong,
}

fn parse_head(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Wrong,
    };
    let mut head = Head { keeps_alive: parsed.version == Some(1), ..Head::default() };
    head.request.method = parsed.method.unwrap_or_default().to_owned();
    let (host, target) = split_target(parsed.path.unwrap_or_default());
    head.request.target = target.to_owned();
    for header in parsed.headers.iter() {
        head.take(header.name, String::from_utf8_lossy(header.value).trim());
    }
    head.host = host.map(host_name).or(head.host);
    Parsed::Head(Box::new(head), length)
}

impl Head {
    fn take(&mut self, name: &str, value: &str) {
        let text = || Some(value.to_owned());
        let has = |word: &str| value.to_ascii_lowercase().contains(word);
        match name.to_ascii_lowercase().as_str() {
            "host" => self.host = Some(host_name(value)),
            "transfer-encoding" if has("chunked") => self.body = BodyLength::Chunked,
            "content-length" if self.body != BodyLength::Chunked => {
                self.body = value.parse().map_or(BodyLength::None, BodyLength::Bytes);
            }
            "expect" => self.expects_continue = has("100-continue"),
            "connection" if has("close") => self.keeps_alive = false,
            "connection" if has("keep-alive") => self.keeps_alive = true,
            "if-none-match" => self.request.if_none_match = text(),
            "if-modified-since" => self.request.if_modified_since = text(),
            "range" => self.request.range = text(),
            "if-range" => self.request.if_range = text(),
            _ => {}
        }
    }
}

/// A target that names its host, as clients of a proxy send it (RFC 9112, 3.2.2), and the rest.
fn split_target(target: &str) -> (Option<&str>, &str) {
    let absolute = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"));
    let Some(absolute) = absolute else { return (None, target) };
    let slash = absolute.find('/').unwrap_or(absolute.len());
    let (host, path) = absolute.split_at(slash);
    (Some(host), if path.is_empty() { "/" } else { path })
}

/// A host in lower case without its port.
fn host_name(text: &str) -> String {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match text.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => text,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_address(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

/// The time of day as the subject's clock has it.
pub(crate) fn date(clock_offset_seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs().saturating_add_signed(clock_offset_seconds);
    // The last second that an HTTP date can tell is the end of the year 9999.
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799));
    httpdate::fmt_http_date(time)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

const MAX_METHOD_BYTES: usize = 20;
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Requests on one connection; a client then opens another.
const MAX_REQUESTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        match parse_head(text.as_bytes()) {
            Parsed::Head(head, length) if length == text.len() => *head,
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn http_is_told_by_its_method() {
        assert_eq!(looks_like_http(b"GET / HTTP/1.1"), Some(true));
        assert_eq!(looks_like_http(b"PROPFIND /"), Some(true));
        assert_eq!(looks_like_http(b"GE"), None);
        assert_eq!(looks_like_http(b"\x16\x03\x01"), Some(false));
        assert_eq!(looks_like_http(b"A thing"), Some(false));
        assert_eq!(looks_like_http(&[b'A'; 21]), Some(false));
    }

    #[test]
    fn a_head_tells_host_body_and_conditions() {
        let head = head(
            "POST /x?y HTTP/1.1\r\nHost: A.org:8080\r\nContent-Length: 5\r\n\
             Expect: 100-continue\r\nIf-None-Match: \"e\"\r\n\r\n",
        );
        assert_eq!((head.host.as_deref(), head.body), (Some("a.org"), BodyLength::Bytes(5)));
        assert!(head.expects_continue && head.keeps_alive);
        assert_eq!(head.request.if_none_match.as_deref(), Some("\"e\""));
    }

    #[test]
    fn a_target_may_name_the_host() {
        let head = head("GET http://b.org:80/x HTTP/1.0\r\nHost: a.org\r\n\r\n");
        assert_eq!((head.host.as_deref(), head.request.target.as_str()), (Some("b.org"), "/x"));
        assert!(!head.keeps_alive);
    }

    #[test]
    fn chunked_goes_before_a_length() {
        let text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(head(text).body, BodyLength::Chunked);
    }

    #[test]
    fn the_date_follows_the_subjects_clock() {
        assert!(date(0).ends_with("GMT"));
        assert_eq!(date(i64::MIN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
