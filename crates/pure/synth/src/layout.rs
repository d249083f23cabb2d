//! Where the pieces of a file stand.

use watchglass_signatures::{Offset, Place, Range};

use crate::frame::{Frame, Needs};
use crate::make::NotMade;
use crate::spell::size;
use crate::{Dice, Palette};

/// Bytes that must stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: Offset,
    /// How many of its bytes stand before what the offset is of.
    pub(crate) lead: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Piece {
    /// Bytes from what the offset is of to the end, and as far as it may be moved.
    fn reach(&self, distance: u32, shift: u32) -> usize {
        size(distance).saturating_add(size(shift).min(MAX_SHIFT)).saturating_add(self.bytes.len())
    }
}

/// A piece is not moved further, even if it may be.
const MAX_SHIFT: usize = 64;
/// A larger file is not made.
pub(crate) const MAX_FILE: usize = 4 << 20;
/// Bytes of the head of a file that a frame is made to fit.
const HEAD: usize = 64;
const E_LFANEW: usize = 60;

/// What a file must have room for, to hold these.
pub(crate) fn needs(pieces: &[Piece], sections: usize, least_entry: usize) -> Needs {
    let mut needs = Needs { sections, least_entry, ..Needs::default() };
    for piece in pieces {
        needs.total = needs.total.saturating_add(piece.bytes.len()).saturating_add(8);
        let Offset::At { place, max_shift } = piece.offset else { continue };
        let reach = |distance| piece.reach(distance, max_shift);
        match place {
            Place::BehindEntry(distance) => {
                needs.before_entry = needs.before_entry.max(piece.lead);
                needs.behind_entry = needs.behind_entry.max(reach(distance));
            }
            Place::BeforeEntry(distance) => {
                let before = size(distance).saturating_add(piece.lead);
                needs.before_entry = needs.before_entry.max(before);
                needs.behind_entry = needs.behind_entry.max(reach(0));
            }
            Place::Section { index, distance } => make_room(&mut needs, index, reach(distance)),
            Place::InSection(index) => make_room(&mut needs, index, reach(0)),
            Place::LastSection(distance) => {
                needs.room_of_last = needs.room_of_last.max(reach(distance));
            }
            Place::VersionInfo => needs.strings.push(piece.bytes.clone()),
            Place::Start(distance) => see_head(&mut needs, size(distance), piece),
            Place::End(_) | Place::Macro(_) => {}
        }
    }
    needs
}

fn make_room(needs: &mut Needs, index: u32, room: usize) {
    let index = size(index).min(MAX_INDEX);
    let least = index.saturating_add(1).max(needs.room.len());
    needs.room.resize(least, 0);
    if let Some(before) = needs.room.get_mut(index) {
        *before = room.max(*before);
    }
}

/// No frame has a section of this number.
const MAX_INDEX: usize = 1 << 10;

/// Notes what is wanted at the start of the file.
fn see_head(needs: &mut Needs, at: usize, piece: &Piece) {
    let start = at.saturating_sub(piece.lead);
    if start >= HEAD {
        return;
    }
    if start == 0 {
        needs.head = piece.bytes.iter().take(HEAD).copied().collect();
    }
    let skip = E_LFANEW.checked_sub(start);
    let pointer = skip.and_then(|skip| piece.bytes.get(skip..)?.first_chunk());
    needs.e_lfanew = pointer.map(|bytes| u32::from_le_bytes(*bytes)).or(needs.e_lfanew);
}

/// Writes the pieces into the frame, in a file of a size that is wanted.
pub(crate) fn lay(
    mut frame: Frame,
    pieces: &[Piece],
    wanted: Option<Range>,
    palette: Palette,
    dice: &mut Dice,
) -> Result<Vec<u8>, NotMade> {
    let mut strings = frame.strings.clone().into_iter();
    let mut floating = Vec::new();
    let mut last = Vec::new();
    let mut narrow: Vec<(std::ops::RangeInclusive<usize>, &Piece)> = Vec::new();
    for piece in pieces {
        let Offset::At { place, max_shift } = piece.offset else {
            floating.push(piece);
            continue;
        };
        match place {
            Place::End(before) => last.push((size(before), size(max_shift), piece)),
            Place::Macro(_) => return Err(NotMade::Macro),
            Place::VersionInfo => {
                let at = strings.next().ok_or(NotMade::NoRoom)?;
                narrow.push((at..=at, piece));
            }
            place => {
                let at = resolve(&frame, place).ok_or(NotMade::NoPlace)?;
                let end = match place {
                    Place::InSection(index) => {
                        let section = frame.sections.get(size(index)).ok_or(NotMade::NoPlace)?;
                        section.end.saturating_sub(piece.bytes.len().saturating_sub(piece.lead))
                    }
                    _ => at.saturating_add(size(max_shift).min(MAX_SHIFT)),
                };
                narrow.push((at..=end, piece));
            }
        }
    }
    // Those that cannot be moved first.
    narrow.sort_by_key(|(places, _)| places.end().saturating_sub(*places.start()));
    for (places, piece) in narrow {
        place(&mut frame, places, piece, palette, dice)?;
    }
    for piece in floating {
        float(&mut frame, piece, palette, dice)?;
    }
    finish(frame, &last, wanted, palette, dice)
}

