//! What a host of the scenario answers to an HTTP request.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use watchglass_events::Digest;

use crate::control::FakenetError;
use crate::scenario::{Answer, Fault, Host, Scenario};

/// The hosts of the scenario with their folders opened.
#[derive(Debug)]
pub(crate) struct Sites {
    scenario: Arc<Scenario>,
    folders: Vec<Option<OwnedFd>>,
}

/// The parts of a request that an answer depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<String>,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Bytes(Vec<u8>),
    /// A part of a file.
    File {
        file: File,
        offset: u64,
        length: u64,
    },
}

impl Sites {
    /// Opens the folders of all hosts, while they can still be reached.
    pub(crate) fn open(scenario: Arc<Scenario>) -> Result<Self, FakenetError> {
        let folders = scenario.hosts.iter().map(|host| {
            let Some(folder) = &host.folder else { return Ok(None) };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::open(folder, flags, Mode::empty());
            let call = format!("open folder {}", folder.display());
            opened.map(Some).map_err(|error| FakenetError::system(call, error))
        });
        let folders = folders.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { scenario, folders })
    }

    /// The folders that are served.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &OwnedFd> {
        self.folders.iter().flatten()
    }

    /// The answer of the host `name`, which may not be one of the scenario.
    pub(crate) fn respond(&self, name: &str, request: &Request) -> Response {
        let Some((place, host)) = self.scenario.host(name) else { return Response::status(404) };
        if let Some(Fault::Status(code)) = host.fault {
            return Response::status(code);
        }
        let target = request.target.as_str();
        let mut answers = host.answers.iter();
        match answers.find(|answer| answer.applies(&request.method, target)) {
            Some(answer) => self.answer(place, answer, request),
            None => self.file(place, host, request),
        }
    }

    fn answer(&self, place: usize, answer: &Answer, request: &Request) -> Response {
        let mut response = match &answer.file {
            Some(path) => match self.open_file(place, path) {
                Some(file) => resource(Resource::of_file(file), request),
                None => Response::status(404),
            },
            None => {
                let bytes = answer.body.clone().unwrap_or_default().into_bytes();
                resource(Resource::of_bytes(bytes), request)
            }
        };
        if response.status == 200 {
            response.status = answer.status;
        }
        for (key, value) in &answer.headers {
            response.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(key));
            response.headers.push((key.clone(), value.clone()));
        }
        response
    }

    fn file(&self, place: usize, host: &Host, request: &Request) -> Response {
        if host.folder.is_none() {
            return Response::status(404);
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Response::status(405);
        }
        let path = request.target.split('?').next().unwrap_or_default();
        let file = decode_path(path).and_then(|path| self.open_file(place, &path));
        file.map_or_else(
            || Response::status(404),
            |file| resource(Resource::of_file(file), request),
        )
    }

    /// A regular file below the host's folder. Links are not followed, and nothing leads outside
    /// (openat2(2), `RESOLVE_BENEATH`, Linux ≥ 5.6).
    fn open_file(&self, place: usize, path: &str) -> Option<File> {
        let folder = self.folders.get(place)?.as_ref()?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let path = path.trim_start_matches('/');
        let file = rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve).ok()?;
        let file = File::from(file);
        file.metadata().ok()?.is_file().then_some(file)
    }
}

impl Response {
    /// An answer with a status and no more.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Vec::new()) }
    }

    fn header(mut self, key: &str, value: impl Into<String>) -> Self {
        self.headers.push((key.to_owned(), value.into()));
        self
    }
}

impl Body {
    /// Bytes of the body.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

/// Something that is served, with what caches ask about it.
struct Resource {
    body: Body,
    entity_tag: String,
    modified: Option<SystemTime>,
}

impl Resource {
    fn of_bytes(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes).to_string();
        let entity_tag = format!("\"{}\"", &digest[..16]);
        Self { body: Body::Bytes(bytes), entity_tag, modified: None }
    }

    fn of_file(file: File) -> Self {
        let metadata = file.metadata().ok();
        let length = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        let modified = metadata.and_then(|metadata| metadata.modified().ok());
        let age = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let entity_tag = format!("\"{:x}-{length:x}\"", age.unwrap_or_default().as_nanos());
        Self { body: Body::File { file, offset: 0, length }, entity_tag, modified }
    }

    /// Whether the client's copy is still good (RFC 9110, 13.2.2).
    fn is_unchanged(&self, request: &Request) -> bool {
        if let Some(tags) = &request.if_none_match {
            let same = |tag: &str| tag == "*" || tag.trim_start_matches("W/") == self.entity_tag;
            return tags.split(',').any(|tag| same(tag.trim()));
        }
        let since = request.if_modified_since.as_deref();
        let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
        since.zip(self.modified).is_some_and(|(since, modified)| whole_seconds(modified) <= since)
    }

    /// Whether the client's parts are still of this (RFC 9110, 13.1.5).
    fn is_same(&self, condition: &str) -> bool {
        let modified = self.modified.map(httpdate::fmt_http_date);
        condition == self.entity_tag || modified.as_deref() == Some(condition)
    }
}

fn resource(resource: Resource, request: &Request) -> Response {
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
    let unchanged = is_read && resource.is_unchanged(request);
    let range = request.range.as_deref().filter(|_| request.method == "GET");
    let condition = request.if_range.as_deref();
    let range = range.filter(|_| condition.is_none_or(|condition| resource.is_same(condition)));
    let length = resource.body.length();
    let range = range.and_then(|range| parse_range(range, length));
    let mut response = match range {
        _ if unchanged => Response::status(304),
        None => Response { body: resource.body, ..Response::status(200) },
        Some(Range::Outside) => {
            return Response::status(416).header("Content-Range", format!("bytes */{length}"));
        }
        Some(Range::Part { first, last }) => {
            let body = part(resource.body, first, last);
            let response = Response { body, ..Response::status(206) };
            response.header("Content-Range", format!("bytes {first}-{last}/{length}"))
        }
    };
    response = response.header("ETag", resource.entity_tag).header("Accept-Ranges", "bytes");
    match resource.modified {
        Some(modified) => response.header("Last-Modified", httpdate::fmt_http_date(modified)),
        None => response,
    }
}

