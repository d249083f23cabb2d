//! Zip, APPNOTE.TXT 6.3.10.
//!
//! Two lists say what a zip file holds: the central directory at its end, and the local headers
//! before each member. Programs differ in which they believe, so both are walked. A member on which
//! they agree is given once; otherwise each reading is given.

mod cipher;
mod content;
mod headers;

use std::borrow::Cow;
use std::collections::BTreeMap;

use content::Content;
use headers::{DESCRIPTOR, Directory, Header, LOCAL, is_at};

use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place, Reading};
use crate::reason::{NotScanned, Oddity};
use crate::streams::MAX_REASONS;

/// A zip file while its members are given.
#[derive(Debug)]
pub(crate) struct Zip<'a> {
    bytes: &'a [u8],
    /// None before the first member was asked for.
    directory: Option<Directory<'a>>,
    /// Central headers by the place of their local header, those that no local header answered yet.
    waiting: BTreeMap<usize, Vec<Header<'a>>>,
    /// Where the walk over local headers is.
    cursor: usize,
    /// Readings of a local header that are still to be given, the last first.
    pending: Vec<Pending<'a>>,
    /// Where the data of members begin and end.
    ranges: BTreeMap<usize, usize>,
    /// Bytes that decoders have read, those of overlapping members each time.
    read: u64,
    end: End,
    /// Tried on what is encrypted.
    passwords: &'a [&'a [u8]],
}

#[derive(Debug)]
struct Pending<'a> {
    header: Header<'a>,
    reading: Reading,
    data: usize,
    oddities: Vec<Oddity>,
    /// Whether the walk goes on after this one.
    leads: bool,
}

