//! LHA and LZH archives, headers of levels 0 to 3.

use std::borrow::Cow;

use watchglass_bytes::{ReadError, Reader};

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::decode::{lh1, lzh};
use crate::member::{Declared, Member, Place};
use crate::output::{Output, Stop, stored};
use crate::reason::NotScanned;

/// An archive while its members are given.
#[derive(Debug)]
pub(crate) struct Lha<'a> {
    bytes: &'a [u8],
    cursor: usize,
}

/// A header, and where its data begin.
#[derive(Debug, Default)]
struct Header<'a> {
    name: Vec<u8>,
    directory: Vec<u8>,
    method: [u8; 5],
    data: &'a [u8],
    packed: u64,
    unpacked: u64,
    crc16: Option<u16>,
    after: usize,
}

impl<'a> Lha<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0 }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        let offset = self.cursor;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        match rest.first() {
            // A zero ends the archive; some writers leave it out.
            None => {
                return Next::End(if offset == 0 {
                    damaged("no archive", 0)
                } else {
                    End::default()
                });
            }
            Some(0) if offset > 0 => {
                let not_scanned = crate::streams::unexplained(self.bytes, offset);
                return Next::End(End {
                    not_scanned: not_scanned.into_iter().collect(),
                    ..End::default()
                });
            }
            Some(_) => {}
        }
        let header = match read_header(self.bytes, offset) {
            Ok(header) => header,
            Err(stop) => return Next::End(End::because(stop.at(to_u64(offset)))),
        };
        self.cursor = header.after;
        let size = header.after.saturating_sub(offset).saturating_sub(header.data.len());
        if let Err(reason) = budget.work(size) {
            return Next::End(End::because(reason));
        }
        Next::Member(give(header, offset, self.bytes.len(), budget))
    }
}

impl<'a> Format<'a> for Lha<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0) {
            Ok(()) => self.read(budget),
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

fn give<'a>(
    header: Header<'a>,
    offset: usize,
    length: usize,
    budget: &'a Budget<'a>,
) -> Member<'a> {
    let (packed, unpacked) = (Some(header.packed), Some(header.unpacked));
    let name = [&header.directory[..], &header.name[..]].concat();
    let mut member = Member {
        name: Cow::Owned(name),
        place: Place { index: 0, offset: to_u64(offset) },
        declared: Declared { packed, unpacked, ..Declared::default() },
        ..Member::default()
    };
    let mut out = Output::new(budget);
    let result = match &header.method {
        b"-lhd-" => return member,
        b"-lh0-" | b"-lz4-" | b"-pm0-" => {
            let (content, reason) = stored(header.data, budget);
            member.content = content;
            reason.map_or(Ok(()), |reason| Err(Stop::Reason(reason)))
        }
        b"-lh1-" => lh1::lh1(header.data, header.unpacked, &mut out),
        b"-lh4-" | b"-lh5-" => lzh::lh5(header.data, header.unpacked, 14, &mut out),
        b"-lh6-" => lzh::lh5(header.data, header.unpacked, 16, &mut out),
        b"-lh7-" => lzh::lh5(header.data, header.unpacked, 17, &mut out),
        b"-lhx-" => lzh::lh5(header.data, header.unpacked, 21, &mut out),
        b"-lzs-" => lzh::lzs(header.data, header.unpacked, &mut out),
        b"-lz5-" => lzh::lz5(header.data, header.unpacked, &mut out),
        method => Err(Stop::Reason(unknown(*method))),
    };
    if out.len() > 0 {
        member.content = Cow::Owned(out.finish());
    }
    if to_u64(header.data.len()) < header.packed {
        let (what, offset) = ("the member is cut off", to_u64(length));
        member.not_scanned.push(NotScanned::Damaged { what, offset });
    }
    match result {
        Err(stop) => member.not_scanned.push(stop.at(to_u64(offset))),
        Ok(()) => check(&header, &mut member),
    }
    member
}

fn check(header: &Header<'_>, member: &mut Member<'_>) {
    let found = crc16(&member.content);
    if let Some(declared) = header.crc16.filter(|declared| *declared != found) {
        let (declared, found) = (declared.into(), found.into());
        member.not_scanned.push(NotScanned::Checksum { field: "CRC-16", declared, found });
    }
}

fn unknown(method: [u8; 5]) -> NotScanned {
    let what = match &method {
        b"-lh2-" => "lh2",
        b"-lh3-" => "lh3",
        b"-pm1-" => "pm1",
        b"-pm2-" => "pm2",
        _ => {
            let number = method.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
            return NotScanned::UnknownMethod { format: "LHA", number };
        }
    };
    NotScanned::NotSupported { what }
}

fn read_header(bytes: &[u8], offset: usize) -> Result<Header<'_>, Stop> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let method = rest.get(2..).and_then(|rest| rest.first_chunk::<5>());
    let method = *method.ok_or(Stop::Damaged("a header is cut off"))?;
    if !matches!(method, [b'-', b'l' | b'p', _, _, b'-']) {
        return Err(Stop::Damaged("no header of LHA"));
    }
    let mut header = Header { method, ..Header::default() };
    let start = match rest.get(20) {
        Some(0) => level0(rest, &mut header)?,
        Some(1) => level1(rest, &mut header)?,
        Some(2) => level2(rest, &mut header)?,
        Some(3) => level3(rest, &mut header)?,
        _ => return Err(Stop::Damaged("level of a header")),
    };
    let data = rest.get(start..).unwrap_or_default();
    let size = usize::try_from(header.packed).unwrap_or(usize::MAX);
    header.data = data.get(..size).unwrap_or(data);
    header.after = offset.saturating_add(start).saturating_add(header.data.len());
    Ok(header)
}

