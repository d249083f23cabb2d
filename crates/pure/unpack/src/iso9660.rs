//! ISO 9660 (ECMA-119) with the names of Joliet and Rock Ridge.

use std::collections::BTreeSet;

use watchglass_bytes::{ReadError, Reader};

use crate::archives::{damaged, named};
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::Member;
use crate::output::Stop;
use crate::reason::NotScanned;

/// An image while its members are given.
///
/// An image may have several trees of directories, whose readers each believe one. All of them are
/// walked; a file that stands in more than one is given once.
#[derive(Debug)]
pub(crate) struct Iso9660<'a> {
    bytes: &'a [u8],
    /// Directories to be read, the next one last; none before the first member was asked for.
    trees: Option<Vec<Directory<'a>>>,
    /// Where extents begin that were given or walked, with their length.
    seen: BTreeSet<(usize, u64)>,
    reasons: Vec<NotScanned>,
}

/// A directory, and how far it was read.
#[derive(Debug)]
struct Directory<'a> {
    extent: &'a [u8],
    offset: usize,
    cursor: usize,
    block: usize,
    is_joliet: bool,
    path: Vec<u8>,
    depth: usize,
}

/// A directory record, 9.1.
#[derive(Debug)]
struct Record<'a> {
    name: &'a [u8],
    system_use: &'a [u8],
    start: usize,
    size: u64,
    flags: u8,
    interleave: u8,
}

