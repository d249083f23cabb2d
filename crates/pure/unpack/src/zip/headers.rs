//! The headers of a zip file, APPNOTE.TXT 6.3.10 section 4.3.

use watchglass_bytes::{ReadError, Reader};

use crate::budget::{Budget, to_u64};
use crate::reason::NotScanned;

/// What a local or a central header says of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) name: &'a [u8],
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Where the local header is, from the start of the file.
    pub(super) offset: u64,
    /// The disk that has the local header; 0 is this one.
    pub(super) disk: u32,
    /// Of the last change, in the form of MS-DOS.
    pub(super) time: u16,
    pub(super) aes: Option<AesField>,
}

/// What WinZip adds to a member that it encrypts, field 0x9901.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AesField {
    /// 1 to 3, for keys of 128, 192 and 256 bits.
    pub(super) strength: u8,
    /// How the member is packed.
    pub(super) method: u16,
}

impl Header<'_> {
    /// Whether sizes and checksum follow the content (4.4.4, bit 3).
    pub(super) fn has_descriptor(&self) -> bool {
        self.flags & 1 << 3 != 0
    }

    /// Whether the end of the stream is marked (4.4.4, bit 1, for method 14).
    pub(super) fn has_end_marker(&self) -> bool {
        self.flags & 1 << 1 != 0
    }

    /// How it is encrypted, if it is.
    pub(super) fn encryption(&self) -> Option<&'static str> {
        match (self.flags & 1, self.flags & 1 << 6, self.method) {
            (_, _, 99) => Some("WinZip AES"),
            (0, _, _) => None,
            (_, 0, _) => Some("ZipCrypto"),
            _ => Some("PKWARE strong encryption"),
        }
    }
}

/// The local header at `offset`, and where its data begin (4.3.7). None: none begins there.
pub(super) fn local(bytes: &[u8], offset: usize) -> Option<(Header<'_>, usize)> {
    let mut reader = Reader::new(bytes.get(offset..)?);
    let header = read_local(&mut reader, to_u64(offset)).ok().flatten()?;
    Some((header, bytes.len().saturating_sub(reader.left())))
}

fn read_local<'a>(reader: &mut Reader<'a>, offset: u64) -> Result<Option<Header<'a>>, ReadError> {
    if reader.u32_le("signature")? != LOCAL {
        return Ok(None);
    }
    reader.u16_le("version needed")?;
    let (flags, method) = (reader.u16_le("flags")?, reader.u16_le("method")?);
    let (time, _) = (reader.u16_le("time")?, reader.u16_le("date")?);
    let crc32 = reader.u32_le("crc-32")?;
    let (packed, unpacked) = (reader.u32_le("compressed size")?, reader.u32_le("size")?);
    let (name, extra) = (reader.u16_le("name length")?, reader.u16_le("extra length")?);
    let name = reader.take("name", name.into())?;
    let extra = reader.take("extra field", extra.into())?;
    let (packed, unpacked) = (packed.into(), unpacked.into());
    let base = Header { name, flags, method, crc32, time, ..Header::default() };
    let mut header = Header { packed, unpacked, ..base };
    widen(extra, &mut header);
    header.offset = offset;
    Ok(Some(header))
}

/// The central header that `reader` stands at (4.3.12). None: another signature stands there.
fn read_central<'a>(reader: &mut Reader<'a>) -> Result<Option<Header<'a>>, ReadError> {
    if reader.u32_le("signature")? != CENTRAL {
        return Ok(None);
    }
    reader.u32_le("versions")?;
    let (flags, method) = (reader.u16_le("flags")?, reader.u16_le("method")?);
    let (time, _) = (reader.u16_le("time")?, reader.u16_le("date")?);
    let crc32 = reader.u32_le("crc-32")?;
    let (packed, unpacked) = (reader.u32_le("compressed size")?, reader.u32_le("size")?);
    let (name, extra) = (reader.u16_le("name length")?, reader.u16_le("extra length")?);
    let comment = reader.u16_le("comment length")?;
    let disk = reader.u16_le("disk")?.into();
    reader.take("attributes", 6)?;
    let offset = reader.u32_le("offset of local header")?.into();
    let name = reader.take("name", name.into())?;
    let extra = reader.take("extra field", extra.into())?;
    reader.take("comment", comment.into())?;
    let (packed, unpacked) = (packed.into(), unpacked.into());
    let base = Header { name, flags, method, crc32, time, ..Header::default() };
    let mut header = Header { packed, unpacked, offset, disk, ..base };
    widen(extra, &mut header);
    Ok(Some(header))
}

