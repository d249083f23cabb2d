//! Where in a file a pattern may begin, in coded form.
//!
//! A byte of its kind: 0 anywhere; else the place, then how far behind it, as a number.
//!
//! | Kind | Place | Numbers |
//! |---|---|---|
//! | 1, 2 | from the start, before the end | distance |
//! | 3, 4 | behind, before the entry point | distance |
//! | 5 | behind the start of a section | section, distance |
//! | 6 | anywhere in a section | section |
//! | 7 | behind the start of the last section | distance |
//! | 8 | at a string of the version information | |

use crate::code::{Cursor, push_number};

/// Where in a file a pattern may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// Anywhere.
    Any,
    /// At a place or behind it.
    At {
        /// The place.
        place: Place,
        /// How many bytes behind it at most.
        max_shift: u32,
    },
}

/// A place in a file. Distances are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So far from the start.
    Start(u32),
    /// So far before the end.
    End(u32),
    /// So far behind the entry point.
    BehindEntry(u32),
    /// So far before the entry point.
    BeforeEntry(u32),
    /// So far behind the start of a section.
    Section {
        /// Which one, from 0.
        index: u32,
        /// How far.
        distance: u32,
    },
    /// Anywhere in a section.
    InSection(u32),
    /// So far behind the start of the last section.
    LastSection(u32),
    /// At a string of the version information.
    VersionInfo,
}

impl Offset {
    pub(crate) fn read(code: &mut Cursor<'_>) -> Option<Self> {
        let kind = code.byte()?;
        if kind == 0 {
            return Some(Self::Any);
        }
        let place = match kind {
            1 => Place::Start(code.number()?),
            2 => Place::End(code.number()?),
            3 => Place::BehindEntry(code.number()?),
            4 => Place::BeforeEntry(code.number()?),
            5 => Place::Section { index: code.number()?, distance: code.number()? },
            6 => Place::InSection(code.number()?),
            7 => Place::LastSection(code.number()?),
            8 => Place::VersionInfo,
            _ => return None,
        };
        Some(Self::At { place, max_shift: code.number()? })
    }

    pub(crate) fn push(self, code: &mut Vec<u8>) {
        let Self::At { place, max_shift } = self else {
            return code.push(0);
        };
        let (kind, numbers) = match place {
            Place::Start(distance) => (1, [Some(distance), None]),
            Place::End(distance) => (2, [Some(distance), None]),
            Place::BehindEntry(distance) => (3, [Some(distance), None]),
            Place::BeforeEntry(distance) => (4, [Some(distance), None]),
            Place::Section { index, distance } => (5, [Some(index), Some(distance)]),
            Place::InSection(index) => (6, [Some(index), None]),
            Place::LastSection(distance) => (7, [Some(distance), None]),
            Place::VersionInfo => (8, [None, None]),
        };
        code.push(kind);
        for number in numbers.into_iter().flatten().chain([max_shift]) {
            push_number(code, number);
        }
    }
}
