//! Blocks of RAR 5 to 7, "RAR 5.0 archive format" of RARLAB.

use std::borrow::Cow;

use watchglass_bytes::Reader;

use super::{Block, File, Kind, Method, data};
use crate::output::Stop;

/// Reads the block at `offset`.
pub(super) fn read(bytes: &[u8], offset: usize) -> Result<Block<'_>, Stop> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let mut reader = Reader::new(rest);
    let declared = reader.u32_le("Header CRC32")?;
    let counted = reader.clone().rest();
    let size = word(vint(&mut reader)?);
    if size > MAX_HEADER {
        return Err(Stop::Damaged("Header size"));
    }
    let mut header = reader.sub("header", size)?;
    let length = counted.len().saturating_sub(reader.left());
    let found = crc32fast::hash(counted.get(..length).unwrap_or_default());
    let start = offset.saturating_add(4).saturating_add(length);
    let kind = vint(&mut header)?;
    let flags = vint(&mut header)?;
    let extra = if flags & 1 != 0 { word(vint(&mut header)?) } else { 0 };
    let packed = if flags & 2 != 0 { vint(&mut header)? } else { 0 };
    let (data, after) = data(bytes, start, packed);
    let fields = header.left().checked_sub(extra).ok_or(Stop::Damaged("Extra area size"))?;
    let mut fields = header.sub("fields", fields)?;
    let kind = match kind {
        1 => Kind::Skipped,
        2 | 3 => {
            let mut file = File { data, packed, ..File::default() };
            file.continues = [flags & 8 != 0, flags & 0x10 != 0];
            read_file(&mut fields, &mut file)?;
            read_extra(&mut header, &mut file)?;
            let is_content = kind == 2 || matches!(&*file.name, b"CMT" | b"STM");
            if is_content { Kind::Member(Box::new(file)) } else { Kind::Skipped }
        }
        4 => Kind::Encrypted,
        5 => Kind::End(vint(&mut fields)? & 1 != 0),
        _ => Kind::Unknown(packed),
    };
    Ok(Block { kind, after, is_damaged: found != declared })
}

fn read_file<'a>(fields: &mut Reader<'a>, file: &mut File<'a>) -> Result<(), Stop> {
    let flags = vint(fields)?;
    let unpacked = vint(fields)?;
    vint(fields)?;
    if flags & 2 != 0 {
        fields.u32_le("mtime")?;
    }
    if flags & 4 != 0 {
        let crc32 = fields.u32_le("Data CRC32")?;
        // The part of a split member has the part's own.
        let [_, continues] = file.continues;
        file.crc32 = (!continues).then_some(crc32);
    }
    let method = vint(fields)?;
    vint(fields)?;
    let length = word(vint(fields)?);
    file.name = Cow::Borrowed(fields.take("Name", length)?);
    file.is_directory = flags & 1 != 0;
    file.unpacked = (flags & 8 == 0).then_some(unpacked);
    file.is_solid = method & 0x40 != 0;
    let power = u32::try_from(method >> 10 & 0x1f).unwrap_or(0);
    let base = u64::from(1_u32 << 17).wrapping_shl(power);
    file.method = match (method >> 7 & 7, method & 0x3f) {
        (0, _) => Method::Stored,
        (1..6, 0) => Method::V50(64),
        (1..6, 1) => Method::V50(80),
        (_, version) => Method::Unknown(version.wrapping_add(50)),
    };
    let fraction = if method & 0x3f == 1 { method >> 15 & 0x1f } else { 0 };
    file.dictionary = base.saturating_add((base / 32).saturating_mul(fraction));
    Ok(())
}

fn read_extra(records: &mut Reader<'_>, file: &mut File<'_>) -> Result<(), Stop> {
    while !records.is_empty() {
        let size = word(vint(records)?);
        let mut record = records.sub("record", size)?;
        match vint(&mut record)? {
            1 => {
                file.encryption = Some("RAR 5 AES-256");
                file.crc32 = None;
            }
            // A link: its target is no content.
            5 => file.is_directory = true,
            _ => {}
        }
    }
    Ok(())
}

/// Seven bits in each byte, the least first; the eighth says that more follow.
fn vint(reader: &mut Reader<'_>) -> Result<u64, Stop> {
    let mut number = 0_u64;
    for index in 0..10_u32 {
        let byte = reader.u8("vint")?;
        number |= u64::from(byte & 0x7f).wrapping_shl(index.wrapping_mul(7));
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Stop::Damaged("a number of more than ten bytes"))
}

fn word(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes of a header: 2 MiB, by the specification.
const MAX_HEADER: usize = 2 << 20;