/// Takes from the zip64 field (4.5.3) what did not fit into 32 bits, and what WinZip's field says.
fn widen(extra: &[u8], header: &mut Header<'_>) {
    let (mut fields, mut is_wide) = (Reader::new(extra), false);
    while let (Ok(id), Ok(size)) = (fields.u16_le("id"), fields.u16_le("size")) {
        let Ok(mut field) = fields.sub("field", size.into()) else { return };
        if id == AES_FIELD {
            header.aes = header.aes.or_else(|| aes_field(&mut field).ok());
            continue;
        }
        if id != ZIP64_FIELD || is_wide {
            continue;
        }
        is_wide = true;
        for value in [&mut header.unpacked, &mut header.packed, &mut header.offset] {
            if *value == u64::from(u32::MAX) {
                let Ok(wide) = field.u64_le("value") else { break };
                *value = wide;
            }
        }
    }
}

fn aes_field(field: &mut Reader<'_>) -> Result<AesField, ReadError> {
    field.u16_le("version")?;
    field.u16_le("vendor")?;
    Ok(AesField { strength: field.u8("strength")?, method: field.u16_le("method")? })
}

/// The central directory, as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Directory<'a> {
    pub(super) entries: Vec<Header<'a>>,
    /// Where it begins and ends, and where the record of its end ends.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) after: usize,
    /// Bytes before the archive, which its offsets do not count.
    pub(super) prepended: u64,
    pub(super) not_scanned: Vec<NotScanned>,
}

/// Finds and reads the central directory.
pub(super) fn directory<'a>(
    bytes: &'a [u8],
    budget: &Budget<'_>,
) -> Result<Directory<'a>, NotScanned> {
    budget.work(bytes.len())?;
    let Some((at, end)) = find_end(bytes) else {
        let (what, offset) = ("no end of central directory", to_u64(bytes.len()));
        return Err(NotScanned::Damaged { what, offset });
    };
    let mut directory = Directory { after: end.after, ..Directory::default() };
    if end.disk != 0 {
        directory.not_scanned.push(NotScanned::Split { what: "end of central directory" });
    }
    // As Info-ZIP does: the directory stands before its end, whatever its offset says; what the
    // offset lacks is what somebody put before the archive.
    let before = usize::try_from(end.size).ok().and_then(|size| at.checked_sub(size));
    let declared = usize::try_from(end.offset).ok();
    let start =
        [before, declared].into_iter().flatten().find(|&start| is_at(bytes, start, CENTRAL));
    let start = start.or(before.filter(|_| end.size == 0));
    let Some(start) = start else {
        let (what, offset) = ("the central directory is not where its end says", end.offset);
        directory.not_scanned.push(NotScanned::Damaged { what, offset });
        (directory.start, directory.end) = (at, at);
        return Ok(directory);
    };
    directory.prepended = to_u64(start).saturating_sub(end.offset);
    directory.start = start;
    directory.end = at;
    read_entries(bytes, &mut directory, end.entries, budget)?;
    Ok(directory)
}