/// A range of bytes, both ends included.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Part { first: u64, last: u64 },
    Outside,
}

/// RFC 9110, 14.1.2: one range; anything else is ignored, as a server may.
fn parse_range(text: &str, length: u64) -> Option<Range> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1);
    let (first, last) = match (first.trim(), last.trim()) {
        ("", suffix) => (length.saturating_sub(suffix.parse().ok()?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            (first, end.map(|end| end.min(last)))
        }
    };
    match last {
        Some(last) if first <= last => Some(Range::Part { first, last }),
        _ => Some(Range::Outside),
    }
}

fn part(body: Body, first: u64, last: u64) -> Body {
    let length = last - first + 1;
    match body {
        Body::File { file, offset, .. } => Body::File { file, offset: offset + first, length },
        Body::Bytes(bytes) => {
            let count = usize::try_from(length).unwrap_or(usize::MAX);
            let skip = usize::try_from(first).unwrap_or(usize::MAX);
            Body::Bytes(bytes.into_iter().skip(skip).take(count).collect())
        }
    }
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let age = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(age.as_secs())
}

/// A path with its `%XX` undone; `None` for what is no text.
fn decode_path(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Request {
        Request { method: "GET".into(), target: target.into(), ..Request::default() }
    }

    fn header<'a>(response: &'a Response, key: &str) -> &'a str {
        response.headers.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }

    fn folder_site() -> (tempfile::TempDir, Sites) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a b.txt"), b"0123456789").unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let host =
            Host { host: "a.org".into(), folder: Some(folder.path().into()), ..Host::default() };
        let scenario = Scenario { hosts: vec![host], ..Scenario::default() };
        let sites = Sites::open(Arc::new(scenario)).unwrap();
        (folder, sites)
    }

    #[test]
    fn serves_a_folder_and_nothing_outside_it() {
        let (_folder, sites) = folder_site();
        assert_eq!(sites.respond("a.org", &get("/a%20b.txt?x=1")).body.length(), 10);
        for target in ["/", "/sub", "/link", "/../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd"]
        {
            assert_eq!(sites.respond("a.org", &get(target)).status, 404, "{target}");
        }
        assert_eq!(sites.respond("b.org", &get("/a%20b.txt")).status, 404);
        let post = Request { method: "POST".into(), ..get("/a%20b.txt") };
        assert_eq!(sites.respond("a.org", &post).status, 405);
    }

    #[test]
    fn a_copy_that_is_still_good_is_not_sent_again() {
        let (_folder, sites) = folder_site();
        let first = sites.respond("a.org", &get("/a%20b.txt"));
        let if_none_match = Some(format!("\"x\", W/{}", header(&first, "ETag")));
        let same_tag = Request { if_none_match, ..get("/a%20b.txt") };
        assert_eq!(sites.respond("a.org", &same_tag).status, 304);
        let if_modified_since = Some(header(&first, "Last-Modified").to_owned());
        let same_time = Request { if_modified_since, ..get("/a%20b.txt") };
        assert_eq!(sites.respond("a.org", &same_time).status, 304);
        let if_modified_since = Some("Thu, 01 Jan 1970 00:00:00 GMT".to_owned());
        let older = Request { if_modified_since, ..get("/a%20b.txt") };
        assert_eq!(sites.respond("a.org", &older).status, 200);
    }

    #[test]
    fn a_range_is_served_as_a_part() {
        let (_folder, sites) = folder_site();
        let ranged = |range: &str| {
            let request = Request { range: Some(range.to_owned()), ..get("/a%20b.txt") };
            let response = sites.respond("a.org", &request);
            (response.status, header(&response, "Content-Range").to_owned())
        };
        assert_eq!(ranged("bytes=2-4"), (206, "bytes 2-4/10".to_owned()));
        assert_eq!(ranged("bytes=8-"), (206, "bytes 8-9/10".to_owned()));
        assert_eq!(ranged("bytes=-3"), (206, "bytes 7-9/10".to_owned()));
        assert_eq!(ranged("bytes=10-"), (416, "bytes */10".to_owned()));
        assert_eq!(ranged("bytes=4-2").0, 200);
        assert_eq!(ranged("lines=1-2").0, 200);
    }

    #[test]
    fn answers_go_before_the_folder_and_faults_before_answers() {
        let text = r#"
            [[hosts]]
            host = "a.org"
            answers = [
                { path = "/x", method = "POST", status = 201, body = "made" },
                { path = "/x", headers = { "ETag" = "mine" }, body = "seen" },
            ]
            [[hosts]]
            host = "b.org"
            fault = { status = 429 }
            answers = [{ path = "*", body = "never" }]
        "#;
        let sites = Sites::open(Arc::new(toml::from_str(text).unwrap())).unwrap();
        let post = Request { method: "POST".into(), ..get("/x") };
        assert_eq!(sites.respond("a.org", &post).status, 201);
        assert_eq!(header(&sites.respond("a.org", &get("/x")), "ETag"), "mine");
        assert_eq!(sites.respond("a.org", &get("/y")).status, 404);
        assert_eq!(sites.respond("b.org", &get("/")).status, 429);
    }
}
