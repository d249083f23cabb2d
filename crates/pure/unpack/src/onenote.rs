//! Sections of OneNote: the files that are embedded in them.
//!
//! Nothing of the revision store is followed, because an embedded file stands in one piece behind
//! marks of its own, in the live revision as well as in those that were given up: FileDataStoreObject
//! (\[MS-ONESTORE\] 2.6.13) in what the program writes, an object data BLOB (\[MS-FSSHTTPB\]
//! 2.2.1.12.8) in what the web service packages.

use memchr::memmem;

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place};
use crate::ole2::u32_at;
use crate::output::stored;
use crate::reason::NotScanned;

/// A section while its files are given.
#[derive(Debug)]
pub(crate) struct OneNote<'a> {
    bytes: &'a [u8],
    cursor: usize,
}

/// Where an embedded file stands.
#[derive(Clone, Copy, Debug)]
struct Found {
    offset: usize,
    start: usize,
    size: u64,
}

impl<'a> OneNote<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0 }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Result<Next<'a>, NotScanned> {
        if self.cursor == 0 && !self.bytes.starts_with(SECTION) {
            return Ok(Next::End(damaged("no section of OneNote", 0)));
        }
        let found = if self.is_packaged() { self.blob(budget)? } else { self.object(budget)? };
        let Some(found) = found else { return Ok(Next::End(End::default())) };
        Ok(Next::Member(self.give(found, budget)))
    }

    /// guidFileFormat (2.3.1).
    fn is_packaged(&self) -> bool {
        self.bytes.get(48..64) == Some(PACKAGED)
    }

    fn object(&mut self, budget: &Budget<'_>) -> Result<Option<Found>, NotScanned> {
        let rest = self.bytes.get(self.cursor..).unwrap_or_default();
        let gap = memmem::find(rest, FILE_DATA_HEADER);
        budget.work(gap.unwrap_or(rest.len()))?;
        let Some(gap) = gap else { return Ok(None) };
        let offset = self.cursor.saturating_add(gap);
        // cbLength, then twelve bytes that nobody uses.
        let size = offset.saturating_add(16);
        let size = self.bytes.get(size..).and_then(|rest| rest.first_chunk());
        let size = size.map_or(u64::MAX, |size| u64::from_le_bytes(*size));
        let start = offset.saturating_add(36);
        // A mark inside of a file's own data may be a file as well.
        self.cursor = offset.saturating_add(16);
        Ok(Some(Found { offset, start, size }))
    }

    /// A stream object header of 32 bits whose length is that of the sized data behind it.
    fn blob(&mut self, budget: &Budget<'_>) -> Result<Option<Found>, NotScanned> {
        let from = self.cursor.max(SECTION.len());
        let rest = self.bytes.get(from..).unwrap_or_default();
        let mut looked = 0_usize;
        for place in memchr::memchr_iter(BLOB, rest) {
            if place.saturating_sub(looked) >= 1 << 16 {
                budget.work(place.saturating_sub(looked))?;
                looked = place;
            }
            let Some(found) = self.blob_at(from.saturating_add(place)) else { continue };
            self.cursor = found.start;
            return Ok(Some(found));
        }
        budget.work(rest.len().saturating_sub(looked))?;
        Ok(None)
    }

    fn blob_at(&self, offset: usize) -> Option<Found> {
        let header = u32_at(self.bytes, offset)?;
        if header & 0x1ffff != u32::from(BLOB) {
            return None;
        }
        let mut length = u64::from(header >> 17);
        let mut start = offset.saturating_add(4);
        if length == LARGE {
            let (large, width) = compact(self.bytes.get(start..)?)?;
            (length, start) = (large, start.saturating_add(width));
        }
        let (size, width) = compact(self.bytes.get(start..)?)?;
        let is_blob = size.checked_add(to_u64(width)) == Some(length) && size > 0;
        is_blob.then_some(Found { offset, start: start.saturating_add(width), size })
    }

    fn give(&self, found: Found, budget: &Budget<'_>) -> Member<'a> {
        let rest = self.bytes.get(found.start..).unwrap_or_default();
        let wanted = usize::try_from(found.size).unwrap_or(usize::MAX);
        let data = rest.get(..wanted).unwrap_or(rest);
        let (content, reason) = stored(data, budget);
        let mut not_scanned: Vec<_> = reason.into_iter().collect();
        if data.len() < wanted {
            let (declared, found) = (found.size, to_u64(data.len()));
            not_scanned.push(NotScanned::Length { field: "cbLength", declared, found });
        }
        let declared = Declared { unpacked: Some(found.size), ..Declared::default() };
        let place = Place { index: 0, offset: to_u64(found.offset) };
        Member { place, declared, content, not_scanned, ..Member::default() }
    }
}

impl<'a> Format<'a> for OneNote<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0).and_then(|()| self.read(budget)) {
            Ok(next) => next,
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

/// A compact unsigned 64-bit integer (\[MS-FSSHTTPB\] 2.2.1.1): its lowest set bit tells its width.
fn compact(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let width = match first.trailing_zeros() {
        8 => return Some((0, 1)),
        7 => {
            let bytes = bytes.get(1..)?.first_chunk()?;
            return Some((u64::from_le_bytes(*bytes), 9));
        }
        zeros => zeros.saturating_add(1),
    };
    let width = usize::try_from(width).ok()?;
    let number =
        bytes.get(..width)?.iter().rev().fold(0, |sum: u64, &byte| sum << 8 | u64::from(byte));
    Some((number.checked_shr(u32::try_from(width).ok()?)?, width))
}

/// guidFileType of sections, {7B5C52E4-D88C-4DA7-AEB1-5378D02996D3}.
const SECTION: &[u8] = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3";
/// {638DE92F-A6D4-4BC1-9A36-B3FC2511A5B7}, alternative packaging (2.8.1).
const PACKAGED: &[u8] = b"\x2f\xe9\x8d\x63\xd4\xa6\xc1\x4b\x9a\x36\xb3\xfc\x25\x11\xa5\xb7";
/// guidHeader, {BDE316E7-2665-4511-A4C4-8D4D0B7A9EAC}.
const FILE_DATA_HEADER: &[u8] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
/// The low bits of the header of a BLOB's declaration: 32 bits wide, not compound, type 2.
const BLOB: u8 = 0x12;
/// The length that says that the true one follows.
const LARGE: u64 = 0x7fff;
