//! From a signature to a file.

use thiserror::Error;
use watchglass_signatures::logical::{Case, Macro};
use watchglass_signatures::{
    Body, LogicalSignature, Offset, Place, Range, Signature, Subsignature, Target,
};

use crate::frame::Frame;
use crate::layout::{Piece, lay, needs};
use crate::plan::{Plan, plan};
use crate::spell::{Spelling, size, spell};
use crate::{Dice, Palette, regex, value, wrap};

/// Why there is no file for a signature.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NotMade {
    /// It is not one of bytes.
    #[error("no signature of bytes")]
    Kind,
    /// Nothing here makes files of its kind.
    #[error("no files of its target are made")]
    Target,
    /// Nothing here makes what it must lie in.
    #[error("what it must lie in is not made")]
    Container,
    /// It only says as what a file is looked at again.
    #[error("it says a type and is no finding")]
    Handler,
    /// It asks for an icon.
    #[error("it asks for an icon")]
    Icon,
    /// It asks for a picture.
    #[error("it asks for a picture")]
    Picture,
    /// It asks for body signatures of a group.
    #[error("it asks for a group of other signatures")]
    Macro,
    /// Its regular expression has look-around, back-references or other syntax than is made.
    #[error("its regular expression is not plain")]
    Regex,
    /// No number satisfies its comparison.
    #[error("no number satisfies it")]
    Value,
    /// A file of its kind has no such place.
    #[error("no such place in a file of its kind")]
    NoPlace,
    /// What it asks for does not fit side by side, or into the headers of its kind.
    #[error("its parts do not fit beside each other")]
    NoRoom,
    /// The file would be larger than its size allows, or than is made.
    #[error("the file would be too large")]
    TooLarge,
    /// Nothing of it could be changed in this way.
    #[error("it cannot be missed in this way")]
    NoMiss,
}

/// How a file just does not satisfy a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Miss {
    /// One byte of what it looks for is another.
    Byte,
    /// What must be at a place is one byte behind.
    Place,
    /// Something is there once less.
    Count,
    /// It is in a file of another kind.
    Target,
    /// The file is one byte too large or too small.
    Size,
}

impl Miss {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Byte, Self::Place, Self::Count, Self::Target, Self::Size];
}

/// The body of a group that macros ask for, `$group$`.
#[derive(Clone, Copy, Debug)]
pub struct Group<'g> {
    /// The group, 0 to 31.
    pub number: u8,
    /// One body signature of it.
    pub body: &'g Body,
}