fn resolve(frame: &Frame, place: Place) -> Option<usize> {
    let section = |index: u32| frame.sections.get(size(index)).map(|section| section.start);
    match place {
        Place::Start(distance) => Some(size(distance)),
        Place::BehindEntry(distance) => Some(frame.entry?.saturating_add(size(distance))),
        Place::BeforeEntry(distance) => frame.entry?.checked_sub(size(distance)),
        Place::Section { index, distance } => Some(section(index)?.saturating_add(size(distance))),
        Place::InSection(index) => section(index),
        Place::LastSection(distance) => {
            Some(frame.sections.last()?.start.saturating_add(size(distance)))
        }
        Place::End(_) | Place::VersionInfo | Place::Macro(_) => None,
    }
}

/// Writes a piece at one of some places.
fn place(
    frame: &mut Frame,
    places: std::ops::RangeInclusive<usize>,
    piece: &Piece,
    palette: Palette,
    dice: &mut Dice,
) -> Result<(), NotMade> {
    let (first, last) = (*places.start(), *places.end());
    let span = last.saturating_sub(first).saturating_add(1);
    let some = first.saturating_add(dice.below(span));
    for at in std::iter::once(some).chain(places) {
        let Some(start) = at.checked_sub(piece.lead) else { continue };
        if frame.sheet.takes(start, &piece.bytes) {
            if start > MAX_FILE {
                return Err(NotMade::TooLarge);
            }
            frame.sheet.grow(start, palette, dice);
            frame.sheet.write(start, &piece.bytes);
            return Ok(());
        }
    }
    Err(NotMade::NoRoom)
}

/// Writes a piece behind the one before, where nothing stands.
fn float(
    frame: &mut Frame,
    piece: &Piece,
    palette: Palette,
    dice: &mut Dice,
) -> Result<(), NotMade> {
    let mut at = frame.free.saturating_add(dice.below(6));
    while !frame.sheet.is_free(at, piece.bytes.len()) {
        at = at.saturating_add(1);
    }
    if at > MAX_FILE {
        return Err(NotMade::TooLarge);
    }
    frame.sheet.grow(at, palette, dice);
    frame.sheet.write(at, &piece.bytes);
    frame.free = at.saturating_add(piece.bytes.len());
    Ok(())
}

/// Fills up to the size that is wanted, and writes what counts from the end.
fn finish(
    mut frame: Frame,
    last: &[(usize, usize, &Piece)],
    wanted: Option<Range>,
    palette: Palette,
    dice: &mut Dice,
) -> Result<Vec<u8>, NotMade> {
    let most = wanted.map_or(MAX_FILE, |range| size(range.max));
    let least = wanted.map_or(0, |range| size(range.min)).max(LEAST_FILE);
    let tail = last.iter().map(|(before, _, piece)| before.saturating_add(piece.lead));
    let tail = tail.max().unwrap_or(frame.close.len());
    let behind = frame.sheet.len().max(frame.free);
    let length = behind.saturating_add(dice.below(6)).saturating_add(tail).max(least);
    if length > MAX_FILE {
        return Err(NotMade::TooLarge);
    }
    let length = if length > most { behind.saturating_add(tail) } else { length };
    if length > most {
        return Err(NotMade::TooLarge);
    }
    frame.sheet.grow(length, palette, dice);
    if last.is_empty() {
        let start = length.saturating_sub(frame.close.len());
        let close = frame.close.clone();
        frame.sheet.write(start, &close);
    }
    for (before, shift, piece) in last {
        let at = length.saturating_sub(*before);
        let fits = |at: &usize| {
            let start = at.saturating_sub(piece.lead);
            start.saturating_add(piece.bytes.len()) <= length
                && frame.sheet.takes(start, &piece.bytes)
        };
        let end = at.saturating_add((*shift).min(MAX_SHIFT));
        let at = (at..=end).find(fits).ok_or(NotMade::NoRoom)?;
        frame.sheet.write(at.saturating_sub(piece.lead), &piece.bytes);
    }
    Ok(frame.sheet.into_bytes())
}

/// clamscan does not look at files of five bytes and fewer.
const LEAST_FILE: usize = 6;