impl<'a> Zip<'a> {
    pub(crate) fn new(bytes: &'a [u8], passwords: &'a [&'a [u8]]) -> Self {
        Self {
            bytes,
            directory: None,
            waiting: BTreeMap::new(),
            cursor: 0,
            pending: Vec::new(),
            ranges: BTreeMap::new(),
            read: 0,
            end: End::default(),
            passwords,
        }
    }

    /// Reads the central directory.
    fn start(&mut self, budget: &Budget<'_>) {
        let directory = headers::directory(self.bytes, budget).unwrap_or_else(|reason| {
            let length = self.bytes.len();
            let not_scanned = vec![reason];
            Directory {
                start: length,
                end: length,
                after: length,
                not_scanned,
                ..Directory::default()
            }
        });
        for header in &directory.entries {
            // What is beyond the file is told when its turn comes.
            let place = usize::try_from(header.offset).unwrap_or(usize::MAX);
            self.waiting.entry(place).or_default().push(header.clone());
        }
        if directory.prepended > 0 {
            self.end.oddities.push(Oddity::Prepended { bytes: directory.prepended });
        }
        // Split archives begin with a marker, those of one part as well (8.5.3).
        if is_at(self.bytes, 0, DESCRIPTOR) || is_at(self.bytes, 0, ONE_PART) {
            self.cursor = 4;
        }
        self.directory = Some(directory);
    }

    /// Finds the next local header, and what is to be given of it.
    fn walk(&mut self, budget: &Budget<'_>) -> Result<bool, NotScanned> {
        let stop = self.directory.as_ref().map_or(0, |directory| directory.start);
        let Some((offset, header, data)) = self.next_local(stop, budget)? else {
            self.explain(self.cursor, stop);
            self.cursor = stop.max(self.cursor);
            return Ok(false);
        };
        self.explain(self.cursor, offset);
        self.cursor = data;
        let central = self.waiting.remove(&offset).unwrap_or_default();
        self.pair(&header, central, data);
        Ok(true)
    }

    fn next_local(
        &self,
        stop: usize,
        budget: &Budget<'_>,
    ) -> Result<Option<(usize, Header<'a>, usize)>, NotScanned> {
        let mut from = self.cursor;
        while let Some(gap) = find(self.bytes.get(from..stop).unwrap_or_default(), LOCAL) {
            budget.work(gap)?;
            let offset = from.saturating_add(gap);
            if let Some((header, data)) = headers::local(self.bytes, offset) {
                return Ok(Some((offset, header, data)));
            }
            from = offset.saturating_add(4);
        }
        budget.work(stop.saturating_sub(from))?;
        Ok(None)
    }

    /// Puts the readings of one local header and its central ones to be given.
    fn pair(&mut self, local: &Header<'a>, central: Vec<Header<'a>>, data: usize) {
        if central.is_empty() {
            // Without a directory nothing else is to be expected.
            let any =
                self.directory.as_ref().is_some_and(|directory| !directory.entries.is_empty());
            let place = "local headers";
            let oddities = any.then_some(Oddity::OnlyIn { place }).into_iter().collect();
            let header = local.clone();
            let reading = Reading::Local;
            self.pending.push(Pending { header, reading, data, oddities, leads: true });
            return;
        }
        let mut is_agreed = false;
        for header in central {
            let oddities = differences(local, &header);
            let reading = if oddities.is_empty() { Reading::Agreed } else { Reading::Central };
            is_agreed |= oddities.is_empty();
            let leads = oddities.is_empty();
            self.pending.push(Pending { header, reading, data, oddities, leads });
        }
        if !is_agreed {
            let oddities =
                self.pending.last().map(|last| last.oddities.clone()).unwrap_or_default();
            let (header, reading) = (local.clone(), Reading::Local);
            self.pending.push(Pending { header, reading, data, oddities, leads: true });
        }
    }

    /// A member that only the central directory knows.
    fn orphan(&mut self) -> Option<Member<'a>> {
        let (place, mut headers) = self.waiting.pop_first()?;
        let header = headers.pop()?;
        if !headers.is_empty() {
            self.waiting.insert(place, headers);
        }
        if header.disk != 0 && header.disk != 0xffff {
            let reason = NotScanned::Split { what: "disk of the local header" };
            return Some(refused(header, Reading::Central, reason));
        }
        let Some((_, data)) = headers::local(self.bytes, place) else {
            let (what, offset) = ("no local header where the directory says", header.offset);
            return Some(refused(header, Reading::Central, NotScanned::Damaged { what, offset }));
        };
        let oddities = vec![Oddity::OnlyIn { place: "central directory" }];
        let reading = Reading::Central;
        self.pending.push(Pending { header, reading, data, oddities, leads: false });
        None
    }

