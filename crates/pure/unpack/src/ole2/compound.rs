//! The file system in a compound file, \[MS-CFB\].
//!
//! Nothing of it is copied: tables are looked up where they stand, and what is kept are numbers of
//! sectors, at most as many as the file has.

use std::borrow::Cow;
use std::ops::Range;

use super::{u16_at, u32_at};
use crate::budget::{Budget, to_u64};
use crate::output::{Output, Stop, stored};
use crate::reason::NotScanned;
use crate::streams::MAX_REASONS;

/// A compound file whose header was read.
#[derive(Debug)]
pub(super) struct Compound<'a> {
    bytes: &'a [u8],
    /// Sizes of sectors and mini sectors, as powers of two.
    shift: u32,
    mini_shift: u32,
    /// Streams that are shorter stand in the mini stream.
    cutoff: u64,
    /// Whether sizes have 64 bits (2.6.1).
    is_wide: bool,
    /// The sectors of the tables, in their order.
    fat: Vec<u32>,
    directory: Vec<u32>,
    mini_fat: Vec<u32>,
    mini_stream: Vec<u32>,
    /// For each entry of the directory the storage it lies in; [`NOWHERE`] for those that the tree
    /// does not reach.
    parents: Vec<u32>,
    /// What is wrong with the tables.
    pub(super) faults: Vec<NotScanned>,
}

/// One entry of the directory (2.6.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// UTF-16, without its terminator.
    pub(super) name: &'a [u8],
    pub(super) kind: u8,
    left: u32,
    right: u32,
    child: u32,
    start: u32,
    pub(super) size: u64,
    /// Where it stands in the file.
    pub(super) offset: usize,
}

/// What could be read of a stream.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) not_scanned: Vec<NotScanned>,
}

/// Whether content is a member's own, or what members are cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payment {
    Due,
    None,
}

impl<'a> Compound<'a> {
    /// Reads the header (2.2), the tables' places and the tree. None: no compound file.
    pub(super) fn read(bytes: &'a [u8], budget: &Budget<'_>) -> Result<Option<Self>, NotScanned> {
        if !bytes.starts_with(SIGNATURE) && !bytes.starts_with(BETA_SIGNATURE) {
            return Ok(None);
        }
        let field = |at| u32_at(bytes, at).unwrap_or(END_OF_CHAIN);
        let major = u16_at(bytes, 26).unwrap_or(3);
        let declared = u16_at(bytes, 30).unwrap_or(0);
        let shift = if matches!(declared, 9 | 12) {
            declared.into()
        } else if major == 4 {
            12
        } else {
            9
        };
        let mini_shift = u16_at(bytes, 32).map_or(0, u32::from);
        let mut compound = Self {
            bytes,
            shift,
            mini_shift: if (4..=shift).contains(&mini_shift) { mini_shift } else { 6 },
            cutoff: field(56).into(),
            is_wide: major != 3,
            fat: Vec::new(),
            directory: Vec::new(),
            mini_fat: Vec::new(),
            mini_stream: Vec::new(),
            parents: Vec::new(),
            faults: Vec::new(),
        };
        if bytes.len() < HEADER {
            compound.fault("compound file header is cut off", bytes.len());
        } else if u32::from(declared) != shift {
            compound.fault("sector size", 30);
        }
        compound.read_tables(field(48), field(60), field(68), budget)?;
        Ok(Some(compound))
    }

    fn read_tables(
        &mut self,
        directory: u32,
        mini_fat: u32,
        difat: u32,
        budget: &Budget<'_>,
    ) -> Result<(), NotScanned> {
        self.read_fat(difat, budget)?;
        self.directory = self.table(directory, "directory", budget)?;
        self.mini_fat = self.table(mini_fat, "mini FAT", budget)?;
        let root = self.entry(0).filter(|entry| entry.kind == ROOT);
        if root.is_none() {
            self.fault("no root entry", HEADER);
        }
        let (start, child) =
            root.map_or((END_OF_CHAIN, NO_STREAM), |root| (root.start, root.child));
        self.mini_stream = self.table(start, "mini stream", budget)?;
        self.read_tree(child, budget)
    }

