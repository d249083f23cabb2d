//! The canary: a process of the lab in the subject's place, which does what every source must see.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this runs in the world, in the subject's place, and does what the subject may"
)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

/// First argument of the role.
pub(crate) const ROLE: &str = "canary";

/// Names below this one are the canaries'. It is reserved for documentation (RFC 2606).
pub(crate) const DOMAIN: &str = "canary.example";

/// The lab's own program under a name that says nothing of where it lies on the lab's machine: the
/// kernel gives the path of what is run, and the path becomes evidence.
pub(crate) fn program() -> std::io::Result<File> {
    let copy = rustix::fs::memfd_create("watchglass-canary", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut copy = File::from(copy);
    std::io::copy(&mut File::open("/proc/self/exe")?, &mut copy)?;
    Ok(copy)
}

/// Writes a file that bears the token, asks for a host that does, and sends the token there.
///
/// Each act is tried whatever became of the one before: the sources are to see it, not to like it.
pub(crate) fn main(token: Option<OsString>) -> ExitCode {
    let Some(token) = token.and_then(|token| token.into_string().ok()) else {
        return ExitCode::from(2);
    };
    let path = format!("/var/tmp/{token}");
    let wrote = std::fs::write(&path, &token).and_then(|()| std::fs::read(&path));
    let sent = send(&token);
    if wrote.is_ok() && sent.is_some() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn send(token: &str) -> Option<()> {
    let host = format!("{token}.{DOMAIN}");
    let address = (host.as_str(), 80).to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET /{token} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).ok()?;
    (!answer.is_empty()).then_some(())
}
