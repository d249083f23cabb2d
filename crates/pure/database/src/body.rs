//! Bodies in coded form: what bytes a signature looks for.
//!
//! A body is its parts, each a stretch behind its gap: the fewest bytes, and the most plus one, or 0
//! for any number (before the first part both are 0 and mean nothing). A part is a byte of flags,
//! the neighbours that the flags name, then its items up to the end. An item is a byte of its kind
//! and what the kind needs:
//!
//! | Kind | Item | Behind it |
//! |---|---|---|
//! | 0 | these bytes | a stretch |
//! | 1 | these bytes, ASCII letters in either case | a stretch, its letters small |
//! | 2 | any bytes | a number of them |
//! | 3, 4 | a byte with this upper, lower half | a byte, 0 to 15 |
//! | 5 | a byte of a class | an edge |
//! | 6 | one of several sequences | a stretch: a byte, 1 for none of them; each option a stretch of items |
//!
//! An edge is a byte: 0 a boundary, 1 a line end, 2 no letter and no digit; plus 16 for its opposite.
//! A near position is four bytes: 0 a byte, 1 anything, 2 an upper, 3 a lower half; that byte or
//! half; the fewest and the most bytes between.

use crate::code::{Cursor, push_number, push_stretch};

/// How many bytes may stand between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The fewest.
    pub min: u32,
    /// The most; `None` for any number.
    pub max: Option<u32>,
}

/// A class of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A byte that separates words.
    Boundary,
    /// A line end.
    Line,
    /// Neither letter nor digit.
    NoWord,
}

/// A class of bytes, or all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The class.
    pub class: Class,
    /// All others.
    pub negated: bool,
}

/// What one position must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Position {
    Byte(u8),
    Any,
    High(u8),
    Low(u8),
}

/// A position some bytes before or behind a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// What stands there.
    pub position: Position,
    /// The fewest bytes between it and the part.
    pub min: u8,
    /// The most bytes between.
    pub max: u8,
}

/// What must stand around a part without being of the match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// Some bytes before it.
    pub before: Option<Near>,
    /// The byte before it.
    pub left: Option<Class>,
    /// The byte behind it.
    pub right: Option<Edge>,
    /// Some bytes behind it.
    pub after: Option<Near>,
}

/// One item of a part.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// These bytes with letters in either case, small here.
    Folded(&'a [u8]),
    /// So many bytes.
    Any(u32),
    /// A byte with this upper half.
    High(u8),
    /// A byte with this lower half.
    Low(u8),
    /// A byte of a class.
    Class(Edge),
    /// One of several sequences, or as many bytes as one has and none of them.
    Choice {
        /// None of them.
        negated: bool,
        /// The sequences.
        options: Options<'a>,
    },
}

/// A body where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    code: &'a [u8],
}

/// A part where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What must stand around it.
    pub neighbours: Neighbours,
    /// Its items.
    pub items: Items<'a>,
}

/// Items in order; what is broken ends them.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    code: Cursor<'a>,
}

/// The sequences of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    code: Cursor<'a>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(code: &'a [u8]) -> Self {
        Self { code }
    }

    /// Its parts in order, each with the gap before it; a broken one ends them.
    #[must_use]
    pub fn parts(self) -> Parts<'a> {
        Parts { code: Cursor::new(self.code) }
    }
}

/// Parts in order.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    code: Cursor<'a>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = (Gap, Part<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let min = self.code.number()?;
        let max = self.code.number()?.checked_sub(1);
        Some((Gap { min, max }, Part::of(self.code.stretch()?)?))
    }
}

impl<'a> Part<'a> {
    /// The part whose stretch begins a code.
    pub(crate) fn beginning(code: &'a [u8]) -> Option<Self> {
        Self::of(Cursor::new(code).stretch()?)
    }

    fn of(code: &'a [u8]) -> Option<Self> {
        let mut code = Cursor::new(code);
        let flags = code.byte()?;
        let neighbours = Neighbours {
            before: if flags & BEFORE == 0 { None } else { Some(Near::read(&mut code)?) },
            left: if flags & LEFT == 0 { None } else { Some(Edge::read(&mut code)?.class) },
            right: if flags & RIGHT == 0 { None } else { Some(Edge::read(&mut code)?) },
            after: if flags & AFTER == 0 { None } else { Some(Near::read(&mut code)?) },
        };
        Some(Self { neighbours, items: Items { code } })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let code = &mut self.code;
        Some(match code.byte()? {
            BYTES => Item::Bytes(code.stretch()?),
            FOLDED => Item::Folded(code.stretch()?),
            ANY => Item::Any(code.number()?),
            HIGH => Item::High(code.byte()?),
            LOW => Item::Low(code.byte()?),
            CLASS => Item::Class(Edge::read(code)?),
            CHOICE => {
                let mut options = Cursor::new(code.stretch()?);
                let negated = options.byte()? != 0;
                Item::Choice { negated, options: Options { code: options } }
            }
            _ => return None,
        })
    }
}