fn read_entries<'a>(
    bytes: &'a [u8],
    directory: &mut Directory<'a>,
    declared: u64,
    budget: &Budget<'_>,
) -> Result<(), NotScanned> {
    let mut reader = Reader::new(bytes.get(directory.start..directory.end).unwrap_or_default());
    while !reader.is_empty() {
        budget.work(0)?;
        let left = reader.left();
        match read_central(&mut reader) {
            Ok(Some(mut header)) => {
                header.offset = header.offset.saturating_add(directory.prepended);
                directory.entries.push(header);
            }
            // A digital signature (4.3.13) may follow the last header.
            Ok(None) | Err(_) => {
                let offset = to_u64(directory.end.saturating_sub(left));
                let what = "central directory";
                directory.not_scanned.push(NotScanned::Damaged { what, offset });
                break;
            }
        }
    }
    let found = to_u64(directory.entries.len());
    if found != declared && !(found > declared && found & 0xffff == declared) {
        let field = "entries in the central directory";
        directory.not_scanned.push(NotScanned::Length { field, declared, found });
    }
    Ok(())
}

/// What the end of the central directory says (4.3.14 to 4.3.16).
#[derive(Debug)]
struct EndRecord {
    disk: u32,
    entries: u64,
    size: u64,
    offset: u64,
    after: usize,
}

/// The last record of an end, and where the directory before it ends.
fn find_end(bytes: &[u8]) -> Option<(usize, EndRecord)> {
    let mut upto = bytes.len();
    loop {
        let place = memchr::memmem::rfind(bytes.get(..upto)?, &END.to_le_bytes())?;
        if let Ok(end) = read_end(bytes, place) {
            return Some(end);
        }
        upto = place.saturating_add(3);
    }
}

fn read_end(bytes: &[u8], place: usize) -> Result<(usize, EndRecord), ReadError> {
    let mut reader = Reader::new(bytes.get(place..).unwrap_or_default());
    reader.u32_le("signature")?;
    let disk = reader.u16_le("disk")?.into();
    reader.u16_le("disk of the directory")?;
    reader.u16_le("entries here")?;
    let entries = reader.u16_le("entries")?.into();
    let (size, offset) = (reader.u32_le("size")?.into(), reader.u32_le("offset")?.into());
    let comment = reader.u16_le("comment length")?;
    // A comment longer than the file is cut, not believed.
    let comment = usize::from(comment).min(reader.left());
    reader.take("comment", comment)?;
    let after = bytes.len().saturating_sub(reader.left());
    let end = EndRecord { disk, entries, size, offset, after };
    Ok(wide_end(bytes, place, &end).unwrap_or((place, end)))
}

/// The zip64 record, by the locator that stands right before `place`.
fn wide_end(bytes: &[u8], place: usize, end: &EndRecord) -> Option<(usize, EndRecord)> {
    let locator_at = place.checked_sub(20)?;
    let mut locator = Reader::new(bytes.get(locator_at..place)?);
    if locator.u32_le("signature").ok()? != LOCATOR {
        return None;
    }
    locator.u32_le("disk").ok()?;
    let declared = usize::try_from(locator.u64_le("offset").ok()?).ok();
    // Its offset, too, does not count what stands before the archive.
    let at = [declared, locator_at.checked_sub(56)];
    let at = at.into_iter().flatten().find(|&at| is_at(bytes, at, WIDE_END))?;
    let mut reader = Reader::new(bytes.get(at..)?);
    reader.take("signature, size, versions", 16).ok()?;
    let disk = reader.u32_le("disk").ok()?;
    reader.u32_le("disk of the directory").ok()?;
    reader.u64_le("entries here").ok()?;
    let entries = reader.u64_le("entries").ok()?;
    let (size, offset) = (reader.u64_le("size").ok()?, reader.u64_le("offset").ok()?);
    Some((at, EndRecord { disk, entries, size, offset, after: end.after }))
}

/// Whether `signature` stands at `place`.
pub(super) fn is_at(bytes: &[u8], place: usize, signature: u32) -> bool {
    bytes.get(place..).is_some_and(|rest| rest.starts_with(&signature.to_le_bytes()))
}

pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
/// Of a data descriptor (4.3.9), and at the start of a split archive.
pub(super) const DESCRIPTOR: u32 = 0x0807_4b50;
const END: u32 = 0x0605_4b50;
const WIDE_END: u32 = 0x0606_4b50;
const LOCATOR: u32 = 0x0706_4b50;
const ZIP64_FIELD: u16 = 1;
const AES_FIELD: u16 = 0x9901;
