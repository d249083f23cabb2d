//! Adds up the bytes of a process, so that a million small reads are a few records.

use std::collections::HashMap;

use watchglass_events::{Direction, FileId, Name, Peer, SocketId, What};

/// The sums of one process since they were last told.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    places: HashMap<Key, usize>,
    sums: Vec<(Key, Sum)>,
    since_ns: u64,
}

/// What bytes are added up by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    File(Direction, FileId),
    Socket(Direction, SocketId, Option<Peer>, Option<i32>),
}

#[derive(Debug, Default)]
struct Sum {
    path: Option<Name>,
    bytes: u64,
    calls: u64,
}

impl Tallies {
    /// Whether what is here should be told before more is added: a second has gone by, or there
    /// are so many sums that a subject could fill the recorder's memory with them.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        let waited = now_ns.saturating_sub(self.since_ns) >= FLUSH_AFTER_NS;
        !self.sums.is_empty() && (waited || self.sums.len() >= MAX_SUMS)
    }

    pub(super) fn knows(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// Adds one call. The path counts when the sum is new.
    pub(super) fn add(&mut self, now_ns: u64, key: Key, path: Option<Name>, bytes: u64) {
        if self.sums.is_empty() {
            self.since_ns = now_ns;
        }
        let next = self.sums.len();
        let place = *self.places.entry(key.clone()).or_insert(next);
        if place == next {
            self.sums.push((key, Sum { path, ..Sum::default() }));
        }
        if let Some((_, sum)) = self.sums.get_mut(place) {
            sum.bytes = sum.bytes.saturating_add(bytes);
            sum.calls = sum.calls.saturating_add(1);
        }
    }

    /// The sums as records, in the order in which they began, and forgets them.
    pub(super) fn take(&mut self) -> Vec<What> {
        self.places.clear();
        std::mem::take(&mut self.sums).into_iter().map(|(key, sum)| told(key, sum)).collect()
    }
}

fn told(key: Key, Sum { path, bytes, calls }: Sum) -> What {
    match key {
        Key::File(Direction::Received, file) => What::Read { file, path, bytes, calls },
        Key::File(Direction::Sent, file) => What::Written { file, path, bytes, calls },
        Key::Socket(Direction::Received, socket, peer, _) => {
            What::Received { socket: Some(socket), peer, bytes, calls }
        }
        Key::Socket(Direction::Sent, socket, peer, error) => {
            What::Sent { socket: Some(socket), peer, bytes, calls, error }
        }
    }
}

const FLUSH_AFTER_NS: u64 = 1_000_000_000;
const MAX_SUMS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use watchglass_events::FileKind;

    fn key(inode: u64) -> Key {
        let file = FileId { device: 1, inode, generation: 0, kind: FileKind::Regular };
        Key::File(Direction::Received, file)
    }

    #[test]
    fn adds_up_by_file_and_keeps_the_order() {
        let mut tallies = Tallies::default();
        for (inode, bytes) in [(7, 1), (3, 10), (7, 2)] {
            tallies.add(0, key(inode), Some("/x".into()), bytes);
        }
        let sums: Vec<_> = tallies.take().into_iter().map(sum).collect();
        assert_eq!(sums, [(7, 3, 2), (3, 10, 1)]);
        assert!(tallies.take().is_empty());
    }

    fn sum(what: What) -> (u64, u64, u64) {
        match what {
            What::Read { file, bytes, calls, .. } => (file.inode, bytes, calls),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn is_due_after_a_second_or_when_full() {
        let mut tallies = Tallies::default();
        tallies.add(5, key(0), None, 1);
        assert!(!tallies.is_due(5 + FLUSH_AFTER_NS - 1));
        assert!(tallies.is_due(5 + FLUSH_AFTER_NS));
        (1..MAX_SUMS as u64).for_each(|inode| tallies.add(5, key(inode), None, 1));
        assert!(tallies.is_due(5));
    }
}