impl Items<'_> {
    /// Whether all of them were read: a broken item ends them early.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.code.is_empty()
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Items<'a>;

    fn next(&mut self) -> Option<Items<'a>> {
        Some(Items { code: Cursor::new(self.code.stretch()?) })
    }
}

impl Near {
    fn read(code: &mut Cursor<'_>) -> Option<Self> {
        let (kind, value) = (code.byte()?, code.byte()?);
        let position = match kind {
            0 => Position::Byte(value),
            1 => Position::Any,
            2 => Position::High(value),
            3 => Position::Low(value),
            _ => return None,
        };
        Some(Self { position, min: code.byte()?, max: code.byte()? })
    }

    fn code(self) -> [u8; 4] {
        let (kind, value) = match self.position {
            Position::Byte(value) => (0, value),
            Position::Any => (1, 0),
            Position::High(value) => (2, value),
            Position::Low(value) => (3, value),
        };
        [kind, value, self.min, self.max]
    }
}

impl Edge {
    fn read(code: &mut Cursor<'_>) -> Option<Self> {
        let byte = code.byte()?;
        let class = match byte & !NEGATED {
            0 => Class::Boundary,
            1 => Class::Line,
            2 => Class::NoWord,
            _ => return None,
        };
        Some(Self { class, negated: byte & NEGATED != 0 })
    }

    fn code(self) -> u8 {
        let class = match self.class {
            Class::Boundary => 0,
            Class::Line => 1,
            Class::NoWord => 2,
        };
        if self.negated { class | NEGATED } else { class }
    }
}

/// A body that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BodyCode(pub(crate) Vec<u8>);

/// Items that are being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemsCode(Vec<u8>);

impl BodyCode {
    /// Adds a part. Returns its place in the body, for anchors.
    pub fn push_part(&mut self, gap: Gap, neighbours: &Neighbours, items: &ItemsCode) -> u32 {
        let Neighbours { before, left, right, after } = *neighbours;
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        let flags = flag(before.is_some(), BEFORE)
            | flag(left.is_some(), LEFT)
            | flag(right.is_some(), RIGHT)
            | flag(after.is_some(), AFTER);
        let mut part = vec![flags];
        part.extend(before.into_iter().flat_map(Near::code));
        part.extend(left.map(|class| Edge { class, negated: false }.code()));
        part.extend(right.map(Edge::code));
        part.extend(after.into_iter().flat_map(Near::code));
        part.extend_from_slice(&items.0);
        push_number(&mut self.0, gap.min);
        push_number(&mut self.0, gap.max.map_or(0, |max| max.saturating_add(1)));
        let place = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        push_stretch(&mut self.0, &part);
        place
    }
}

impl ItemsCode {
    /// Adds these bytes.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.0.push(BYTES);
        push_stretch(&mut self.0, bytes);
    }

    /// Adds these bytes, their ASCII letters in either case.
    pub fn push_folded(&mut self, bytes: &[u8]) {
        self.0.push(FOLDED);
        push_stretch(&mut self.0, &bytes.to_ascii_lowercase());
    }

    /// Adds so many bytes of any value.
    pub fn push_any(&mut self, count: u32) {
        self.0.push(ANY);
        push_number(&mut self.0, count);
    }

    /// Adds a byte with this upper half.
    pub fn push_high(&mut self, half: u8) {
        self.0.extend([HIGH, half]);
    }

    /// Adds a byte with this lower half.
    pub fn push_low(&mut self, half: u8) {
        self.0.extend([LOW, half]);
    }

    /// Adds a byte of a class.
    pub fn push_class(&mut self, edge: Edge) {
        self.0.extend([CLASS, edge.code()]);
    }

    /// Adds one of these sequences, or none of them.
    pub fn push_choice(&mut self, negated: bool, options: &[Self]) {
        let mut choice = vec![u8::from(negated)];
        options.iter().for_each(|option| push_stretch(&mut choice, &option.0));
        self.0.push(CHOICE);
        push_stretch(&mut self.0, &choice);
    }
}

const BEFORE: u8 = 1;
const LEFT: u8 = 2;
const RIGHT: u8 = 4;
const AFTER: u8 = 8;
const NEGATED: u8 = 16;
const BYTES: u8 = 0;
const FOLDED: u8 = 1;
const ANY: u8 = 2;
const HIGH: u8 = 3;
const LOW: u8 = 4;
const CLASS: u8 = 5;
const CHOICE: u8 = 6;
