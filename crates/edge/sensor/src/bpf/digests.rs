//! Digests of programs as they ran.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::OFlags;
use sha2::Digest as _;
use watchglass_events::{Digest, Name};

use super::paths::Root;
use super::record::Record;

/// Digests known so far.
///
/// A digest is taken from the running process (`/proc/<pid>/exe`, which reaches memory files too) or,
/// when it is gone already, from the path; in both cases only of a file whose inode and time of
/// change are those of the exec. It is remembered by device, inode, generation and time of change.
#[derive(Debug, Default)]
pub(super) struct Digests {
    known: HashMap<Identity, Digest>,
    /// Files in memory, held open from their making, since no path leads to them when the process
    /// that ran one is gone.
    held: VecDeque<File>,
    /// Programs that were gone or changed before they could be read.
    pub(super) missed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    device: u32,
    inode: u64,
    generation: u32,
    changed: (u64, u64),
}

impl Digests {
    /// The digest of what an exec record ran.
    pub(super) fn of(
        &mut self,
        record: &Record<'_>,
        path: &Name,
        root: Option<&Root>,
    ) -> Option<Digest> {
        let identity = identity(record);
        if let Some(digest) = self.known.get(&identity) {
            return Some(*digest);
        }
        let digest = running(record)
            .and_then(|file| read(&file, &identity))
            .or_else(|| self.held.iter().find_map(|file| read(file, &identity)))
            .or_else(|| read(&by_path(path, root?)?, &identity));
        match digest {
            Some(digest) => self.remember(identity, digest),
            None => self.missed = self.missed.saturating_add(1),
        }
        digest
    }

    /// Holds the file in memory that a call has just made.
    pub(super) fn hold(&mut self, record: &Record<'_>) {
        let path = format!("/proc/{}/fd/{}", record.process, record.result);
        let Ok(file) = File::open(path) else { return };
        // Another thread may have put another file there meanwhile, a device even.
        if !file.metadata().is_ok_and(|found| found.is_file() && found.nlink() == 0) {
            return;
        }
        if self.held.len() >= MAX_HELD {
            self.held.pop_front();
        }
        self.held.push_back(file);
    }

    fn remember(&mut self, identity: Identity, digest: Digest) {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(identity, digest);
    }
}

fn identity(record: &Record<'_>) -> Identity {
    let object = record.object;
    let [seconds, nanoseconds, ..] = record.argument;
    Identity {
        device: object.device,
        inode: object.inode,
        generation: object.generation,
        changed: (seconds, nanoseconds),
    }
}

fn running(record: &Record<'_>) -> Option<File> {
    File::open(format!("/proc/{}/exe", record.process)).ok()
}

fn by_path(path: &Name, root: &Root) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    root.open_inside(path.as_bytes(), flags).ok().map(File::from)
}

/// Reads a file, if it is the one and stays the one. The device is not compared: an overlay gives
/// processes another than the kernel has inside.
fn read(mut file: &File, identity: &Identity) -> Option<Digest> {
    let is_the_one = |file: &File| {
        let found = file.metadata().ok()?;
        let changed = (found.ctime().cast_unsigned(), found.ctime_nsec().cast_unsigned());
        let same = found.is_file() && found.ino() == identity.inode && changed == identity.changed;
        (same && found.len() <= MAX_BYTES).then_some(())
    };
    is_the_one(file)?;
    file.rewind().ok()?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left = MAX_BYTES;
    loop {
        let count = file.read(&mut buffer).ok()?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        left = left.checked_sub(u64::try_from(count).ok()?)?;
        hasher.update(bytes);
    }
    is_the_one(file)?;
    Some(Digest(hasher.finalize().into()))
}

/// Largest program whose digest is taken: about a second of reading, during which the ring fills.
const MAX_BYTES: u64 = 512 * 1024 * 1024;
/// Each keeps a file of the subject in memory.
const MAX_HELD: usize = 64;
const BUFFER_BYTES: usize = 256 * 1024;
/// A subject that writes new programs without end must not fill our memory.
const MAX_KNOWN: usize = 65_536;