/// Sizes, and where the fields after the level begin.
fn sizes(reader: &mut Reader<'_>, header: &mut Header<'_>) -> Result<(), ReadError> {
    header.packed = reader.u32_le("compressed size")?.into();
    header.unpacked = reader.u32_le("original size")?.into();
    reader.take("time, attribute, level", 6)?;
    Ok(())
}

fn level0(rest: &[u8], header: &mut Header<'_>) -> Result<usize, Stop> {
    let size = usize::from(rest.first().copied().unwrap_or(0)).saturating_add(2);
    let mut reader = Reader::new(rest.get(..size).ok_or(Stop::Damaged("a header is cut off"))?);
    reader.take("size, sum, method", 7)?;
    sizes(&mut reader, header)?;
    let length = reader.u8("name length")?;
    header.name = reader.take("name", length.into())?.to_vec();
    header.crc16 = reader.u16_le("CRC-16").ok();
    Ok(size)
}

fn level1(rest: &[u8], header: &mut Header<'_>) -> Result<usize, Stop> {
    let size = usize::from(rest.first().copied().unwrap_or(0)).saturating_add(2);
    let mut reader = Reader::new(rest.get(..size).ok_or(Stop::Damaged("a header is cut off"))?);
    reader.take("size, sum, method", 7)?;
    sizes(&mut reader, header)?;
    let length = reader.u8("name length")?;
    header.name = reader.take("name", length.into())?.to_vec();
    header.crc16 = Some(reader.u16_le("CRC-16")?);
    // The size of the first extended header is the last field; extended headers count as data.
    let next = rest.get(size.saturating_sub(2)..).and_then(|rest| rest.first_chunk::<2>());
    let next = next.map_or(0, |size| usize::from(u16::from_le_bytes(*size)));
    let extended = rest.get(size..).unwrap_or_default();
    let length = extensions(extended, next, 2, header)?;
    header.packed = header.packed.saturating_sub(to_u64(length));
    Ok(size.saturating_add(length))
}

fn level2(rest: &[u8], header: &mut Header<'_>) -> Result<usize, Stop> {
    let size = usize::from(Reader::new(rest).u16_le("size")?);
    let mut reader = whole(rest, size)?;
    reader.take("size, method", 7)?;
    sizes(&mut reader, header)?;
    header.crc16 = Some(reader.u16_le("CRC-16")?);
    reader.u8("system")?;
    let next = usize::from(reader.u16_le("next header")?);
    extensions(reader.rest(), next, 2, header)?;
    Ok(size)
}

fn level3(rest: &[u8], header: &mut Header<'_>) -> Result<usize, Stop> {
    let size = rest.get(24..).and_then(|rest| rest.first_chunk::<4>());
    let size = u32::from_le_bytes(*size.ok_or(Stop::Damaged("a header is cut off"))?);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut reader = whole(rest, size)?;
    reader.take("word size, method", 7)?;
    sizes(&mut reader, header)?;
    header.crc16 = Some(reader.u16_le("CRC-16")?);
    reader.u8("system")?;
    reader.u32_le("size")?;
    let next = usize::try_from(reader.u32_le("next header")?).unwrap_or(usize::MAX);
    extensions(reader.rest(), next, 4, header)?;
    Ok(size)
}

/// A header that declares its size with all that extends it. What lies behind is the next one's, or
/// many small headers would each read the same long chain.
fn whole(rest: &[u8], size: usize) -> Result<Reader<'_>, Stop> {
    Ok(Reader::new(rest.get(..size).ok_or(Stop::Damaged("a header is cut off"))?))
}

/// Reads extended headers, each of which ends with the size of the next; gives their length.
fn extensions(
    bytes: &[u8],
    first: usize,
    width: usize,
    header: &mut Header<'_>,
) -> Result<usize, Stop> {
    let mut reader = Reader::new(bytes);
    let mut size = first;
    // Each takes bytes, so there are no more than bytes.
    while size > 0 {
        let field = size.checked_sub(width).and_then(|size| size.checked_sub(1));
        let field = field.ok_or(Stop::Damaged("size of an extended header"))?;
        let kind = reader.u8("kind")?;
        let data = reader.take("extended header", field)?;
        match kind {
            1 => header.name = data.to_vec(),
            // Separators are 0xff.
            2 => {
                let parts = data.iter().map(|&byte| if byte == 0xff { b'/' } else { byte });
                header.directory = parts.collect();
            }
            0x42 => {
                let mut sizes = Reader::new(data);
                (header.packed, header.unpacked) = (sizes.u64_le("packed")?, sizes.u64_le("size")?);
            }
            _ => {}
        }
        let next = reader.take("next header", width)?;
        size = next.iter().rev().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
    }
    Ok(bytes.len().saturating_sub(reader.left()))
}

/// CRC-16 of IBM, least significant bit first.
fn crc16(bytes: &[u8]) -> u16 {
    let table: [u16; 256] = std::array::from_fn(|index| {
        (0..8).fold(u16::try_from(index).unwrap_or(0), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 }
        })
    });
    bytes.iter().fold(0, |sum: u16, byte| {
        let [low, _] = sum.to_le_bytes();
        sum >> 8 ^ table.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    })
}
