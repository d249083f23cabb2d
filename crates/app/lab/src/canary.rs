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
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use watchglass_checks::CANARY_DOMAIN;

use crate::choose::Rights;

/// First argument of the role.
pub(crate) const ROLE: &str = "canary";

/// When the lab gives it up: a question and some exchanges, each with a limit of five seconds.
pub(crate) const LONGEST: Duration = Duration::from_secs(20);

/// The lab's own program under a name that says nothing of where it lies on the lab's machine: the
/// kernel gives the path of what is run, and the path becomes evidence.
///
/// In place Landlock lets nothing be run that has no path; there the tracer gives the path another
/// name.
pub(crate) fn program(rights: Rights) -> std::io::Result<File> {
    if rights == Rights::InPlace {
        return File::open("/proc/self/exe");
    }
    let copy = rustix::fs::memfd_create("watchglass-canary", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut copy = File::from(copy);
    std::io::copy(&mut File::open("/proc/self/exe")?, &mut copy)?;
    Ok(copy)
}

/// Writes a file that bears the token, asks for a host that does, sends the token there in clear,
/// and once more through each TLS library that is named after the token.
///
/// Each act is tried whatever became of the one before: the sources are to see it, not to like it.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.fuse();
    let Some(token) = arguments.next().and_then(|token| token.into_string().ok()) else {
        return ExitCode::from(2);
    };
    let path = format!("/var/tmp/{token}");
    let wrote = std::fs::write(&path, &token).and_then(|()| std::fs::read(&path));
    let mut failures = u8::from(wrote.is_err());
    failures += u8::from(send(&token).is_err());
    for library in arguments {
        if let Err(error) = send_by(Path::new(&library), &token) {
            eprintln!("{}: {error}", library.display());
            failures = failures.saturating_add(1);
        }
    }
    ExitCode::from(failures)
}

fn send(token: &str) -> std::io::Result<()> {
    let mut stream = connect(token, 80)?;
    stream.write_all(request(token).as_bytes())?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    answered(&answer)
}

fn send_by(library: &Path, token: &str) -> std::io::Result<()> {
    let stream = connect(token, 443)?;
    let request = request(token);
    answered(&watchglass_sys::tls_library::exchange(
        library,
        &stream,
        &host(token),
        request.as_bytes(),
    )?)
}

fn connect(token: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut addresses = (host(token).as_str(), port).to_socket_addrs()?;
    let address = addresses.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn host(token: &str) -> String {
    format!("{token}.{CANARY_DOMAIN}")
}

fn request(token: &str) -> String {
    format!("GET /{token} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host(token))
}

fn answered(answer: &[u8]) -> std::io::Result<()> {
    if answer.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

const PATIENCE: Duration = Duration::from_secs(5);
