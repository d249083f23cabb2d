//! cpio: the old binary format in both byte orders, odc, newc, and newc with checksums.

use watchglass_bytes::{ReadError, Reader};

use super::{damaged, member, named, number, until_zero};
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::reason::NotScanned;

/// An archive while its members are given.
#[derive(Debug)]
pub(crate) struct Cpio<'a> {
    bytes: &'a [u8],
    cursor: usize,
    /// Where the archive begins, of several that are joined.
    base: usize,
}

/// What one header says.
#[derive(Debug)]
struct Header<'a> {
    name: &'a [u8],
    size: u64,
    /// The sum of the content's bytes, for the format that has one.
    sum: Option<u32>,
    /// Where the content begins, and to what members are aligned.
    start: usize,
    align: usize,
}

impl<'a> Cpio<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, base: 0 }
    }

    /// None: a trailer was passed and another archive follows.
    fn read(&mut self, budget: &Budget<'_>) -> Option<Next<'a>> {
        let offset = self.cursor;
        let header = match header(self.bytes, self.base, offset) {
            Ok(Some(header)) => header,
            Ok(None) if offset == 0 => return Some(Next::End(damaged("no cpio archive", 0))),
            Ok(None) => return Some(Next::End(damaged("cpio header", offset))),
            Err(_) => {
                let what = "the cpio archive has no trailer";
                return Some(Next::End(damaged(what, self.bytes.len())));
            }
        };
        if header.name == TRAILER && header.size == 0 {
            self.cursor = header.start;
            return self.after_trailer().map(Next::End);
        }
        let (mut found, end) = member(self.bytes, offset, header.start, header.size, budget);
        self.cursor = end.saturating_add(padding(end.saturating_sub(self.base), header.align));
        let sum = found.content.iter().fold(0_u32, |sum, &byte| sum.wrapping_add(byte.into()));
        if let Some(declared) = header.sum.filter(|declared| *declared != sum && found.is_whole()) {
            let (field, declared, sum) = ("c_chksum", declared.into(), sum.into());
            found.not_scanned.push(NotScanned::Checksum { field, declared, found: sum });
        }
        Some(Next::Member(named(header.name, found)))
    }

    /// Archives are joined by some (an initramfs), with zeros between; then this is none.
    fn after_trailer(&mut self) -> Option<End> {
        let rest = self.bytes.get(self.cursor..).unwrap_or_default();
        let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
        let next = self.cursor.saturating_add(zeros);
        if next >= self.bytes.len() {
            return Some(End::default());
        }
        if matches!(header(self.bytes, next, next), Ok(Some(_))) {
            (self.cursor, self.base) = (next, next);
            return None;
        }
        let (offset, bytes) = (to_u64(next), to_u64(self.bytes.len().saturating_sub(next)));
        Some(End::because(NotScanned::Unexplained { offset, bytes }))
    }
}

impl<'a> Format<'a> for Cpio<'a> {
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

/// The header at `offset` of an archive that begins at `base`; none where no magic number stands.
fn header(bytes: &[u8], base: usize, offset: usize) -> Result<Option<Header<'_>>, ReadError> {
    let mut reader = Reader::new(bytes.get(offset..).unwrap_or_default());
    let numbers = match reader.array::<2>("magic")? {
        [0xc7, 0x71] => Some(binary(&mut reader, u16::from_le_bytes)?),
        [0x71, 0xc7] => Some(binary(&mut reader, u16::from_be_bytes)?),
        b"07" => match reader.array::<4>("magic")? {
            b"0707" => odc(&mut reader)?,
            b"0701" => newc(&mut reader)?.map(|numbers| Numbers { sum: None, ..numbers }),
            b"0702" => newc(&mut reader)?,
            _ => None,
        },
        _ => None,
    };
    let Some(Numbers { name_size, size, sum, align }) = numbers else { return Ok(None) };
    let name = reader.take("c_name", usize::try_from(name_size).unwrap_or(usize::MAX))?;
    let end = bytes.len().saturating_sub(reader.left());
    let start = end.saturating_add(padding(end.saturating_sub(base), align));
    Ok(Some(Header { name: until_zero(name), size, sum, start, align }))
}

#[derive(Debug)]
struct Numbers {
    name_size: u64,
    size: u64,
    sum: Option<u32>,
    align: usize,
}

/// Twelve words, those of 32 bits with the upper half first.
fn binary(reader: &mut Reader<'_>, word: fn([u8; 2]) -> u16) -> Result<Numbers, ReadError> {
    reader.take("c_dev to c_mtime", 18)?;
    let mut next = |field| reader.array::<2>(field).map(|bytes| u64::from(word(*bytes)));
    let name_size = next("c_namesize")?;
    let (high, low) = (next("c_filesize")?, next("c_filesize")?);
    Ok(Numbers { name_size, size: high.wrapping_shl(16) | low, sum: None, align: 2 })
}

/// Octal digits.
fn odc(reader: &mut Reader<'_>) -> Result<Option<Numbers>, ReadError> {
    reader.take("c_dev to c_mtime", 53)?;
    let name_size = number(reader.take("c_namesize", 6)?, 8);
    let size = number(reader.take("c_filesize", 11)?, 8);
    let (Some(name_size), Some(size)) = (name_size, size) else { return Ok(None) };
    Ok(Some(Numbers { name_size, size, sum: None, align: 1 }))
}

/// Hexadecimal digits.
fn newc(reader: &mut Reader<'_>) -> Result<Option<Numbers>, ReadError> {
    reader.take("c_ino to c_mtime", 48)?;
    let size = number(reader.take("c_filesize", 8)?, 16);
    reader.take("c_devmajor to c_rdevminor", 32)?;
    let name_size = number(reader.take("c_namesize", 8)?, 16);
    let sum = number(reader.take("c_chksum", 8)?, 16);
    let (Some(name_size), Some(size), Some(sum)) = (name_size, size, sum) else { return Ok(None) };
    Ok(Some(Numbers { name_size, size, sum: u32::try_from(sum).ok(), align: 4 }))
}

fn padding(place: usize, align: usize) -> usize {
    place.checked_next_multiple_of(align).unwrap_or(place).saturating_sub(place)
}

const TRAILER: &[u8] = b"TRAILER!!!";
