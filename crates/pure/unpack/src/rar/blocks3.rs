//! Blocks of RAR 1.5 to 4, technote.txt of RAR 3 and 4.

use std::borrow::Cow;

use watchglass_bytes::Reader;

use super::{Block, File, Kind, Method, data};
use crate::output::Stop;

/// Reads the block at `offset`.
pub(super) fn read(bytes: &[u8], offset: usize) -> Result<Block<'_>, Stop> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let mut reader = Reader::new(rest);
    let declared = reader.u16_le("HEAD_CRC")?;
    let kind = reader.u8("HEAD_TYPE")?;
    let flags = reader.u16_le("HEAD_FLAGS")?;
    let size = usize::from(reader.u16_le("HEAD_SIZE")?);
    if size < 7 {
        return Err(Stop::Damaged("HEAD_SIZE"));
    }
    let header = rest.get(..size).ok_or(Stop::Damaged("a header is cut off"))?;
    let [c0, c1, ..] = crc32fast::hash(header.get(2..).unwrap_or_default()).to_le_bytes();
    // Comments inside of old headers are left out of the sum; those of authenticity have none.
    let is_damaged = u16::from_le_bytes([c0, c1]) != declared
        && matches!(kind, FILE | SERVICE | END)
        && flags & 8 == 0;
    let mut fields = Reader::new(header.get(7..).unwrap_or_default());
    let start = offset.saturating_add(size);
    let (kind, after) = match kind {
        MAIN if flags & 0x80 != 0 => (Kind::Encrypted, start),
        MAIN => (Kind::Skipped, start),
        FILE | SERVICE => {
            let file = file(&mut fields, flags)?;
            let (data, after) = data(bytes, start, file.packed);
            let is_content = kind == FILE || matches!(&*file.name, b"CMT" | b"STM");
            let member = || Kind::Member(Box::new(File { data, ..file }));
            (if is_content { member() } else { Kind::Skipped }, after)
        }
        END => (Kind::End(flags & 1 != 0), start),
        _ => {
            let more = if flags & LONG != 0 { fields.u32_le("ADD_SIZE")? } else { 0 };
            let (_, after) = data(bytes, start, more.into());
            let is_known = matches!(kind, 0x75..=0x79);
            (if is_known { Kind::Skipped } else { Kind::Unknown(more.into()) }, after)
        }
    };
    Ok(Block { kind, after, is_damaged })
}

fn file<'a>(fields: &mut Reader<'a>, flags: u16) -> Result<File<'a>, Stop> {
    let mut packed = u64::from(fields.u32_le("PACK_SIZE")?);
    let mut unpacked = u64::from(fields.u32_le("UNP_SIZE")?);
    fields.u8("HOST_OS")?;
    let crc32 = fields.u32_le("FILE_CRC")?;
    fields.u32_le("FTIME")?;
    let version = fields.u8("UNP_VER")?;
    let method = fields.u8("METHOD")?;
    let length = usize::from(fields.u16_le("NAME_SIZE")?);
    fields.u32_le("ATTR")?;
    if flags & 0x100 != 0 {
        packed |= u64::from(fields.u32_le("HIGH_PACK_SIZE")?).wrapping_shl(32);
        unpacked |= u64::from(fields.u32_le("HIGH_UNP_SIZE")?).wrapping_shl(32);
    }
    let name = fields.take("FILE_NAME", length)?;
    let name = if flags & 0x200 != 0 { unicode(name) } else { Cow::Borrowed(name) };
    // 0x7fffffff twice: the packer read from a pipe.
    let is_known = unpacked != u64::MAX && unpacked != 0x7fff_ffff_ffff_ffff;
    Ok(File {
        name,
        data: &[],
        packed,
        unpacked: is_known.then_some(unpacked),
        crc32: (flags & 2 == 0).then_some(crc32),
        method: match (method, version) {
            (0x30, _) => Method::Stored,
            (_, 15) => Method::V15,
            (_, 20 | 26) => Method::V20,
            (_, 29 | 36) => Method::V29,
            (_, version) => Method::Unknown(version.into()),
        },
        is_solid: flags & 0x10 != 0,
        is_directory: flags & 0xe0 == 0xe0,
        encryption: (flags & 4 != 0).then_some(if version < 29 {
            "RAR 2"
        } else {
            "RAR 3 AES-128"
        }),
        continues: [flags & 1 != 0, flags & 2 != 0],
        dictionary: DICTIONARY,
    })
}

/// A name in a single-byte alphabet, a zero, and what makes UTF-16 of it; or UTF-8 without a zero.
fn unicode(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(length) = field.iter().position(|&byte| byte == 0) else {
        return Cow::Borrowed(field);
    };
    let (name, packed) = field.split_at_checked(length).unwrap_or((field, &[]));
    let units = widen(name, packed.get(1..).unwrap_or_default());
    Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
}

fn widen(name: &[u8], packed: &[u8]) -> Vec<u16> {
    let mut bytes = packed.iter().copied();
    let mut units: Vec<u16> = Vec::new();
    let high = u16::from(bytes.next().unwrap_or(0)).wrapping_shl(8);
    let (mut flags, mut left) = (0_u8, 0_u8);
    let plain = |at: usize| name.get(at).copied();
    // Two bits for each step; a header has at most 64 KiB of name, and a step makes up to 129.
    while units.len() < MAX_NAME {
        if left == 0 {
            let Some(next) = bytes.next() else { break };
            (flags, left) = (next, 4);
        }
        let step = flags >> 6;
        (flags, left) = (flags.wrapping_shl(2), left.wrapping_sub(1));
        let Some(byte) = bytes.next() else { break };
        match step {
            0 => units.push(byte.into()),
            1 => units.push(high | u16::from(byte)),
            2 => units.push(u16::from_le_bytes([byte, bytes.next().unwrap_or(0)])),
            _ => {
                let is_high = byte & 0x80 != 0;
                let correction = if is_high { bytes.next().unwrap_or(0) } else { 0 };
                for _ in 0..(byte & 0x7f).wrapping_add(2) {
                    let Some(plain) = plain(units.len()) else { break };
                    let unit = u16::from(plain.wrapping_add(correction));
                    units.push(if is_high { high | unit } else { unit });
                }
            }
        }
    }
    units
}

const MAIN: u8 = 0x73;
const FILE: u8 = 0x74;
const SERVICE: u8 = 0x7a;
const END: u8 = 0x7b;
/// Data follow the header.
const LONG: u16 = 0x8000;
/// The largest of these versions.
const DICTIONARY: u64 = 4 << 20;
/// Characters of a name; file systems end at 255, paths at 4,096.
const MAX_NAME: usize = 4096;
