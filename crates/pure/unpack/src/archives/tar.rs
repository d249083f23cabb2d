//! tar: v7, ustar, pax, and GNU with its long names and sparse files.

use std::borrow::Cow;

use super::{damaged, member, named, number, until_zero};
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Member, Role};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// An archive while its members are given.
#[derive(Debug)]
pub(crate) struct Tar<'a> {
    bytes: &'a [u8],
    cursor: usize,
    /// What headers before said of the next member.
    next: Extra,
}

/// What pax records and GNU's long names say of the member that follows.
#[derive(Debug, Default)]
struct Extra {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    /// GNU.sparse.major 1: the map stands before the content.
    has_map: bool,
    /// GNU.sparse.map of version 0.1, and offset and numbytes of version 0.0.
    map: Vec<(u64, u64)>,
    real_size: Option<u64>,
}

impl<'a> Tar<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, next: Extra::default() }
    }

    /// None: it was a header that describes the next.
    fn read(&mut self, budget: &'a Budget<'a>) -> Option<Next<'a>> {
        let offset = self.cursor;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let Some((header, _)) = rest.split_first_chunk::<BLOCK>() else {
            return Some(Next::End(self.without_end(rest)));
        };
        if header.iter().all(|&byte| byte == 0) {
            return Some(Next::End(self.end(offset)));
        }
        let Some(size) = header.get(124..136).and_then(numeric) else {
            return Some(Next::End(damaged("tar header", offset)));
        };
        let sum_is_right = checksum(header);
        if offset == 0 && !sum_is_right {
            return Some(Next::End(damaged("no tar archive", 0)));
        }
        let kind = header.get(156).copied().unwrap_or(0);
        let size = match kind {
            // Links, devices, directories, FIFOs: what they declare does not follow.
            b'1'..=b'6' => 0,
            _ => self.next.size.unwrap_or(size),
        };
        let start = self.start_of_content(kind, header, offset);
        let (found, end) = member(self.bytes, offset, start, size, budget);
        self.cursor =
            end.checked_next_multiple_of(BLOCK).unwrap_or(end).min(self.bytes.len().max(end));
        let mut found = match kind {
            b'x' | b'X' => {
                self.next.read_pax(&found.content);
                return None;
            }
            b'L' => {
                self.next.name = Some(until_zero(&found.content).to_vec());
                return None;
            }
            // Records for all members, and names of links: nothing to look into, and read as members.
            b'S' => self.expand(found, old_map(self.bytes, header, offset, start), header, budget),
            _ if self.next.has_map => self.expand_mapped(found, budget),
            _ if !self.next.map.is_empty() => {
                let map = std::mem::take(&mut self.next.map);
                let real = self.next.real_size.unwrap_or(0);
                expand(found, &map, 0, real, budget)
            }
            _ => found,
        };
        if !sum_is_right {
            let (what, offset) = ("checksum of a tar header", to_u64(offset));
            found.not_scanned.push(NotScanned::Damaged { what, offset });
        }
        let extra = std::mem::take(&mut self.next);
        let name = extra.name.map_or_else(|| Cow::Owned(own_name(header)), Cow::Owned);
        // What describes no member of its own counts with them.
        if matches!(kind, b'1'..=b'6' | b'A' | b'E' | b'I' | b'N' | b'V' | b'g' | b'K') {
            found.role = Role::NoFile;
        }
        Some(Next::Member(named(name, found)))
    }

    /// Where the content begins: old GNU sparse files continue their map in blocks of their own.
    fn start_of_content(&self, kind: u8, header: &[u8; BLOCK], offset: usize) -> usize {
        let mut start = offset.saturating_add(BLOCK);
        let mut more = kind == b'S' && header.get(482) == Some(&1);
        while more {
            let block = self.bytes.get(start..).and_then(<[u8]>::first_chunk::<BLOCK>);
            let Some(block) = block else { break };
            start = start.saturating_add(BLOCK);
            more = block.get(504) == Some(&1);
        }
        start
    }

    fn expand(
        &self,
        found: Member<'a>,
        map: Vec<(u64, u64)>,
        header: &[u8; BLOCK],
        budget: &'a Budget<'a>,
    ) -> Member<'a> {
        let real = header.get(483..495).and_then(numeric).unwrap_or(0);
        expand(found, &map, 0, real, budget)
    }

    /// Version 1.0 of sparse files in pax: decimal lines before the content, filled to a block.
    fn expand_mapped(&mut self, found: Member<'a>, budget: &'a Budget<'a>) -> Member<'a> {
        let mut lines = found.content.split(|&byte| byte == b'\n');
        let mut length = 0_usize;
        let mut value = || {
            let line = lines.next()?;
            length = length.saturating_add(line.len()).saturating_add(1);
            number(line, 10)
        };
        let count = value().unwrap_or(0).min(MAX_MAP);
        let mut map = Vec::new();
        for _ in 0..count {
            let (Some(offset), Some(size)) = (value(), value()) else { break };
            map.push((offset, size));
        }
        let skip = length.checked_next_multiple_of(BLOCK).unwrap_or(length);
        let real = self.next.real_size.unwrap_or(0);
        expand(found, &map, skip, real, budget)
    }

    /// After the first block of zeros: another one, and more of them up to the size of a record.
    fn end(&self, offset: usize) -> End {
        let reason = crate::streams::unexplained(self.bytes, offset);
        End { not_scanned: reason.into_iter().collect(), oddities: Vec::new() }
    }

    fn without_end(&self, rest: &[u8]) -> End {
        if self.cursor == 0 {
            return damaged("no tar archive", 0);
        }
        // Many writers leave out the two blocks of zeros, and every reader accepts it.
        match crate::streams::unexplained(self.bytes, self.cursor) {
            Some(reason) if !rest.is_empty() => End::because(reason),
            _ => End::default(),
        }
    }
}