    fn give(&mut self, pending: Pending<'a>, budget: &'a Budget<'a>) -> Member<'a> {
        let Pending { mut header, reading, data, mut oddities, leads } = pending;
        if header.method == 0 && header.has_descriptor() && header.packed == 0 {
            let (size, searched) = stored_size(self.bytes.get(data..).unwrap_or_default());
            if let Err(reason) = budget.work(searched) {
                return Member { oddities, ..refused(header, reading, reason) };
            }
            header.packed = size;
        }
        if let Some(reason) = self.refuse_overlap(&header, data, &mut oddities) {
            return Member { oddities, ..refused(header, reading, reason) };
        }
        let mut content = content::read(self.bytes, data, &header, budget, self.passwords);
        self.read = self.read.saturating_add(to_u64(content.used));
        let end = data.saturating_add(content.used);
        self.ranges.insert(data, end);
        let mut found = Found { crc32: header.crc32, unpacked: header.unpacked, after: end };
        if header.has_descriptor() {
            found = self.descriptor(&header, &content, end);
        }
        check(&mut content, &found);
        if leads {
            // A member whose end is unknown is left by what is declared, so that nothing is skipped.
            self.cursor = self.cursor.max(found.after);
        }
        oddities.append(&mut content.oddities);
        Member {
            content: content.bytes,
            not_scanned: content.not_scanned,
            oddities,
            ..described(&header, reading)
        }
    }

    /// Whether the member shares its bytes with others. Once more than twice the file was read, for
    /// two readings of everything, there is no honest reason left.
    fn refuse_overlap(
        &self,
        header: &Header<'_>,
        data: usize,
        oddities: &mut Vec<Oddity>,
    ) -> Option<NotScanned> {
        let size = usize::try_from(header.packed).unwrap_or(usize::MAX);
        let end = data.saturating_add(size);
        let before = self.ranges.range(..end.max(data.saturating_add(1))).next_back();
        let (&start, _) = before.filter(|(_, other_end)| **other_end > data)?;
        if start == data && header.packed == 0 {
            return None;
        }
        let with = to_u64(start);
        let allowed = to_u64(self.bytes.len()).saturating_mul(2);
        if self.read.saturating_add(header.packed) > allowed {
            return Some(NotScanned::Overlapping { with });
        }
        if start != data {
            oddities.push(Oddity::Overlap { with });
        }
        None
    }

    /// What the data descriptor after the content says (4.3.9). Its signature is optional and its
    /// sizes have two widths, so the one that fits what was read is taken.
    fn descriptor(&self, header: &Header<'_>, content: &Content<'_>, end: usize) -> Found {
        let signed = if is_at(self.bytes, end, DESCRIPTOR) { 4_usize } else { 0 };
        let word = |skip: usize| {
            let place = end.saturating_add(signed).saturating_add(skip);
            let bytes = self.bytes.get(place..)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let packed = to_u64(content.used);
        for (width, size_at) in [(4_usize, 8_usize), (8, 12)] {
            let (Some(crc32), Some(low), Some(size)) = (word(0), word(4), word(size_at)) else {
                continue;
            };
            if u64::from(low) == packed & 0xffff_ffff && (width == 4 || word(8) == Some(0)) {
                let length = signed.saturating_add(4).saturating_add(width.saturating_mul(2));
                let after = end.saturating_add(length);
                return Found { crc32, unpacked: size.into(), after };
            }
        }
        Found { crc32: header.crc32, unpacked: header.unpacked, after: end }
    }

    /// Notes bytes that belong to nothing. Alignment by zeros, and what precedes the first member of
    /// an archive that says so, are explained.
    fn explain(&mut self, from: usize, upto: usize) {
        let gap = self.bytes.get(from..upto).unwrap_or_default();
        let prepended = self.directory.as_ref().map_or(0, |directory| directory.prepended);
        let is_stub = from == 0 && to_u64(upto) == prepended;
        let is_known = gap.ends_with(b"APK Sig Block 42") || gap.iter().all(|&byte| byte == 0);
        if !is_stub && !is_known && self.end.not_scanned.len() < MAX_REASONS {
            let (offset, bytes) = (to_u64(from), to_u64(gap.len()));
            self.end.not_scanned.push(NotScanned::Unexplained { offset, bytes });
        }
    }

    fn finish(&mut self) -> End {
        let mut end = std::mem::take(&mut self.end);
        if let Some(directory) = self.directory.take() {
            let after = crate::streams::unexplained(self.bytes, directory.after);
            end.not_scanned.extend(directory.not_scanned);
            end.not_scanned.extend(after);
        }
        end
    }
}

impl<'a> Format<'a> for Zip<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if self.directory.is_none() {
            self.start(budget);
        }
        loop {
            if let Err(reason) = budget.work(0) {
                return Next::End(End::because(reason));
            }
            if let Some(pending) = self.pending.pop() {
                return Next::Member(self.give(pending, budget));
            }
            match self.walk(budget) {
                Ok(true) => {}
                Ok(false) if self.waiting.is_empty() => return Next::End(self.finish()),
                Ok(false) => {
                    if let Some(member) = self.orphan() {
                        return Next::Member(member);
                    }
                }
                Err(reason) => return Next::End(End::because(reason)),
            }
        }
    }
}