impl<'a> Iso9660<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, trees: None, seen: BTreeSet::new(), reasons: Vec::new() }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if self.trees.is_none() {
            match self.descriptors(budget) {
                Ok(trees) if trees.is_empty() => return Next::End(damaged("no volume", FIRST)),
                Ok(trees) => self.trees = Some(trees),
                Err(stop) => return Next::End(End::because(stop.at(to_u64(FIRST)))),
            }
        }
        loop {
            if let Err(reason) = budget.work(0) {
                return Next::End(End::because(reason));
            }
            let Some(mut directory) = self.trees.as_mut().and_then(Vec::pop) else {
                let not_scanned = std::mem::take(&mut self.reasons);
                return Next::End(End { not_scanned, oddities: Vec::new() });
            };
            let record = directory.next();
            let at = directory.offset.saturating_add(directory.cursor);
            match record {
                Ok(None) => continue,
                Err(_) => {
                    self.tell("a directory record", at);
                    continue;
                }
                Ok(Some(record)) => {
                    let member = self.take(&record, &directory, at, budget);
                    let below = self.below(&record, &directory);
                    self.push(directory);
                    // Directories may share their sectors, so each pays for all of its own.
                    let size = below.as_ref().map_or(0, |below| below.extent.len());
                    if let Err(reason) = budget.work(size) {
                        return Next::End(End::because(reason));
                    }
                    self.trees.get_or_insert_default().extend(below);
                    if let Some(member) = member {
                        return Next::Member(member);
                    }
                }
            }
        }
    }

    /// The roots of all trees, 8.4 and 8.5.
    fn descriptors(&mut self, budget: &Budget<'_>) -> Result<Vec<Directory<'a>>, Stop> {
        let mut trees = Vec::new();
        for index in 0..MAX_DESCRIPTORS {
            budget.work(0)?;
            let at = FIRST.saturating_add(index.saturating_mul(SECTOR));
            let Some(sector) = self.bytes.get(at..).and_then(|rest| rest.get(..SECTOR)) else {
                self.tell("volume descriptors are cut off", at);
                break;
            };
            if sector.get(1..6) != Some(b"CD001") {
                self.tell("no end of volume descriptors", at);
                break;
            }
            match sector.first() {
                Some(1 | 2) => {
                    let root = self.root(sector, at);
                    budget.work(root.as_ref().map_or(0, |root| root.extent.len()))?;
                    trees.extend(root);
                }
                Some(255) => break,
                _ => {}
            }
        }
        // The last tree is read first: names of Joliet are better.
        Ok(trees)
    }

    fn root(&mut self, descriptor: &[u8], at: usize) -> Option<Directory<'a>> {
        let block = usize::from(u16::from_le_bytes(*descriptor.get(128..)?.first_chunk::<2>()?));
        let block = match block {
            512 | 1024 | SECTOR => block,
            _ => {
                self.tell("logical block size", at.saturating_add(128));
                SECTOR
            }
        };
        let escapes = descriptor.get(88..120)?;
        let joliet = [b"%/@", b"%/C", b"%/E"];
        let is_joliet = descriptor.first() == Some(&2)
            && joliet.iter().any(|escape| escapes.starts_with(*escape));
        let mut reader = Reader::new(descriptor.get(156..190)?);
        let record = record(&mut reader, block).ok()??;
        let (extent, is_whole) = self.extent(&record);
        if !is_whole {
            self.tell("a directory is cut off", at);
        }
        let offset = record.start;
        Some(Directory { extent, offset, cursor: 0, block, is_joliet, path: Vec::new(), depth: 0 })
    }

    fn extent(&self, record: &Record<'_>) -> (&'a [u8], bool) {
        let rest = self.bytes.get(record.start..).unwrap_or_default();
        let size = usize::try_from(record.size).unwrap_or(usize::MAX);
        rest.get(..size).map_or((rest, false), |extent| (extent, true))
    }

    /// A member, unless the record is a directory or was given before.
    fn take(
        &mut self,
        record: &Record<'a>,
        directory: &Directory<'a>,
        at: usize,
        budget: &'a Budget<'a>,
    ) -> Option<Member<'a>> {
        if record.flags & DIRECTORY != 0 {
            return None;
        }
        if record.size > 0 && !self.seen.insert((record.start, record.size)) {
            return None;
        }
        let (member, _) =
            crate::archives::member(self.bytes, at, record.start, record.size, budget);
        let mut member = named(directory.join(record), member);
        if record.interleave != 0 {
            let what = "interleaved files of ISO 9660";
            member.not_scanned.push(NotScanned::NotSupported { what });
        }
        if record.flags & MORE_EXTENTS != 0 {
            member
                .not_scanned
                .push(NotScanned::NotSupported { what: "extents that are scattered" });
        }
        if entries(record.system_use).any(|(name, _)| name == *b"ZF") {
            member.not_scanned.push(NotScanned::NotSupported { what: "zisofs" });
        }
        Some(member)
    }

    /// The directory that a record stands for, unless it was walked before.
    fn below(&mut self, record: &Record<'a>, parent: &Directory<'a>) -> Option<Directory<'a>> {
        if record.flags & DIRECTORY == 0 || matches!(record.name, [] | [0 | 1]) {
            return None;
        }
        if !self.seen.insert((record.start, record.size)) {
            return None;
        }
        let at = parent.offset.saturating_add(parent.cursor);
        if parent.depth >= MAX_DEPTH {
            self.tell("directories in directories", at);
            return None;
        }
        let (extent, is_whole) = self.extent(record);
        if !is_whole {
            self.tell("a directory is cut off", at);
        }
        let mut path = parent.join(record);
        path.push(b'/');
        Some(Directory {
            extent,
            offset: record.start,
            cursor: 0,
            block: parent.block,
            is_joliet: parent.is_joliet,
            path,
            depth: parent.depth.saturating_add(1),
        })
    }

    fn push(&mut self, directory: Directory<'a>) {
        self.trees.get_or_insert_default().push(directory);
    }

    fn tell(&mut self, what: &'static str, offset: usize) {
        if self.reasons.len() < crate::streams::MAX_REASONS {
            self.reasons.push(NotScanned::Damaged { what, offset: to_u64(offset) });
        }
    }
}

impl<'a> Format<'a> for Iso9660<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        self.read(budget)
    }
}

