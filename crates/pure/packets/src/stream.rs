//! One direction of a TCP connection, put together from its segments.

use std::collections::BTreeMap;
use std::ops::Bound;

/// One direction of a TCP connection. The first byte seen at a place wins; what a later segment
/// says differently is counted, since the two ends may have believed another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The bytes from the first on, up to the first gap or the budget's end.
    pub bytes: Vec<u8>,
    /// Contiguous bytes from the first on, kept or not.
    pub contiguous: u64,
    /// Bytes beyond a gap. Empty for a connection that was seen whole.
    pub islands: Vec<Island>,
    /// Bytes that the budget did not let keep.
    pub cut: u64,
    /// Bytes that came again.
    pub repeated: u64,
    /// Bytes that came again with another value.
    pub conflicting: u64,
    /// Bytes before the first or more than 1 GiB ahead: no receiver takes them.
    pub outside: u64,
    pending: BTreeMap<u64, Vec<u8>>,
    first_sequence: Option<u32>,
}

/// Bytes beyond a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Island {
    /// Where they begin, counted from the first byte of the stream.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Stream {
    /// Different bytes seen, contiguous or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        let islands = self.islands.iter().map(|island| island.bytes.len() as u64);
        islands.fold(self.contiguous, u64::saturating_add)
    }

    /// Whether every byte up to the last one seen is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.islands.is_empty() && self.cut == 0 && self.outside == 0
    }

    /// The sequence number of the first byte, from the SYN or else from the first segment.
    pub(crate) fn begin(&mut self, first_sequence: u32) {
        self.first_sequence.get_or_insert(first_sequence);
    }

    /// Whether the stream has begun with this sequence number.
    pub(crate) fn begins_at(&self, first_sequence: u32) -> bool {
        self.first_sequence == Some(first_sequence)
    }

    /// Puts a segment in its place. `budget` is how many more bytes may be kept by anyone.
    pub(crate) fn insert(&mut self, sequence: u32, data: &[u8], budget: &mut u64) {
        if data.is_empty() {
            return;
        }
        let Some(offset) = self.offset_of(sequence, data.len()) else {
            self.outside = self.outside.saturating_add(data.len() as u64);
            return;
        };
        let fresh = self.skip_known(offset, data);
        if fresh.is_empty() {
            return;
        }
        let offset = offset.max(self.contiguous);
        if offset == self.contiguous && self.pending.is_empty() {
            return self.extend(fresh, budget);
        }
        self.hold(offset, fresh, budget);
        self.join(budget);
    }

    /// Ends the stream: what still waits for earlier bytes becomes islands.
    pub(crate) fn finish(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.pending) {
            match self.islands.last_mut() {
                Some(last) if last.offset.saturating_add(last.bytes.len() as u64) == offset => {
                    last.bytes.extend_from_slice(&bytes);
                }
                _ => self.islands.push(Island { offset, bytes }),
            }
        }
    }

    /// Where a segment stands in the stream, whose length may pass 4 GiB.
    fn offset_of(&mut self, sequence: u32, length: usize) -> Option<u64> {
        let first = *self.first_sequence.get_or_insert(sequence);
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
        let expected = first.wrapping_add(self.contiguous as u32);
        #[expect(clippy::cast_possible_wrap, reason = "RFC 9293, 3.4: differences are signed")]
        let ahead = i64::from(sequence.wrapping_sub(expected) as i32);
        if ahead > MAX_AHEAD || (length as u64) > MAX_AHEAD.unsigned_abs() {
            return None;
        }
        self.contiguous.checked_add_signed(ahead)
    }

    /// Compares what overlaps the contiguous bytes and returns the rest.
    fn skip_known<'a>(&mut self, offset: u64, data: &'a [u8]) -> &'a [u8] {
        let known = self.contiguous.saturating_sub(offset).min(data.len() as u64);
        let (again, fresh) = split(data, known);
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let kept = self.bytes.get(from..).unwrap_or_default();
        let conflicting = differences(kept, again);
        self.count_repeated(again.len(), conflicting);
        fresh
    }

    fn count_repeated(&mut self, repeated: usize, conflicting: u64) {
        self.repeated = self.repeated.saturating_add(repeated as u64);
        self.conflicting = self.conflicting.saturating_add(conflicting);
    }

    fn extend(&mut self, data: &[u8], budget: &mut u64) {
        let room = if self.bytes.len() as u64 == self.contiguous { *budget } else { 0 };
        let (kept, cut) = split(data, room);
        self.bytes.extend_from_slice(kept);
        *budget = budget.saturating_sub(kept.len() as u64);
        self.cut = self.cut.saturating_add(cut.len() as u64);
        self.contiguous = self.contiguous.saturating_add(data.len() as u64);
    }

    /// Keeps a segment that is ahead, in the places that no earlier segment filled.
    fn hold(&mut self, mut offset: u64, mut data: &[u8], budget: &mut u64) {
        while !data.is_empty() {
            let end = offset.saturating_add(data.len() as u64);
            let before = self.pending.range(..=offset).next_back();
            if let Some((&start, held)) = before
                && start.saturating_add(held.len() as u64) > offset
            {
                let known = start.saturating_add(held.len() as u64).min(end);
                let (again, rest) = split(data, known.saturating_sub(offset));
                let (_, held) = split(held, offset.saturating_sub(start));
                let conflicting = differences(held, again);
                self.count_repeated(again.len(), conflicting);
                (offset, data) = (known, rest);
                continue;
            }
            let bounds = (Bound::Excluded(offset), Bound::Unbounded);
            let next = self.pending.range(bounds).next().map_or(end, |(&start, _)| start.min(end));
            let (piece, rest) = split(data, next.saturating_sub(offset));
            self.hold_piece(offset, piece, budget);
            (offset, data) = (next, rest);
        }
    }

    fn hold_piece(&mut self, offset: u64, piece: &[u8], budget: &mut u64) {
        let cost = (piece.len() as u64).saturating_add(PENDING_OVERHEAD_BYTES);
        if cost > *budget {
            self.cut = self.cut.saturating_add(piece.len() as u64);
            return;
        }
        *budget = budget.saturating_sub(cost);
        self.pending.insert(offset, piece.to_vec());
    }

    /// Moves what is no longer ahead to the contiguous bytes.
    fn join(&mut self, budget: &mut u64) {
        while let Some(entry) = self.pending.first_entry() {
            if *entry.key() != self.contiguous {
                return;
            }
            let bytes = entry.remove();
            let cost = (bytes.len() as u64).saturating_add(PENDING_OVERHEAD_BYTES);
            *budget = budget.saturating_add(cost);
            self.extend(&bytes, budget);
        }
    }
}