/// What is declared for the content, after its descriptor was read.
#[derive(Debug)]
struct Found {
    crc32: u32,
    unpacked: u64,
    /// Where the next header may stand.
    after: usize,
}

fn check(content: &mut Content<'_>, found: &Found) {
    if !content.not_scanned.is_empty() {
        return;
    }
    let (declared, length) = (found.unpacked, to_u64(content.bytes.len()));
    if declared != length {
        content.not_scanned.push(NotScanned::Length {
            field: "uncompressed size",
            declared,
            found: length,
        });
    }
    let crc32 = crc32fast::hash(&content.bytes);
    // Version 2 of WinZip's encryption leaves the checksum out.
    if content.is_authentic && found.crc32 == 0 {
        return;
    }
    if crc32 != found.crc32 {
        let (declared, found) = (found.crc32.into(), crc32.into());
        content.not_scanned.push(NotScanned::Checksum { field: "crc-32", declared, found });
    }
}

/// What the two headers of a member say differently. What a descriptor will say may be zero.
fn differences(local: &Header<'_>, central: &Header<'_>) -> Vec<Oddity> {
    let later = local.has_descriptor();
    let mut found = Vec::new();
    let mut compare = |field, one: u64, other: u64, may_be_zero: bool| {
        if one != other && !(may_be_zero && one == 0) {
            found.push(Oddity::Disagreement { field, one, other });
        }
    };
    compare("method", local.method.into(), central.method.into(), false);
    let flags = 0b1000_0000_0100_1111; // encryption, how to decode, where sizes are
    compare("flags", (local.flags & flags).into(), (central.flags & flags).into(), false);
    compare("crc-32", local.crc32.into(), central.crc32.into(), later);
    compare("compressed size", local.packed, central.packed, later);
    compare("uncompressed size", local.unpacked, central.unpacked, later);
    if local.name != central.name {
        let (one, other) = (to_u64(local.name.len()), to_u64(central.name.len()));
        found.push(Oddity::Disagreement { field: "file name", one, other });
    }
    found
}

fn described<'a>(header: &Header<'a>, reading: Reading) -> Member<'a> {
    Member {
        name: Cow::Borrowed(header.name),
        place: Place { index: 0, offset: header.offset },
        reading,
        declared: Declared {
            packed: Some(header.packed),
            unpacked: Some(header.unpacked),
            crc32: Some(header.crc32),
            encrypted: header.encryption().is_some(),
        },
        ..Member::default()
    }
}

fn refused<'a>(header: Header<'a>, reading: Reading, reason: NotScanned) -> Member<'a> {
    Member { not_scanned: vec![reason], ..described(&header, reading) }
}

/// The size of a stored member that only its descriptor knows: where a descriptor says how far it is
/// from the start. A reader of streams has no other way. Gives how far it looked, too.
fn stored_size(data: &[u8]) -> (u64, usize) {
    let signature = DESCRIPTOR.to_le_bytes();
    let places = memchr::memmem::find_iter(data, &signature);
    let says = |place: usize| data.get(place.saturating_add(8)..)?.first_chunk::<4>();
    let fits = |place: usize| {
        says(place).is_some_and(|size| u64::from(u32::from_le_bytes(*size)) == to_u64(place))
    };
    for (index, place) in places.enumerate() {
        if fits(place) {
            return (to_u64(place), place);
        }
        if index >= MAX_DESCRIPTORS {
            return (0, place);
        }
    }
    (0, data.len())
}

fn find(bytes: &[u8], signature: u32) -> Option<usize> {
    memchr::memmem::find(bytes, &signature.to_le_bytes())
}

/// Signatures of descriptors looked at for one member: content may hold them by chance or of malice.
const MAX_DESCRIPTORS: usize = 1000;
/// At the start of an archive that was to be split and fitted into one part (8.5.4).
const ONE_PART: u32 = 0x3030_4b50;
