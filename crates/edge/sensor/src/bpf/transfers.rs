//! Bytes that the probe counts without telling each call.
//!
//! The probe tells the first transfer and then only adds. This side asks for the sums when a process
//! ends or runs another program, every few seconds, and at the end, and tells what was added since.
//! The probe never takes anything away, so nothing can fall between reading and resetting.

use std::collections::HashMap;

use watchglass_events::{Actor, FileId, Peer, SocketId, What};

use super::loaded::ByteMap;
use super::record::Record;
use super::{paths, peers};

/// `struct transfer_key`.
type Key = [u8; 32];

/// The transfers that have an entry in the probe's map.
#[derive(Debug)]
pub(super) struct Transfers {
    map: ByteMap<32>,
    live: HashMap<u32, HashMap<Key, Live>>,
}

/// One file or socket in one direction of one exec image.
#[derive(Clone, Debug)]
struct Live {
    actor: Actor,
    image: u64,
    end: End,
    /// Bytes and calls told so far, without the first.
    told: [u64; 2],
}

/// What bytes go through.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// A file or pipe.
    File(FileId),
    /// A socket, with whom it speaks.
    Socket(Option<SocketId>, Option<Peer>),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Transfers {
    pub(super) fn new(map: ByteMap<32>) -> Self {
        Self { map, live: HashMap::new() }
    }

    /// Remembers the entry that a first transfer made.
    pub(super) fn begin(&mut self, record: &Record<'_>, actor: Actor) {
        let Some(end) = end(record) else { return };
        let live = Live { actor, image: record.image, end, told: [0, 0] };
        self.live.entry(record.process).or_default().entry(key(record)).or_insert(live);
    }

    /// What was added by images of a process other than `image`, which are gone; and forgets them.
    pub(super) fn end(&mut self, process: u32, image: Option<u64>) -> Vec<(Actor, What)> {
        let Some(all) = self.live.get_mut(&process) else { return Vec::new() };
        let mut told = Vec::new();
        all.retain(|key, live| {
            if image == Some(live.image) {
                return true;
            }
            told.extend(added(&self.map, key, live));
            // Absent where the map was full when it began.
            let _ = self.map.remove(key);
            false
        });
        if all.is_empty() {
            self.live.remove(&process);
        }
        told
    }

    /// What was added by everything that lives.
    pub(super) fn sweep(&mut self) -> Vec<(Actor, What)> {
        let all = self.live.values_mut().flatten();
        all.filter_map(|(key, live)| added(&self.map, key, live)).collect()
    }
}

fn added(map: &ByteMap<32>, key: &Key, live: &mut Live) -> Option<(Actor, What)> {
    let [bytes, calls] = map.get(key, 0).ok()?;
    let [told_bytes, told_calls] = live.told;
    let (bytes_more, calls_more) = (bytes.checked_sub(told_bytes)?, calls.checked_sub(told_calls)?);
    if calls_more == 0 {
        return None;
    }
    live.told = [bytes, calls];
    Some((live.actor, what(live.end.clone(), way(key), None, bytes_more, calls_more)))
}

/// The event of a first transfer.
pub(super) fn first(record: &Record<'_>) -> Option<What> {
    let path = paths::resolved(record, super::record::PATH);
    let bytes = record.result.try_into().unwrap_or(0);
    Some(what(end(record)?, way_of(record.argument[0]), path, bytes, 1))
}

fn what(end: End, way: Way, path: Option<watchglass_events::Name>, bytes: u64, calls: u64) -> What {
    match (end, way) {
        (End::File(file), Way::In) => What::Read { file, path, bytes, calls },
        (End::File(file), Way::Out) => What::Written { file, path, bytes, calls },
        (End::Socket(socket, peer), Way::In) => What::Received { socket, peer, bytes, calls },
        (End::Socket(socket, peer), Way::Out) => {
            What::Sent { socket, peer, bytes, calls, error: None }
        }
    }
}

fn end(record: &Record<'_>) -> Option<End> {
    if peers::is_socket(record) {
        return Some(End::Socket(peers::socket(record), peers::of(record)));
    }
    paths::file(record).map(End::File)
}

/// The key as the probe wrote it.
fn key(record: &Record<'_>) -> Key {
    let mut key = [0; 32];
    let direction = u32::from(way_of(record.argument[0]) == Way::Out);
    let fields = [
        record.object.inode.to_le_bytes().as_slice(),
        &record.image.to_le_bytes(),
        &record.object.device.to_le_bytes(),
        &record.object.generation.to_le_bytes(),
        &record.process.to_le_bytes(),
        &direction.to_le_bytes(),
    ]
    .concat();
    for (to, from) in key.iter_mut().zip(fields) {
        *to = from;
    }
    key
}

fn way_of(direction: u64) -> Way {
    if direction == 0 { Way::In } else { Way::Out }
}

fn way(key: &Key) -> Way {
    // The last field of the key, least significant byte first.
    if key[DIRECTION_AT] == 0 { Way::In } else { Way::Out }
}

const DIRECTION_AT: usize = 28;