impl<'a> Format<'a> for Tar<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        loop {
            if let Err(reason) = budget.work(0) {
                return Next::End(End::because(reason));
            }
            if let Some(next) = self.read(budget) {
                return next;
            }
        }
    }
}

impl Extra {
    /// Records `length key=value\\n` (pax, POSIX.1-2017).
    fn read_pax(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().position(|&byte| byte == b' ') {
            let length = records.get(..space).and_then(|digits| number(digits, 10));
            let length = length.and_then(|length| usize::try_from(length).ok());
            let Some((record, rest)) = length.and_then(|length| records.split_at_checked(length))
            else {
                return;
            };
            let text = record.get(space.saturating_add(1)..).unwrap_or_default();
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            if let Some(place) = text.iter().position(|&byte| byte == b'=') {
                let (key, value) = text.split_at(place);
                self.set(key, value.get(1..).unwrap_or_default());
            }
            if record.is_empty() {
                return;
            }
            records = rest;
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"path" if self.name.is_some() && self.real_size.is_some() => {}
            b"path" | b"GNU.sparse.name" => self.name = Some(value.to_vec()),
            b"size" => self.size = number(value, 10),
            b"GNU.sparse.major" => self.has_map = value == b"1",
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.real_size = number(value, 10),
            b"GNU.sparse.offset" => self.map.push((number(value, 10).unwrap_or(0), 0)),
            b"GNU.sparse.numbytes" => {
                if let Some(last) = self.map.last_mut() {
                    last.1 = number(value, 10).unwrap_or(0);
                }
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|&byte| byte == b',').map(|text| number(text, 10));
                while let (Some(Some(offset)), Some(Some(size))) = (numbers.next(), numbers.next())
                {
                    self.map.push((offset, size));
                }
            }
            _ => {}
        }
    }
}

/// The map of an old GNU sparse file: four pieces in the header, 21 in each block that follows.
fn old_map(bytes: &[u8], header: &[u8; BLOCK], offset: usize, start: usize) -> Vec<(u64, u64)> {
    let more = bytes.get(offset.saturating_add(BLOCK)..start).unwrap_or_default();
    let blocks = more.chunks(BLOCK).filter_map(|block| block.get(..504));
    let fields = header.get(386..482).into_iter().chain(blocks).flat_map(|field| field.chunks(24));
    let piece = |field: &[u8]| Some((numeric(field.get(..12)?)?, numeric(field.get(12..)?)?));
    fields.filter_map(piece).collect()
}

/// Puts zeros between the pieces of a sparse file. A scanner that leaves them out sees another file
/// than everybody else.
fn expand<'a>(
    found: Member<'a>,
    map: &[(u64, u64)],
    skip: usize,
    real_size: u64,
    budget: &'a Budget<'a>,
) -> Member<'a> {
    let mut out = Output::new(budget);
    let mut not_scanned = found.not_scanned.clone();
    if let Err(stop) = fill(found.content.get(skip..).unwrap_or_default(), map, real_size, &mut out)
    {
        not_scanned.push(stop.at(found.place.offset));
    }
    Member { content: Cow::Owned(out.finish()), not_scanned, ..found }
}

fn fill(
    mut data: &[u8],
    map: &[(u64, u64)],
    real_size: u64,
    out: &mut Output<'_>,
) -> Result<(), Stop> {
    let zeros = |upto: u64, out: &mut Output<'_>| {
        let count = upto.saturating_sub(to_u64(out.len()));
        out.repeat(0, usize::try_from(count).unwrap_or(usize::MAX))
    };
    for &(offset, size) in map {
        if offset < to_u64(out.len()) && size > 0 {
            return Err(Stop::Damaged("pieces of a sparse file overlap"));
        }
        zeros(offset, out)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (piece, rest) = data.split_at_checked(size).unwrap_or((data, &[]));
        out.extend(piece)?;
        if piece.len() < size {
            return Err(Stop::Damaged("a sparse file lacks a piece"));
        }
        data = rest;
    }
    zeros(real_size, out)
}

/// The name, with ustar's prefix.
fn own_name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_zero(header.get(..100).unwrap_or_default());
    let is_ustar = header.get(257..263) == Some(b"ustar\0");
    let prefix = header.get(345..500).filter(|_| is_ustar).map_or(&[][..], until_zero);
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// Octal digits, or GNU's binary numbers for what does not fit.
fn numeric(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => {
            let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
            let low = low.first_chunk::<8>()?;
            high.iter().all(|&byte| byte == 0).then(|| u64::from_be_bytes(*low))
        }
        _ => number(field, 8),
    }
}

/// Whether the header's sum is right, as unsigned bytes or, as old writers had it, signed ones.
fn checksum(header: &[u8; BLOCK]) -> bool {
    let declared = header.get(148..156).and_then(|field| number(field, 8));
    let counted = |place: usize, byte: u8| if (148..156).contains(&place) { b' ' } else { byte };
    let bytes = || header.iter().enumerate().map(|(place, &byte)| counted(place, byte));
    let unsigned = bytes().fold(0_u64, |sum, byte| sum.wrapping_add(byte.into()));
    let signed = bytes().fold(0_i64, |sum, byte| sum.wrapping_add(byte.cast_signed().into()));
    declared == Some(unsigned) || declared.map(u64::cast_signed) == Some(signed)
}

const BLOCK: usize = 512;
/// Pieces of one sparse file in a pax map; each costs its digits, so the header's own length bounds
/// them as well.
const MAX_MAP: u64 = 1_000_000;