    /// The places of the FAT's sectors: 109 in the header, others in a chain of their own (2.5).
    fn read_fat(&mut self, mut difat: u32, budget: &Budget<'_>) -> Result<(), NotScanned> {
        let first = self.bytes.get(76..HEADER.min(self.bytes.len())).unwrap_or_default();
        self.fat.extend(numbers(first));
        let mut sectors = 0_usize;
        while difat < MAX_SECTOR {
            budget.work(self.size())?;
            sectors = sectors.saturating_add(1);
            let Some(sector) = self.sector(difat).filter(|_| sectors <= self.count()) else {
                self.fault("DIFAT", self.offset(difat));
                break;
            };
            let places = sector.len().saturating_sub(4).min(self.size().saturating_sub(4));
            self.fat.extend(numbers(sector.get(..places).unwrap_or_default()));
            difat = u32_at(sector, places).unwrap_or(END_OF_CHAIN);
        }
        let used = self.fat.iter().rposition(|&place| place < MAX_SECTOR);
        self.fat.truncate(used.map_or(0, |last| last.saturating_add(1)));
        Ok(())
    }

    fn table(
        &mut self,
        first: u32,
        what: &'static str,
        budget: &Budget<'_>,
    ) -> Result<Vec<u32>, NotScanned> {
        let (chain, is_whole) = self.chain(first, usize::MAX, budget)?;
        if !is_whole {
            let last = chain.last().copied().unwrap_or(first);
            self.fault(what, self.offset(last));
        }
        Ok(chain)
    }

    /// Finds for each entry the storage it lies in. The siblings of one storage are a tree as well.
    fn read_tree(&mut self, child: u32, budget: &Budget<'_>) -> Result<(), NotScanned> {
        let entries = self.directory.len().saturating_mul(self.size() / ENTRY);
        self.parents = vec![NOWHERE; entries];
        if let Some(root) = self.parents.first_mut() {
            *root = 0;
        }
        let mut open = vec![(child, 0_u32)];
        while let Some((id, parent)) = open.pop() {
            if id == NO_STREAM {
                continue;
            }
            budget.work(0)?;
            let free = usize::try_from(id).ok().and_then(|id| self.parents.get_mut(id));
            match free.filter(|place| **place == NOWHERE) {
                Some(place) => *place = parent,
                None => {
                    self.fault("the directory's tree", HEADER);
                    continue;
                }
            }
            let Some(entry) = self.entry(id) else { continue };
            open.extend([(entry.right, parent), (entry.left, parent)]);
            if entry.kind == STORAGE {
                open.push((entry.child, id));
            }
        }
        Ok(())
    }

