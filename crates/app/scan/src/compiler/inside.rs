//! The compiler itself.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::FileType;
use rustix::process::Signal;
use watchglass_jail::{COMPILER, Held, confine};
use watchglass_signatures::PotentiallyUnwanted;
use watchglass_sys::message_socket::MessageSocket;

use super::{FromCompiler, MAX_MESSAGE_BYTES, ToCompiler, Told};
use crate::sources::Sets;

/// Memory that the jail gives.
pub(super) const MAX_MEMORY_GIB: u64 = watchglass_jail::COMPILER_MEMORY_BYTES >> 30;

/// Compiles what the opener hands over, and ends.
///
/// # Errors
/// When that cannot be told to the opener.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let channel = MessageSocket::from_descriptor(io::stdin().as_fd().try_clone_to_owned()?);
    // An opener that is gone does not wait for this.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Before the first source.
    let held = confine(&COMPILER)?;
    say(&channel, &FromCompiler::Held { missing: missing(&held) })?;
    let said = match read(&channel)? {
        Ok((sets, unwanted)) => {
            let (bytes, report) = sets.compile(unwanted);
            write(io::stdout().as_fd(), &bytes)?;
            let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
            let newest = sets.newest.and_then(since).map(|newest| newest.as_secs());
            FromCompiler::Done(Box::new(Told::new(&report, sets.warnings, newest)))
        }
        Err(error) => FromCompiler::Error(error),
    };
    say(&channel, &said)
}

/// Reads all sources, or tells what is wrong with one that a person named.
#[allow(clippy::type_complexity, reason = "an inner error is an answer, an outer one the end")]
fn read(
    channel: &MessageSocket,
) -> Result<Result<(Sets, PotentiallyUnwanted), String>, Box<dyn Error>> {
    let (mut sets, mut unwanted) = (Sets::default(), PotentiallyUnwanted::PassOver);
    let mut buffer = vec![0; MAX_MESSAGE_BYTES];
    loop {
        let (said, descriptor) = hear(channel, &mut buffer)?;
        match (said, descriptor) {
            (ToCompiler::Begin { potentially_unwanted: true }, _) => {
                unwanted = PotentiallyUnwanted::Take;
            }
            (ToCompiler::Begin { .. }, _) => {}
            (ToCompiler::Source { name, by_person, changed }, Some(file)) => {
                let path = Path::new(&name);
                let changed = changed.map(Duration::from_secs);
                let changed = changed.and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time));
                let added = match content(&File::from(file)) {
                    Ok(bytes) => sets.add(path, bytes, changed).map_err(|error| error.to_string()),
                    Err(error) => Err(format!("{name}: {error}")),
                };
                match added {
                    Err(error) if by_person => return Ok(Err(error)),
                    Err(error) => sets.warnings.push(error),
                    Ok(()) => {}
                }
            }
            (ToCompiler::Source { .. }, None) => return Err("a source without a file".into()),
            (ToCompiler::Compile, _) => return Ok(Ok((sets, unwanted))),
        }
    }
}

fn hear(
    channel: &MessageSocket,
    buffer: &mut [u8],
) -> Result<(ToCompiler, Option<OwnedFd>), Box<dyn Error>> {
    let mut received = loop {
        match channel.receive(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done?,
        }
    };
    if received.length == 0 || received.truncated {
        return Err("the opener has hung up".into());
    }
    let said = serde_json::from_slice(buffer.get(..received.length).unwrap_or_default())?;
    Ok((said, received.descriptors.pop()))
}

/// Reads by place, the one call for it that the jail has.
fn content(file: &File) -> io::Result<Vec<u8>> {
    let stat = rustix::fs::fstat(file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let size = usize::try_from(stat.st_size).unwrap_or(0);
    let mut bytes = Vec::new();
    loop {
        let from = bytes.len();
        // Memory grows with what was read; what the file grows by meanwhile is not read.
        bytes.resize(size.min(from.saturating_add(CHUNK_BYTES)).max(from), 0);
        let space = bytes.get_mut(from..).unwrap_or_default();
        let at = u64::try_from(from).unwrap_or(u64::MAX);
        let got = match file.read_at(space, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Ok(0) => {
                bytes.truncate(from);
                return Ok(bytes);
            }
            got => got?,
        };
        bytes.truncate(from.saturating_add(got));
    }
}

/// Writes by place, for the same reason.
fn write(output: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while !bytes.is_empty() {
        let part = bytes.get(..CHUNK_BYTES).unwrap_or(bytes);
        match rustix::io::pwrite(output, part, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Says something in as many messages as it takes.
fn say(channel: &MessageSocket, said: &FromCompiler) -> Result<(), Box<dyn Error>> {
    let bytes = serde_json::to_vec(said)?;
    let mut parts = bytes.chunks(MAX_MESSAGE_BYTES - 1).peekable();
    while let Some(part) = parts.next() {
        let mut message = vec![u8::from(parts.peek().is_some())];
        message.extend_from_slice(part);
        channel.send(&message, None)?;
    }
    Ok(())
}

fn missing(held: &Held) -> Vec<String> {
    held.missing.iter().map(|(mechanism, _)| mechanism.to_string()).collect()
}

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 16 << 20;