/// A file in which `signature` holds, or just does not; `groups` are what its macros may ask for.
///
/// # Errors
/// [`NotMade`] when there is no such file, or none that is made here.
pub fn make(
    signature: &Signature,
    groups: &[Group<'_>],
    miss: Option<Miss>,
    dice: &mut Dice,
) -> Result<Vec<u8>, NotMade> {
    match signature {
        Signature::Body(body) => {
            let palette = palette(body.target);
            let spelling = spell(&body.body, Case::Exact, palette, dice);
            let piece = Piece::of(body.offset, spelling);
            let wanted = Wanted { pieces: vec![piece], target: body.target, ..Wanted::default() };
            wanted.file(miss, dice)
        }
        Signature::Logical(logical) => {
            let bytes = logical_file(logical, groups, miss, dice)?;
            match logical.description.container {
                None => Ok(bytes),
                Some(kind) => wrap::inside(kind.name(), &bytes).ok_or(NotMade::Container),
            }
        }
        _ => Err(NotMade::Kind),
    }
}

fn palette(target: Target) -> Palette {
    match target {
        Target::Html | Target::Mail | Target::Ascii => Palette::Text,
        _ => Palette::Mixed,
    }
}

/// What a file is to be.
struct Wanted {
    pieces: Vec<Piece>,
    target: Target,
    sections: usize,
    least_entry: usize,
    size: Option<Range>,
}

impl Default for Wanted {
    fn default() -> Self {
        let target = Target::Generic;
        Self { pieces: Vec::new(), target, sections: 0, least_entry: 0, size: None }
    }
}

impl Piece {
    fn of(offset: Offset, Spelling { bytes, lead, .. }: Spelling) -> Self {
        Self { offset, lead, bytes }
    }
}

impl Wanted {
    fn file(mut self, miss: Option<Miss>, dice: &mut Dice) -> Result<Vec<u8>, NotMade> {
        let palette = palette(self.target);
        match miss {
            None => {}
            Some(Miss::Byte) => change_byte(&mut self.pieces, dice).ok_or(NotMade::NoMiss)?,
            Some(Miss::Place) => move_piece(&mut self.pieces, dice).ok_or(NotMade::NoMiss)?,
            Some(Miss::Count) => {
                let at = dice.below(self.pieces.len());
                if self.pieces.is_empty() {
                    return Err(NotMade::NoMiss);
                }
                self.pieces.remove(at);
            }
            Some(Miss::Target) => self.target = another(self.target).ok_or(NotMade::NoMiss)?,
            Some(Miss::Size) => {
                let range = self.size.ok_or(NotMade::NoMiss)?;
                let over = range.max.checked_add(1).ok_or(NotMade::NoMiss)?;
                self.size = Some(Range { min: over, max: over });
            }
        }
        let needs = needs(&self.pieces, self.sections, self.least_entry);
        let frame = Frame::of(self.target, &needs, dice).ok_or(match self.target {
            Target::Unused | Target::Internal | Target::Other => NotMade::Target,
            _ => NotMade::NoRoom,
        })?;
        match lay(frame, &self.pieces, self.size, palette, dice) {
            // What it asks for may be the header itself.
            Err(NotMade::NoRoom) if !self.target.is_program() => {
                lay(Frame::bare(self.target), &self.pieces, self.size, palette, dice)
            }
            laid => laid,
        }
    }
}

fn change_byte(pieces: &mut [Piece], dice: &mut Dice) -> Option<()> {
    let at = dice.below(pieces.len());
    let piece = pieces.get_mut(at)?;
    let place = dice.below(piece.bytes.len());
    let byte = piece.bytes.get_mut(place)?;
    // Another case of a letter is the nearest miss that there is.
    *byte = if byte.is_ascii_alphabetic() { *byte ^ 0x20 } else { byte.wrapping_add(1) };
    Some(())
}

fn move_piece(pieces: &mut [Piece], dice: &mut Dice) -> Option<()> {
    let fixed = |piece: &&mut Piece| {
        let Offset::At { place, .. } = piece.offset else { return false };
        !matches!(place, Place::VersionInfo | Place::InSection(_) | Place::Macro(_))
    };
    let mut fixed: Vec<&mut Piece> = pieces.iter_mut().filter(fixed).collect();
    let at = dice.below(fixed.len());
    let Offset::At { place, max_shift } = &mut fixed.get_mut(at)?.offset else { return None };
    let beyond = max_shift.checked_add(1)?;
    match place {
        Place::Start(distance)
        | Place::BehindEntry(distance)
        | Place::LastSection(distance)
        | Place::Section { distance, .. } => *distance = distance.checked_add(beyond)?,
        Place::BeforeEntry(distance) | Place::End(distance) => {
            *distance = distance.checked_sub(beyond)?;
        }
        Place::InSection(_) | Place::VersionInfo | Place::Macro(_) => return None,
    }
    *max_shift = 0;
    Some(())
}

/// A kind that has places of the same sorts.
fn another(target: Target) -> Option<Target> {
    match target {
        Target::Generic => None,
        Target::Pe => Some(Target::Elf),
        Target::Elf | Target::MachO => Some(Target::Pe),
        Target::Ole2 => Some(Target::Pdf),
        _ => Some(Target::Ole2),
    }
}

fn logical_file(
    logical: &LogicalSignature,
    groups: &[Group<'_>],
    miss: Option<Miss>,
    dice: &mut Dice,
) -> Result<Vec<u8>, NotMade> {
    let description = &logical.description;
    if description.handler_type.is_some() {
        return Err(NotMade::Handler);
    }
    if description.icon_group_1.is_some() || description.icon_group_2.is_some() {
        return Err(NotMade::Icon);
    }
    if !description.intermediates.is_empty() {
        return Err(NotMade::Container);
    }
    let mut plan = plan(&logical.logic, dice);
    add_triggers(logical, &mut plan, dice);
    let pieces = pieces(logical, groups, &plan, dice)?;
    let least = |range: Option<Range>| range.map_or(0, |range| size(range.min));
    let wanted = Wanted {
        pieces,
        target: description.target,
        sections: least(description.number_of_sections),
        least_entry: least(description.entry_point),
        size: description.file_size,
    };
    wanted.file(miss, dice)
}

/// Adds what regular expressions and comparisons of the plan need to be there.
fn add_triggers(logical: &LogicalSignature, wanted: &mut Plan, dice: &mut Dice) {
    // What is needed stands before what needs it.
    for (index, subsignature) in (0..MAX_SUBSIGNATURES).zip(&logical.subsignatures).rev() {
        if !wanted.contains_key(&index) {
            continue;
        }
        match subsignature {
            Subsignature::Regex(regex) => {
                for (index, count) in plan(&regex.trigger, dice) {
                    let before = wanted.entry(index).or_default();
                    *before = count.max(*before);
                }
            }
            Subsignature::ByteCompare(compare) => {
                let before = wanted.entry(compare.subsignature).or_default();
                *before = (*before).max(1);
            }
            Subsignature::Macro(_) => {
                let before = wanted.entry(index.saturating_sub(1)).or_default();
                *before = (*before).max(1);
            }
            _ => {}
        }
    }
}

fn pieces(
    logical: &LogicalSignature,
    groups: &[Group<'_>],
    plan: &Plan,
    dice: &mut Dice,
) -> Result<Vec<Piece>, NotMade> {
    let palette = palette(logical.description.target);
    let (mut pieces, mut total) = (Vec::new(), 0_usize);
    for (index, count) in plan {
        let Some(subsignature) = logical.subsignatures.get(usize::from(*index)) else { continue };
        for _ in 0..*count {
            let piece = match subsignature {
                Subsignature::Content(content) => {
                    let body = dice.pick(&content.bodies).ok_or(NotMade::Kind)?;
                    let mut spelling = spell(body, content.case, palette, dice);
                    add_values(logical, plan, *index, &mut spelling, palette, dice)?;
                    Piece::of(content.offset, spelling)
                }
                Subsignature::Regex(regex) => {
                    let bytes = regex::spell(regex, dice).ok_or(NotMade::Regex)?;
                    Piece { offset: regex.offset, lead: 0, bytes }
                }
                Subsignature::ByteCompare(_) => continue,
                Subsignature::Macro(wanted) => {
                    let group = groups.iter().find(|group| group.number == wanted.group);
                    let body = group.ok_or(NotMade::Macro)?.body;
                    let before: &mut Piece = pieces.last_mut().ok_or(NotMade::Macro)?;
                    add_macro(
                        before,
                        *wanted,
                        spell(body, Case::Exact, palette, dice),
                        palette,
                        dice,
                    );
                    continue;
                }
                Subsignature::FuzzyImage(_) => return Err(NotMade::Picture),
                _ => return Err(NotMade::Kind),
            };
            total = total.saturating_add(piece.bytes.len());
            if total > MAX_PIECES {
                return Err(NotMade::TooLarge);
            }
            pieces.push(piece);
        }
    }
    Ok(pieces)
}

/// Puts a body in the distance that a macro asks for, from the start of the piece before it.
fn add_macro(before: &mut Piece, wanted: Macro, body: Spelling, palette: Palette, dice: &mut Dice) {
    let length = before.bytes.len().saturating_sub(before.lead).saturating_add(body.lead);
    let distance = length.clamp(size(wanted.min), size(wanted.max).max(size(wanted.min)));
    let start = before.lead.saturating_add(distance).saturating_sub(body.lead);
    let missing = start.saturating_sub(before.bytes.len());
    before.bytes.extend(dice.filler(missing, palette));
    before.bytes.extend(body.bytes);
}

/// Bytes of all pieces at most.
const MAX_PIECES: usize = 1 << 20;

/// Writes the numbers that are compared near this one's match.
fn add_values(
    logical: &LogicalSignature,
    plan: &Plan,
    index: u8,
    spelling: &mut Spelling,
    palette: Palette,
    dice: &mut Dice,
) -> Result<(), NotMade> {
    for (other, subsignature) in (0..).zip(&logical.subsignatures) {
        let Subsignature::ByteCompare(compare) = subsignature else { continue };
        if compare.subsignature != index || !plan.contains_key(&other) {
            continue;
        }
        let number = value::spell(compare).ok_or(NotMade::Value)?;
        let distance = usize::try_from(compare.offset.unsigned_abs()).unwrap_or(usize::MAX);
        if distance > MAX_DISTANCE {
            return Err(NotMade::TooLarge);
        }
        if compare.offset < 0 {
            let missing = distance.saturating_sub(spelling.last);
            let mut bytes = dice.filler(missing, palette);
            bytes.append(&mut spelling.bytes);
            spelling.bytes = bytes;
            spelling.lead = spelling.lead.saturating_add(missing);
            spelling.last = spelling.last.saturating_add(missing);
        }
        let start = if compare.offset < 0 {
            spelling.last.saturating_sub(distance)
        } else {
            spelling.last.saturating_add(distance)
        };
        let end = start.saturating_add(number.len());
        let missing = end.saturating_sub(spelling.bytes.len());
        spelling.bytes.extend(dice.filler(missing, palette));
        let places = spelling.bytes.iter_mut().skip(start).zip(number);
        places.for_each(|(here, byte)| *here = byte);
    }
    Ok(())
}

/// A number further away is not made.
const MAX_DISTANCE: usize = 1 << 16;
/// A signature has no more.
const MAX_SUBSIGNATURES: u8 = 64;