    /// How many entries the directory has room for.
    pub(super) fn entries(&self) -> u32 {
        u32::try_from(self.parents.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn entry(&self, id: u32) -> Option<Entry<'a>> {
        let id = usize::try_from(id).ok()?;
        let in_sector = self.size() / ENTRY;
        let sector = *self.directory.get(id.checked_div(in_sector)?)?;
        let inside = id.checked_rem(in_sector)?.saturating_mul(ENTRY);
        let offset = self.offset(sector).saturating_add(inside);
        let bytes = self.bytes.get(offset..)?.get(..ENTRY)?;
        let length = usize::from(u16_at(bytes, 64)?).clamp(2, 64).saturating_sub(2);
        let name = bytes.get(..length & !1)?;
        let size = bytes.get(120..)?.first_chunk().map(|size| u64::from_le_bytes(*size))?;
        Some(Entry {
            name,
            kind: *bytes.get(66)?,
            left: u32_at(bytes, 68)?,
            right: u32_at(bytes, 72)?,
            child: u32_at(bytes, 76)?,
            start: u32_at(bytes, 116)?,
            size: if self.is_wide { size } else { size & 0xffff_ffff },
            offset,
        })
    }

    /// The storage that an entry lies in; None when the tree does not reach it.
    pub(super) fn parent(&self, id: u32) -> Option<u32> {
        let parent = self.parents.get(usize::try_from(id).ok()?).copied();
        parent.filter(|&parent| parent != NOWHERE)
    }

    /// Reads a stream as far as its chain goes.
    pub(super) fn content(
        &self,
        entry: &Entry<'a>,
        payment: Payment,
        budget: &Budget<'_>,
    ) -> Content<'a> {
        let runs = if entry.size < self.cutoff {
            self.mini_runs(entry, budget)
        } else {
            self.runs(entry, budget)
        };
        let (runs, is_whole) = match runs {
            Ok(runs) => runs,
            Err(reason) => return Content { bytes: Cow::default(), not_scanned: vec![reason] },
        };
        let found = runs.iter().map(|run| run.len()).fold(0, usize::saturating_add);
        let mut content = self.join(&runs, payment, budget);
        if to_u64(found) < entry.size {
            let (declared, found) = (entry.size, to_u64(found));
            content.not_scanned.push(NotScanned::Length { field: "stream size", declared, found });
        } else if !is_whole {
            let (what, offset) = ("chain of sectors", to_u64(entry.offset));
            content.not_scanned.push(NotScanned::Damaged { what, offset });
        }
        content
    }