/// Splits at `at` or at the end.
fn split(data: &[u8], at: u64) -> (&[u8], &[u8]) {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
    data.split_at_checked(at).unwrap_or((data, &[]))
}

fn differences(left: &[u8], right: &[u8]) -> u64 {
    left.iter().zip(right).filter(|(left, right)| left != right).count() as u64
}

/// Largest receive window with window scaling (RFC 7323, 2.3): what is further ahead is not for
/// this stream.
const MAX_AHEAD: i64 = 1 << 30;

/// What holding a segment costs beside its bytes, so that one-byte segments cannot fill the memory.
const PENDING_OVERHEAD_BYTES: u64 = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assemble(first: u32, segments: &[(usize, &[u8])]) -> Stream {
        let mut stream = Stream::default();
        let mut budget = 1 << 20;
        stream.begin(first);
        for (offset, data) in segments {
            stream.insert(first.wrapping_add(*offset as u32), data, &mut budget);
        }
        stream.finish();
        stream
    }

    #[test]
    fn the_first_byte_at_a_place_wins_and_the_conflict_is_counted() {
        let stream = assemble(9, &[(0, b"abcd"), (2, b"XYef")]);
        assert_eq!(stream.bytes, b"abcdef");
        assert_eq!((stream.repeated, stream.conflicting), (2, 2));
        let ahead = assemble(9, &[(2, b"cd"), (1, b"bXe"), (0, b"a")]);
        assert_eq!(ahead.bytes, b"abcd", "what stood there first stays");
        assert_eq!((ahead.repeated, ahead.conflicting), (2, 2));
    }

    #[test]
    fn a_gap_makes_an_island() {
        let stream = assemble(0, &[(0, b"ab"), (5, b"f"), (6, b"g")]);
        assert_eq!(stream.bytes, b"ab");
        assert_eq!(stream.islands, [Island { offset: 5, bytes: b"fg".to_vec() }]);
        assert_eq!((stream.total(), stream.is_whole()), (4, false));
    }

    #[test]
    fn bytes_beyond_the_budget_are_counted() {
        let mut stream = Stream::default();
        let mut budget = 3;
        stream.insert(0, b"abcdef", &mut budget);
        stream.insert(6, b"gh", &mut budget);
        assert_eq!((stream.bytes.as_slice(), stream.cut, stream.total()), (&b"abc"[..], 5, 8));
    }

    #[test]
    fn a_segment_far_ahead_or_before_the_start_is_outside() {
        let stream =
            assemble(1000, &[(0, b"ab"), (2 << 30, b"far"), (0_usize.wrapping_sub(900), b"x")]);
        assert_eq!((stream.total(), stream.outside), (2, 4));
    }

    fn cuts(whole: &[u8], at: &[usize]) -> Vec<(usize, Vec<u8>)> {
        let mut at: Vec<usize> = at.iter().map(|cut| cut % (whole.len() + 1)).collect();
        at.extend([0, whole.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| (pair[0], whole[pair[0]..pair[1]].to_vec())).collect()
    }

    proptest! {
        #[test]
        fn split_shuffled_and_repeated_equals_whole(
            whole in proptest::collection::vec(any::<u8>(), 1..400),
            at in proptest::collection::vec(any::<usize>(), 0..12),
            again in proptest::collection::vec((any::<usize>(), any::<usize>()), 0..6),
            order in any::<u64>(), first in any::<u32>(),
        ) {
            let mut segments = cuts(&whole, &at);
            for (start, length) in again {
                let start = start % whole.len();
                let end = (start + length % 50).min(whole.len());
                segments.push((start, whole[start..end].to_vec()));
            }
            segments.sort_by_key(|(offset, data)| {
                (*offset as u64 + 1).wrapping_mul(order | 1).rotate_left(17) ^ data.len() as u64
            });
            let segments: Vec<_> = segments.iter().map(|(at, data)| (*at, &data[..])).collect();
            let stream = assemble(first, &segments);
            prop_assert_eq!(&stream.bytes, &whole);
            prop_assert!(stream.is_whole());
            prop_assert_eq!(stream.conflicting, 0);
        }

        #[test]
        fn every_byte_is_accounted_for(
            segments in proptest::collection::vec(
                (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..30),
            mut budget in 0_u64..600,
        ) {
            let mut stream = Stream::default();
            let mut given = 0;
            for (sequence, data) in &segments {
                stream.insert(sequence % 300, data, &mut budget);
                given += data.len() as u64;
            }
            stream.finish();
            let kept = stream.bytes.len() as u64
                + stream.islands.iter().map(|island| island.bytes.len() as u64).sum::<u64>();
            prop_assert_eq!(kept + stream.cut + stream.repeated + stream.outside, given);
        }
    }
}
