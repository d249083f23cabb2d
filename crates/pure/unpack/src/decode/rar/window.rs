//! What was unpacked of a solid run of members: what copies come from, and filters wait in.

use super::filters::Filter;
use crate::budget::to_u64;
use crate::output::{Output, Stop};

/// It holds what was made, up to the declared dictionary and a filter's block beyond, and never more.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// Bytes of the member that were made, and that were given on.
    made: u64,
    given: u64,
    /// How much of it copies may come from.
    keep: usize,
    filters: Vec<(u64, usize, Filter)>,
}

impl Window {
    /// Begins a member, after others or not.
    pub(crate) fn begin(&mut self, is_solid: bool, keep: u64) {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        if is_solid {
            self.keep = self.keep.max(keep);
        } else {
            *self = Self { keep, ..Self::default() };
        }
        (self.made, self.given) = (0, 0);
        self.filters.clear();
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn push(&mut self, byte: u8, out: &mut Output<'_>) -> Result<(), Stop> {
        self.bytes.push(byte);
        self.made = self.made.saturating_add(1);
        if self.made & 0xffff == 0 { self.flush(out) } else { Ok(()) }
    }

    pub(super) fn copy(
        &mut self,
        distance: usize,
        length: usize,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        if distance == 0 || distance > self.bytes.len() {
            return Err(Stop::Damaged("a copy from before the start"));
        }
        let before = self.made;
        let mut left = length;
        while left > 0 {
            let now = left.min(distance);
            let start = self.bytes.len().saturating_sub(distance);
            self.bytes.extend_from_within(start..start.saturating_add(now));
            left = left.saturating_sub(now);
        }
        self.made = self.made.saturating_add(to_u64(length));
        if self.made >> 16 == before >> 16 { Ok(()) } else { self.flush(out) }
    }

    /// A filter over `length` bytes that begin `ahead` of here.
    pub(super) fn filter(&mut self, ahead: u64, length: usize, filter: Filter) -> Result<(), Stop> {
        if self.filters.len() >= MAX_FILTERS {
            return Err(Stop::Damaged("filters that wait"));
        }
        self.filters.push((self.made.saturating_add(ahead), length, filter));
        Ok(())
    }

    /// Gives on what no filter waits for.
    fn flush(&mut self, out: &mut Output<'_>) -> Result<(), Stop> {
        while let Some((start, length, _)) = self.filters.first() {
            let (start, length) = (*start, *length);
            if start < self.given {
                // Its bytes were given: an honest packer announces filters before their bytes.
                return Err(Stop::Damaged("a filter over what was unpacked"));
            }
            let end = start.saturating_add(to_u64(length));
            if end > self.made {
                self.give(start.min(self.made), out)?;
                self.forget();
                return Ok(());
            }
            self.give(start, out)?;
            self.run_filters(start, length, out)?;
        }
        self.give(self.made, out)?;
        self.forget();
        Ok(())
    }

    /// Runs all filters over the same bytes, one after another.
    fn run_filters(&mut self, start: u64, length: usize, out: &mut Output<'_>) -> Result<(), Stop> {
        let from = self.index(start);
        let upto = from.saturating_add(length);
        let mut block = self.bytes.get(from..upto).unwrap_or_default().to_vec();
        while let Some((next, size, _)) = self.filters.first() {
            if *next != start || *size != length {
                break;
            }
            let (_, _, filter) = self.filters.remove(0);
            out.read(length)?;
            filter.run(&mut block, start);
        }
        self.given = start.saturating_add(to_u64(length));
        out.extend(&block)
    }

    /// The end of a member: what filters wait for in vain is given as it is.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) -> Result<(), Stop> {
        self.flush(out)?;
        let waits = !self.filters.is_empty();
        self.filters.clear();
        self.give(self.made, out)?;
        if waits {
            Err(Stop::Damaged("the member ends inside of a filter's block"))
        } else {
            Ok(())
        }
    }

    fn give(&mut self, upto: u64, out: &mut Output<'_>) -> Result<(), Stop> {
        let (from, upto_index) = (self.index(self.given), self.index(upto));
        self.given = self.given.max(upto);
        out.extend(self.bytes.get(from..upto_index).unwrap_or_default())
    }

    /// Where a byte of the member stands in what is held.
    fn index(&self, place: u64) -> usize {
        let back = usize::try_from(self.made.saturating_sub(place)).unwrap_or(usize::MAX);
        self.bytes.len().saturating_sub(back)
    }

    /// Lets go of what no copy can reach, when that is worth the move.
    fn forget(&mut self) {
        let waiting = usize::try_from(self.made.saturating_sub(self.given)).unwrap_or(usize::MAX);
        let needed = self.keep.saturating_add(waiting);
        let surplus = self.bytes.len().saturating_sub(needed);
        if surplus > needed.max(1 << 20) {
            self.bytes.drain(..surplus);
        }
    }
}

/// Filters that may wait at once, as UnRAR has it.
const MAX_FILTERS: usize = 8192;