impl<'a> Directory<'a> {
    /// The next record; those of one file whose extents follow each other are one.
    fn next(&mut self) -> Result<Option<Record<'a>>, ReadError> {
        let Some(mut first) = self.one()? else { return Ok(None) };
        while first.flags & MORE_EXTENTS != 0 {
            let cursor = self.cursor;
            let Some(next) = self.one()? else { break };
            let end = to_u64(first.start).saturating_add(first.size);
            if next.name != first.name || to_u64(next.start) != end {
                self.cursor = cursor;
                break;
            }
            first.size = first.size.saturating_add(next.size);
            first.flags = next.flags;
        }
        Ok(Some(first))
    }

    fn one(&mut self) -> Result<Option<Record<'a>>, ReadError> {
        loop {
            let rest = self.extent.get(self.cursor..).unwrap_or_default();
            let mut reader = Reader::new(rest);
            match rest.first() {
                None => return Ok(None),
                // No record lies across blocks: what a block has left is zeros.
                Some(0) => {
                    let next = self.cursor.checked_div(self.block).unwrap_or(0).saturating_add(1);
                    self.cursor = next.saturating_mul(self.block);
                }
                Some(_) => {
                    let record = record(&mut reader, self.block);
                    self.cursor = self.extent.len().saturating_sub(reader.left());
                    return record;
                }
            }
        }
    }

    fn join(&self, record: &Record<'_>) -> Vec<u8> {
        let mut path = self.path.clone();
        path.extend(self.name(record));
        path.truncate(MAX_PATH);
        path
    }

    fn name(&self, record: &Record<'_>) -> Vec<u8> {
        if self.is_joliet {
            let units = record.name.chunks_exact(2).filter_map(|unit| unit.first_chunk::<2>());
            let units: Vec<_> = units.map(|unit| u16::from_be_bytes(*unit)).collect();
            return without_version(String::from_utf16_lossy(&units).as_bytes()).to_vec();
        }
        let parts = entries(record.system_use).filter(|(name, _)| name == b"NM");
        let name: Vec<u8> =
            parts.flat_map(|(_, data)| data.get(1..).unwrap_or_default()).copied().collect();
        if name.is_empty() { without_version(record.name).to_vec() } else { name }
    }
}

fn without_version(name: &[u8]) -> &[u8] {
    name.strip_suffix(b";1").unwrap_or(name)
}

/// Entries of the System Use Sharing Protocol: a name of two letters, and the data. Those that are
/// continued elsewhere are not followed: what is there are rights, times and ends of long names.
fn entries(system_use: &[u8]) -> impl Iterator<Item = ([u8; 2], &[u8])> {
    let mut rest = system_use;
    std::iter::from_fn(move || {
        let [n0, n1, length, _] = *rest.first_chunk::<4>()?;
        let (entry, after) = rest.split_at_checked(length.max(4).into())?;
        rest = after;
        Some(([n0, n1], entry.get(4..)?))
    })
}

fn record<'a>(reader: &mut Reader<'a>, block: usize) -> Result<Option<Record<'a>>, ReadError> {
    let length = usize::from(reader.clone().u8("length")?);
    if length < 34 {
        return Err(ReadError::Short { field: "directory record", wanted: 34, left: length });
    }
    let mut record = reader.sub("directory record", length)?;
    record.u8("length")?;
    let attributes = usize::from(record.u8("extended attribute record length")?);
    let block_at = usize::try_from(record.u32_le("location of extent")?).unwrap_or(usize::MAX);
    record.take("the same again", 4)?;
    let size = record.u32_le("data length")?.into();
    record.take("the same again, date", 11)?;
    let flags = record.u8("flags")?;
    let unit = record.u8("file unit size")?;
    let gap = record.u8("interleave gap size")?;
    record.take("volume sequence number", 4)?;
    let name = record.u8("name length")?;
    let name = record.take("name", name.into())?;
    if name.len().is_multiple_of(2) && !record.is_empty() {
        record.u8("padding")?;
    }
    let start = block_at.saturating_add(attributes).saturating_mul(block);
    let system_use = record.rest();
    Ok(Some(Record { name, system_use, start, size, flags, interleave: unit | gap }))
}

const SECTOR: usize = 2048;
/// Where volume descriptors begin.
const FIRST: usize = 16 * SECTOR;
/// Volume descriptors looked at; images have three or four.
const MAX_DESCRIPTORS: usize = 64;
/// Directories in each other: the standard allows eight, Rock Ridge more.
const MAX_DEPTH: usize = 64;
/// Bytes of a path.
const MAX_PATH: usize = 4096;
const DIRECTORY: u8 = 2;
const MORE_EXTENTS: u8 = 0x80;
