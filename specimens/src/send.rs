//! Plain HTTP/1.1 and plain sockets, as small as a toy product needs.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::lab::Endpoint;

/// What Referee says of itself to its update server: the same words everywhere.
pub(crate) const USER_AGENT: &str = "Referee/1.0";

/// Largest answer that is read.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

/// How long a silent peer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for a connection, by a clock that may be a thousand times too fast and more.
const CONNECTING: Duration = Duration::from_secs(10 * 60);

/// One header line.
pub(crate) type Header<'a> = (&'a str, &'a str);

/// Where the update server keeps the database.
pub const SIGNATURES_PATH: &str = "/signatures.txt";

/// Finds the IPv4 address of a host by the system's resolver.
///
/// # Errors
/// Where it has none.
pub(crate) fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let address = (host, port).to_socket_addrs()?.find(SocketAddr::is_ipv4);
    address.ok_or_else(|| failure(format!("{host} has no IPv4 address")))
}

/// Fetches a file from the update server of this name. The whole request: method, path, `Host`,
/// `User-Agent`, the headers that are given, `Connection`.
///
/// # Errors
/// Where the server cannot be reached, or does not answer with the file.
pub(crate) fn fetch(
    host: &str,
    path: &str,
    user_agent: &str,
    headers: &[Header<'_>],
) -> io::Result<Vec<u8>> {
    let server = Endpoint { host: host.to_owned(), address: resolve(host, 80)? };
    fetch_from(&server, path, user_agent, headers)
}

/// Fetches a file from a server whose address is known.
///
/// # Errors
/// As [`fetch`].
pub(crate) fn fetch_from(
    server: &Endpoint,
    path: &str,
    user_agent: &str,
    headers: &[Header<'_>],
) -> io::Result<Vec<u8>> {
    let mut stream = connect(server)?;
    let mut all = vec![("User-Agent", user_agent)];
    all.extend(headers);
    stream.write_all(request("GET", &server.host, path, &all).as_bytes())?;
    body_of(&read_answer(&mut stream)?)
}

/// Asks for a path, and takes any answer, or none, for an answer.
///
/// # Errors
/// Where the sink cannot be reached.
pub(crate) fn ask(sink: &Endpoint, path: &str) -> io::Result<()> {
    let mut stream = connect(sink)?;
    let request = request("GET", &sink.host, path, &[("User-Agent", USER_AGENT)]);
    stream.write_all(request.as_bytes())?;
    finish(&stream)
}

/// Posts a body to a sink, and takes any answer, or none, for an answer.
///
/// # Errors
/// Where the sink cannot be reached or does not take the bytes.
pub(crate) fn post(
    sink: &Endpoint,
    path: &str,
    headers: &[Header<'_>],
    body: &[u8],
) -> io::Result<()> {
    let mut stream = connect(sink)?;
    let length = body.len().to_string();
    let mut all = vec![("User-Agent", USER_AGENT), ("Content-Length", length.as_str())];
    all.extend(headers);
    stream.write_all(request("POST", &sink.host, path, &all).as_bytes())?;
    stream.write_all(body)?;
    finish(&stream)
}

/// Opens a connection.
///
/// # Errors
/// Where the sink cannot be reached.
pub(crate) fn connect(sink: &Endpoint) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&sink.address, CONNECTING)
}

/// Says that nothing more comes, and waits a moment for the peer to have read it.
///
/// # Errors
/// Where the connection broke before that.
pub(crate) fn finish(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut answer = [0; 512];
    // The answer does not matter, and a sink may give none.
    let _ = (&*stream).read(&mut answer);
    Ok(())
}

fn request(method: &str, host: &str, path: &str, headers: &[Header<'_>]) -> String {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n")
}

fn read_answer(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

fn body_of(answer: &[u8]) -> io::Result<Vec<u8>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| failure("the answer has no end of its head".to_owned()))?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        return Err(failure(format!("the server answers {status:?}")));
    }
    if head.lines().any(|line| line.starts_with("transfer-encoding:")) {
        return Err(failure("the server sends in pieces, which was not asked for".to_owned()));
    }
    let body = &answer[end + 4..];
    let declared = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match declared.and_then(|text| text.trim().parse::<usize>().ok()) {
        Some(length) if length > body.len() => Err(failure("the answer was cut off".to_owned())),
        Some(length) => Ok(body[..length].to_vec()),
        None => Ok(body.to_vec()),
    }
}

fn failure(text: String) -> io::Error {
    io::Error::other(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_the_server_declared_or_nothing() {
        let answer = |text: &str| body_of(text.as_bytes());
        assert_eq!(answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc").unwrap(), b"ab");
        assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\nabc").unwrap(), b"abc");
        assert!(answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc").is_err());
        assert!(answer("HTTP/1.1 404 Not Found\r\n\r\nabc").is_err());
        assert!(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n").is_err());
        assert!(answer("HTTP/1.1 200 OK\r\n").is_err());
    }
}
