//! OLE2 containers of one stream.

use super::{Frame, Needs, put16, put32};
use crate::sheet::Sheet;
use crate::{Dice, Palette};

/// What every such file starts with.
pub(super) const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const SECTOR: usize = 512;
/// Smaller streams would lie in the small one.
const LEAST: usize = 4096;
const END: usize = 0xffff_fffe;
const FREE: usize = 0xffff_ffff;
const OF_TABLE: usize = 0xffff_fffd;
/// Sectors that one sector of the table tells of.
const MAX_SECTORS: usize = 128;

/// Header, table of sectors, directory, and the stream behind them. More than the table tells of is
/// behind the stream's end.
pub(super) fn build(needs: &Needs, dice: &mut Dice) -> Frame {
    let length = needs.total.saturating_add(64).clamp(LEAST, (MAX_SECTORS - 2) * SECTOR);
    let sectors = length.div_ceil(SECTOR);
    let length = sectors.saturating_mul(SECTOR);
    let mut sheet = Sheet::default();
    sheet.write(0, MAGIC);
    sheet.suggest(8, &[0; SECTOR - 8]);
    for (at, number) in [(24, 0x3e), (26, 3), (28, 0xfffe), (30, 9), (32, 6)] {
        put16(&mut sheet, at, number);
    }
    let header = [(44, 1), (48, 1), (56, LEAST), (60, END), (64, 0), (68, END), (72, 0), (76, 0)];
    for (at, number) in header {
        put32(&mut sheet, at, number);
    }
    for slot in (80..SECTOR).step_by(4) {
        put32(&mut sheet, slot, FREE);
    }
    for sector in 0..MAX_SECTORS {
        let last = sectors.saturating_add(1);
        let next = match sector {
            0 => OF_TABLE,
            1 => END,
            other if other < last => other.saturating_add(1),
            other if other == last => END,
            _ => FREE,
        };
        put32(&mut sheet, SECTOR.saturating_add(sector.saturating_mul(4)), next);
    }
    entry(&mut sheet, 0, "Root Entry", 5, END, 0);
    entry(&mut sheet, 1, "WordDocument", 2, 2, length);
    entry(&mut sheet, 2, "", 0, 0, 0);
    entry(&mut sheet, 3, "", 0, 0, 0);
    let start = SECTOR * 3;
    sheet.grow(start.saturating_add(length), Palette::Mixed, dice);
    Frame { sheet, free: start, ..Frame::default() }
}

fn entry(sheet: &mut Sheet, number: usize, name: &str, kind: u8, start: usize, length: usize) {
    let at = (SECTOR * 2).saturating_add(number.saturating_mul(128));
    sheet.write(at, &[0; 128]);
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    sheet.write(at, &name);
    let size = if name.is_empty() { 0 } else { name.len().saturating_add(2) };
    put16(sheet, at.saturating_add(64), size);
    sheet.write(at.saturating_add(66), &[kind, 1]);
    let child = if number == 0 { 1 } else { FREE };
    for (place, number) in [(68, FREE), (72, FREE), (76, child), (116, start), (120, length)] {
        put32(sheet, at.saturating_add(place), number);
    }
}
