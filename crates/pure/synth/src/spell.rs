//! Bytes in which a body stands.

use watchglass_signatures::Body;
use watchglass_signatures::body::{Choice, Class, Edge, Item, Near, Position};
use watchglass_signatures::logical::Case;

use crate::{Dice, Palette};

/// Bytes in which a body stands, from [`spell`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// The bytes, with what must stand before and behind the match.
    pub(crate) bytes: Vec<u8>,
    /// How many of them stand before the match.
    pub(crate) lead: usize,
    /// Where the match of the last part starts.
    pub(crate) last: usize,
}

/// Bytes in which a body stands.
pub(crate) fn spell(body: &Body, case: Case, palette: Palette, dice: &mut Dice) -> Spelling {
    let mut spelling = Spelling::default();
    let bytes = &mut spelling.bytes;
    for (at, part) in body.parts().enumerate() {
        if let Some((gap, _)) = at.checked_sub(1).and_then(|at| body.tail.get(at)) {
            let least = size(gap.min);
            let more = gap.max.map_or(4, |max| size(max).saturating_sub(least).min(4));
            let count = dice.below(more.saturating_add(1)).saturating_add(least);
            bytes.extend(dice.filler(count.min(MAX_GAP), palette));
        }
        bytes.extend(part.before.iter().flat_map(|near| spell_near(*near, true, palette, dice)));
        bytes.extend(part.left.map(|class| spell_class(Edge { class, negated: false })));
        spelling.last = bytes.len();
        if at == 0 {
            spelling.lead = bytes.len();
        }
        spell_items(&part.items, bytes, palette, dice);
        bytes.extend(part.right.map(spell_class));
        bytes.extend(part.after.iter().flat_map(|near| spell_near(*near, false, palette, dice)));
    }
    if case == Case::Folded && palette == Palette::Mixed {
        bytes.iter_mut().filter(|_| dice.one_in(2)).for_each(turn_case);
    }
    spelling
}

/// Longer gaps are not made: what is behind them would be where no signature looks anyway.
const MAX_GAP: usize = 1 << 20;

pub(crate) fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn turn_case(byte: &mut u8) {
    if byte.is_ascii_alphabetic() {
        *byte ^= 0x20;
    }
}

fn spell_near(near: Near, before: bool, palette: Palette, dice: &mut Dice) -> Vec<u8> {
    let byte = match near.position {
        Position::Byte(byte) => byte,
        Position::Any => dice.byte(palette),
        Position::High(half) => half << 4,
        Position::Low(half) => 0x40 | half,
    };
    let more = usize::from(near.max.saturating_sub(near.min));
    let between = dice.below(more.saturating_add(1)).saturating_add(usize::from(near.min));
    let mut bytes = dice.filler(between, palette);
    let place = if before { 0 } else { bytes.len() };
    bytes.insert(place, byte);
    bytes
}

fn spell_class(edge: Edge) -> u8 {
    match (edge.class, edge.negated) {
        (Class::Boundary | Class::NoWord, false) => b' ',
        (Class::Line, false) => b'\n',
        (_, true) => b'q',
    }
}

fn spell_items(items: &[Item], bytes: &mut Vec<u8>, palette: Palette, dice: &mut Dice) {
    for item in items {
        match item {
            Item::Bytes(these) => bytes.extend_from_slice(these),
            Item::Any(count) => bytes.extend(dice.filler(size(*count).min(MAX_GAP), palette)),
            Item::High(half) => bytes.push(half << 4 | dice.byte(palette) & 15),
            Item::Low(half) => bytes.push(dice.byte(palette) & 0xf0 | half),
            Item::Class(edge) => bytes.push(spell_class(*edge)),
            Item::Choice(Choice { negated: false, options }) => {
                if let Some(option) = dice.pick(options) {
                    spell_items(option, bytes, palette, dice);
                }
            }
            Item::Choice(Choice { negated: true, options }) => {
                if let Some([Item::Bytes(one)]) = options.first().map(|option| &option[..]) {
                    bytes.extend(one.iter().map(|_| b'~'));
                }
            }
        }
    }
}
