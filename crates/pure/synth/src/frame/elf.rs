//! Programs for Linux, of 64 bits.

use super::{Frame, Needs, put16, put32, put64, sum};
use crate::sheet::Sheet;
use crate::{Dice, Palette};

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const SECTION: usize = 64;
/// More are not made.
const MAX_SECTIONS: usize = 64;
const BASE: usize = 0x40_0000;

/// Header, one segment that holds the file, the table of sections, then these.
pub(super) fn build(needs: &Needs, dice: &mut Dice) -> Option<Frame> {
    let count = needs.sections.max(needs.room.len()).max(2).saturating_add(dice.below(3));
    if count > MAX_SECTIONS {
        return None;
    }
    let table = HEADER + SEGMENT;
    let start = sum(&[table, count.saturating_mul(SECTION)]).next_multiple_of(16);
    let mut sheet = Sheet::default();
    let entry_in_section = needs.before_entry.max(needs.least_entry.saturating_sub(start));
    let mut sections = Vec::new();
    let mut at = start;
    for number in 0..count {
        let mut room = needs.room.get(number).copied().unwrap_or(0);
        if number == 0 {
            room = room.max(sum(&[entry_in_section, needs.behind_entry, 16]));
        }
        if number.saturating_add(1) == count {
            room = room.max(needs.room_of_last).max(needs.total);
        }
        let end = at.saturating_add(room.max(16).next_multiple_of(16));
        sections.push(at..end);
        at = end;
    }
    sheet.write(0, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let entry = start.saturating_add(entry_in_section);
    for (place, number) in [(16, 2), (18, 62), (52, 64), (54, 56), (56, 1), (58, 64)] {
        put16(&mut sheet, place, number);
    }
    put16(&mut sheet, 60, count);
    put16(&mut sheet, 62, 0);
    put32(&mut sheet, 20, 1);
    put32(&mut sheet, 48, 0);
    for (place, number) in [(24, BASE.saturating_add(entry)), (32, HEADER), (40, table)] {
        put64(&mut sheet, place, number);
    }
    put32(&mut sheet, HEADER, 1);
    put32(&mut sheet, HEADER + 4, 5);
    for (place, number) in [(8, 0), (16, BASE), (24, BASE), (32, at), (40, at), (48, 0x1000)] {
        put64(&mut sheet, HEADER.saturating_add(place), number);
    }
    for (number, section) in sections.iter().enumerate() {
        let place = table.saturating_add(number.saturating_mul(SECTION));
        sheet.write(place, &[0; SECTION]);
        put32(&mut sheet, place.saturating_add(4), 1);
        put64(&mut sheet, place.saturating_add(8), 6);
        put64(&mut sheet, place.saturating_add(16), BASE.saturating_add(section.start));
        put64(&mut sheet, place.saturating_add(24), section.start);
        put64(&mut sheet, place.saturating_add(32), section.len());
    }
    sheet.grow(at, Palette::Mixed, dice);
    Some(Frame { sheet, entry: Some(entry), sections, free: start, ..Frame::default() })
}
