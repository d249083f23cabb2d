//! Programs for macOS, of 64 bits.

use super::{Frame, Needs, put32, put64, sum};
use crate::sheet::Sheet;
use crate::{Dice, Palette};

const HEADER: usize = 32;
const SEGMENT: usize = 72;
const SECTION: usize = 80;
/// `LC_UNIXTHREAD` for x86-64: head, flavour, count, 21 registers.
const THREAD: usize = 16 + 21 * 8;
/// Which of them is `rip`.
const RIP: usize = 16 + 16 * 8;
/// More are not made.
const MAX_SECTIONS: usize = 64;
const BASE: usize = 0x1_0000_0000;

/// Header, one segment with sections, the first thread, then what is in the sections.
pub(super) fn build(needs: &Needs, dice: &mut Dice) -> Option<Frame> {
    let count = needs.sections.max(needs.room.len()).max(1).saturating_add(dice.below(2));
    if count > MAX_SECTIONS {
        return None;
    }
    let segment = SEGMENT.saturating_add(count.saturating_mul(SECTION));
    let commands = segment.saturating_add(THREAD);
    let start = HEADER.saturating_add(commands).next_multiple_of(16);
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
    let mut sheet = Sheet::default();
    sheet.write(0, b"\xcf\xfa\xed\xfe");
    for (place, number) in
        [(4, 0x0100_0007), (8, 3), (12, 2), (16, 2), (20, commands), (24, 1), (28, 0)]
    {
        put32(&mut sheet, place, number);
    }
    sheet.write(HEADER, &vec![0; segment]);
    put32(&mut sheet, HEADER, 0x19);
    put32(&mut sheet, HEADER + 4, segment);
    sheet.write(HEADER + 8, b"__TEXT");
    for (place, number) in [(24, BASE), (32, at), (40, 0), (48, at)] {
        put64(&mut sheet, HEADER.saturating_add(place), number);
    }
    for (place, number) in [(56, 7), (60, 5), (64, count), (68, 0)] {
        put32(&mut sheet, HEADER.saturating_add(place), number);
    }
    for (number, section) in sections.iter().enumerate() {
        let place = sum(&[HEADER, SEGMENT, number.saturating_mul(SECTION)]);
        sheet.write(place, b"__text");
        sheet.write(place.saturating_add(16), b"__TEXT");
        put64(&mut sheet, place.saturating_add(32), BASE.saturating_add(section.start));
        put64(&mut sheet, place.saturating_add(40), section.len());
        put32(&mut sheet, place.saturating_add(48), section.start);
    }
    let thread = HEADER.saturating_add(segment);
    let entry = start.saturating_add(entry_in_section);
    sheet.write(thread, &[0; THREAD]);
    for (place, number) in [(0, 5), (4, THREAD), (8, 4), (12, 42)] {
        put32(&mut sheet, thread.saturating_add(place), number);
    }
    put64(&mut sheet, thread.saturating_add(RIP), BASE.saturating_add(entry));
    sheet.grow(at, Palette::Mixed, dice);
    Some(Frame { sheet, entry: Some(entry), sections, free: start, ..Frame::default() })
}