    /// Borrows what lies in one piece and copies the rest.
    fn join(&self, runs: &[Range<usize>], payment: Payment, budget: &Budget<'_>) -> Content<'a> {
        if let [run] = runs {
            let bytes = self.bytes.get(run.clone()).unwrap_or_default();
            let (bytes, reason) = match payment {
                Payment::Due => stored(bytes, budget),
                Payment::None => (Cow::Borrowed(bytes), None),
            };
            return Content { bytes, not_scanned: reason.into_iter().collect() };
        }
        let mut out = match payment {
            Payment::Due => Output::new(budget),
            Payment::None => Output::unpaid(budget),
        };
        let mut copy = || -> Result<(), Stop> {
            runs.iter()
                .try_for_each(|run| out.extend(self.bytes.get(run.clone()).unwrap_or_default()))
        };
        let reason = copy().err().map(|stop| stop.at(0));
        Content { bytes: Cow::Owned(out.finish()), not_scanned: reason.into_iter().collect() }
    }

    /// The pieces of the file that a stream consists of, and whether its chain is in order.
    fn runs(
        &self,
        entry: &Entry<'_>,
        budget: &Budget<'_>,
    ) -> Result<(Vec<Range<usize>>, bool), NotScanned> {
        let mut left = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let most = left.div_ceil(self.size());
        let (chain, is_whole) = self.chain(entry.start, most, budget)?;
        let mut runs = Vec::new();
        for sector in chain {
            let start = self.offset(sector);
            let length = self.size().min(left).min(self.bytes.len().saturating_sub(start));
            left = left.saturating_sub(length);
            append(&mut runs, start, length);
        }
        Ok((runs, is_whole))
    }

    fn mini_runs(
        &self,
        entry: &Entry<'_>,
        budget: &Budget<'_>,
    ) -> Result<(Vec<Range<usize>>, bool), NotScanned> {
        let mut left = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let size = 1_usize.checked_shl(self.mini_shift).unwrap_or(1);
        let most = left.div_ceil(size).min(self.mini_count());
        let mut runs = Vec::new();
        let mut number = entry.start;
        for done in 0..most {
            if done & 0x3f == 0 {
                budget.work(0)?;
            }
            let Some(start) = self.mini_offset(number) else { return Ok((runs, false)) };
            let length = size.min(left).min(self.bytes.len().saturating_sub(start));
            left = left.saturating_sub(length);
            append(&mut runs, start, length);
            number = self.lookup(&self.mini_fat, number).unwrap_or(END_OF_CHAIN);
        }
        Ok((runs, true))
    }

    /// Where a mini sector stands in the file.
    fn mini_offset(&self, number: u32) -> Option<usize> {
        let place = usize::try_from(u64::from(number).checked_shl(self.mini_shift)?).ok()?;
        let sector = *self.mini_stream.get(place.checked_shr(self.shift)?)?;
        let inside = place.checked_rem(self.size())?;
        Some(self.offset(sector).saturating_add(inside))
    }

    /// The sectors of a chain, at most `most` of them, and whether it ended as it should or went on.
    fn chain(
        &self,
        first: u32,
        most: usize,
        budget: &Budget<'_>,
    ) -> Result<(Vec<u32>, bool), NotScanned> {
        let mut chain = Vec::new();
        let mut number = first;
        while number < MAX_SECTOR && chain.len() < most {
            if chain.len() & 0x3ff == 0 {
                budget.work(0)?;
            }
            // More sectors than there are is a chain that has come back to itself.
            if chain.len() >= self.count() || self.sector(number).is_none() {
                return Ok((chain, false));
            }
            chain.push(number);
            number = self.lookup(&self.fat, number).unwrap_or(FREE);
        }
        let is_whole = chain.len() >= most || number == END_OF_CHAIN || first == FREE;
        Ok((chain, is_whole))
    }

    /// What a table whose sectors are `table` says of a sector: the next one.
    fn lookup(&self, table: &[u32], number: u32) -> Option<u32> {
        let number = usize::try_from(number).ok()?;
        let in_sector = self.size() / 4;
        let sector = *table.get(number.checked_div(in_sector)?)?;
        let inside = number.checked_rem(in_sector)?.saturating_mul(4);
        u32_at(self.bytes, self.offset(sector).saturating_add(inside))
    }

    /// A sector, or what the file has of it.
    fn sector(&self, number: u32) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.offset(number)..).filter(|rest| !rest.is_empty())?;
        Some(rest.get(..self.size()).unwrap_or(rest))
    }

    /// Sectors are counted from the end of the header, which has the size of one (2.1).
    fn offset(&self, number: u32) -> usize {
        let place = u64::from(number).saturating_add(1).checked_shl(self.shift);
        place.and_then(|place| usize::try_from(place).ok()).unwrap_or(usize::MAX)
    }

    fn size(&self) -> usize {
        1_usize.checked_shl(self.shift).unwrap_or(usize::MAX)
    }

    /// Sectors that the file has.
    fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.size())
    }

    fn mini_count(&self) -> usize {
        let shift = self.shift.saturating_sub(self.mini_shift);
        self.mini_stream.len().checked_shl(shift).unwrap_or(usize::MAX)
    }

    fn fault(&mut self, what: &'static str, offset: usize) {
        if self.faults.len() < MAX_REASONS {
            self.faults.push(NotScanned::Damaged { what, offset: to_u64(offset) });
        }
    }
}

/// Adds a piece, to the one before it if they adjoin.
fn append(runs: &mut Vec<Range<usize>>, start: usize, length: usize) {
    let end = start.saturating_add(length);
    match runs.last_mut() {
        Some(last) if last.end == start => last.end = end,
        _ => runs.push(start..end),
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).filter_map(|chunk| u32_at(chunk, 0))
}

pub(super) const STORAGE: u8 = 1;
pub(super) const STREAM: u8 = 2;
const ROOT: u8 = 5;
const HEADER: usize = 512;
const ENTRY: usize = 128;
const SIGNATURE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Of the format before it was published; Windows opens it still.
const BETA_SIGNATURE: &[u8] = b"\x0e\x11\xfc\x0d\xd0\xcf\x11\x0e";
/// Numbers from here on are not sectors (2.1).
const MAX_SECTOR: u32 = 0xffff_fffa;
const END_OF_CHAIN: u32 = 0xffff_fffe;
const FREE: u32 = 0xffff_ffff;
const NO_STREAM: u32 = 0xffff_ffff;
const NOWHERE: u32 = u32::MAX;
