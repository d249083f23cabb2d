//! BinHex 4.0, RFC 1741.

use watchglass_bytes::{ReadError, Reader};

use super::blocks::Block;
use super::lines::{Ends, line};
use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// What stands before it; versions differ behind this.
pub(crate) const BANNER: &[u8] = b"(This file must be converted with BinHex";

/// A file of BinHex while its forks are given.
#[derive(Debug)]
pub(crate) struct BinHex<'a> {
    bytes: &'a [u8],
    cursor: usize,
    /// Forks that are still to be given, the last first.
    pending: Vec<Member<'a>>,
}

impl<'a> BinHex<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, pending: Vec::new() }
    }

    /// Files may follow each other; the first needs no banner.
    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        let blocks = if self.cursor == 0 {
            read(self.bytes, 0, budget)
        } else {
            match super::blocks::next(self.bytes, self.cursor, budget) {
                Ok(found) => found.map(|(blocks, _)| blocks),
                Err(reason) => return Next::End(End::because(reason)),
            }
        };
        let Some(blocks) = blocks else {
            let is_first = self.cursor == 0;
            return Next::End(if is_first { damaged("no BinHex", 0) } else { End::default() });
        };
        let end = blocks.iter().map(|block| block.end).max().unwrap_or(self.bytes.len());
        self.cursor = end.max(self.cursor.saturating_add(1));
        self.pending = blocks.into_iter().map(|block| block.into_member(0)).collect();
        self.pending.reverse();
        self.pending.pop().map_or_else(|| Next::End(End::default()), Next::Member)
    }
}

impl<'a> Format<'a> for BinHex<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        self.pending.pop().map_or_else(|| self.read(budget), Next::Member)
    }
}

/// The forks of the file whose first colon comes after `from`; None where there is none.
pub(crate) fn read(text: &[u8], from: usize, budget: &Budget<'_>) -> Option<Vec<Block>> {
    let start = first_colon(text, from)?;
    let mut out = Output::unpaid(budget);
    let (end, result) = decode(text, start, &mut out);
    let bytes = out.finish();
    let mut blocks = Vec::new();
    let reason = result.err().map(|stop| stop.at(to_u64(end)));
    let cut = |_: ReadError| Stop::Damaged("BinHex ends too early").at(to_u64(end));
    let fault = match forks(&bytes, budget, &mut blocks) {
        Ok(()) => reason,
        Err(error) => Some(reason.unwrap_or_else(|| cut(error))),
    };
    if blocks.is_empty() {
        blocks.push(Block::default());
    }
    for block in &mut blocks {
        (block.start, block.end) = (start, end);
    }
    if let Some(last) = blocks.last_mut() {
        last.not_scanned.extend(fault);
    }
    Some(blocks)
}

fn first_colon(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..MAX_LINES_BEFORE {
        let line = line(text, at, Ends::Either)?;
        let row = line.text(text);
        let blanks = row.len().saturating_sub(row.trim_ascii_start().len());
        if row.trim_ascii_start().starts_with(b":") {
            return Some(line.start.saturating_add(blanks));
        }
        at = line.next;
    }
    None
}

/// Digits between two colons, with runs folded out.
fn decode(text: &[u8], start: usize, out: &mut Output<'_>) -> (usize, Result<(), Stop>) {
    let from = start.saturating_add(1);
    let rest = text.get(from..).unwrap_or_default();
    let mut runs = Runs::default();
    let (mut bits, mut count, mut foreign) = (0_u32, 0_u8, false);
    for (&byte, place) in rest.iter().zip(from..) {
        if place.is_multiple_of(4096)
            && let Err(stop) = out.read(4096)
        {
            return (place, Err(stop));
        }
        if byte == b':' {
            let end = place.saturating_add(1);
            let damage = Err(Stop::Damaged("a byte that BinHex does not have"));
            return (end, if foreign { damage } else { Ok(()) });
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        let Some(value) = DIGITS.iter().position(|digit| *digit == byte) else {
            foreign = true;
            continue;
        };
        let value = u32::try_from(value).unwrap_or_default();
        bits = bits.wrapping_shl(6) | value;
        count = count.saturating_add(6);
        if count >= 8 {
            count = count.saturating_sub(8);
            let [.., made] = bits.wrapping_shr(count.into()).to_be_bytes();
            if let Err(stop) = runs.push(made, out) {
                return (place, Err(stop));
            }
        }
    }
    (text.len(), Err(Stop::Damaged("BinHex without its last colon")))
}

/// 0x90 and a count repeat the byte before.
#[derive(Debug, Default)]
struct Runs {
    is_marked: bool,
    last: u8,
}

impl Runs {
    fn push(&mut self, byte: u8, out: &mut Output<'_>) -> Result<(), Stop> {
        match (self.is_marked, byte) {
            (false, 0x90) => self.is_marked = true,
            (true, 0) => {
                (self.is_marked, self.last) = (false, 0x90);
                out.push(0x90)?;
            }
            (true, count) => {
                self.is_marked = false;
                out.repeat(self.last, usize::from(count).saturating_sub(1))?;
            }
            (false, byte) => {
                self.last = byte;
                out.push(byte)?;
            }
        }
        Ok(())
    }
}

/// The header, the data fork and the resource fork, each with its checksum.
fn forks(bytes: &[u8], budget: &Budget<'_>, blocks: &mut Vec<Block>) -> Result<(), ReadError> {
    let mut reader = Reader::new(bytes);
    let length = reader.u8("name length")?;
    let name = reader.take("name", length.into())?.to_vec();
    reader.take("version, type, creator, flags", 11)?;
    let sizes = [reader.u32_be("data length")?, reader.u32_be("resource length")?];
    let header = bytes.get(..bytes.len().saturating_sub(reader.left())).unwrap_or_default();
    let declared = reader.u16_be("header CRC")?;
    let mut header_fault = mismatch("header CRC", declared, header);
    for (size, what) in sizes.into_iter().zip(["data", "resource"]) {
        let rest = reader.clone().rest();
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        let data = rest.get(..wanted).unwrap_or(rest);
        if !data.is_empty() || (size > 0 && what == "data") {
            let (content, reason) = crate::output::stored(data, budget);
            let mut not_scanned: Vec<_> = header_fault.take().into_iter().chain(reason).collect();
            if let Some(crc) = rest.get(wanted..).and_then(|after| after.first_chunk::<2>()) {
                not_scanned.extend(mismatch(what, u16::from_be_bytes(*crc), data));
            }
            let declared = Declared { unpacked: Some(size.into()), ..Declared::default() };
            let (name, content) = (name.clone(), content.into_owned());
            blocks.push(Block { name, content, declared, not_scanned, ..Block::default() });
        }
        reader.take(what, wanted)?;
        reader.u16_be("CRC")?;
    }
    Ok(())
}

fn mismatch(field: &'static str, declared: u16, bytes: &[u8]) -> Option<NotScanned> {
    let found = crc(bytes);
    let (declared, found) = (declared.into(), found.into());
    (declared != found).then_some(NotScanned::Checksum { field, declared, found })
}

/// CRC-16 with the polynomial of CCITT, from zero.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte).wrapping_shl(8), |crc, _| {
            let shifted = crc.wrapping_shl(1);
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

const DIGITS: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
/// Lines between the banner and the first colon.
const MAX_LINES_BEFORE: usize = 100;
