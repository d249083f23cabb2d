//! Bodies: what bytes a signature looks for.
//!
//! A [`Body`] is one or more [`Part`]s with [`Gap`]s between them. `Display` writes the one spelling
//! that parses to the same body again; sets may spell it otherwise (`{3}` is `??????`).
//!
//! Source of the definition: `BodySignatureFormat` of ClamAV's manual; limits and refusals from
//! `cli_add_content_match_pattern` and `cli_ac_addsig` of ClamAV 1.4.

mod parse;
mod print;
#[cfg(test)]
mod property;

pub use parse::{BodyError, BodyFault};
pub(crate) use parse::{Choices, Prefilter, Rules};

/// Bytes that a signature looks for: parts in order, with a gap before each part but the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The first part.
    pub head: Part,
    /// The other parts, each with the gap between it and the part before.
    pub tail: Vec<(Gap, Part)>,
}

/// How many bytes may stand between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The fewest, in bytes.
    pub min: u32,
    /// The most, in bytes; `None` is any number, as `*` and `{n-}` say. ClamAV reads a most of 0 so
    /// too. A most below the fewest is taken and never matches.
    pub max: Option<u32>,
}

/// A stretch of positions without gaps. Two plain bytes stand side by side somewhere in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// A position some bytes before the stretch, `aa[n-m]`.
    pub before: Option<Near>,
    /// What the byte before the stretch must be; it is not part of the match.
    pub left: Option<Class>,
    /// The stretch: two positions or more.
    pub items: Vec<Item>,
    /// What the byte behind the stretch must be or not be; it is not part of the match.
    pub right: Option<Edge>,
    /// A position some bytes behind the stretch, `[n-m]aa`.
    pub after: Option<Near>,
}

/// One position near a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// What stands there.
    pub position: Position,
    /// The fewest bytes between it and the stretch.
    pub min: u8,
    /// The most bytes between, at most 32.
    pub max: u8,
}

/// What one position of a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// This byte.
    Byte(u8),
    /// Anything, `??`.
    Any,
    /// A byte with this upper half, `a?`. 0 to 15.
    High(u8),
    /// A byte with this lower half, `?a`. 0 to 15.
    Low(u8),
}

/// Some positions of a part or of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// These bytes. No two such items stand side by side.
    Bytes(Box<[u8]>),
    /// Any bytes, this many. No two such items stand side by side.
    Any(u32),
    /// A byte with this upper half, `a?`. 0 to 15.
    High(u8),
    /// A byte with this lower half, `?a`. 0 to 15.
    Low(u8),
    /// One byte of a class inside of a stretch. It is part of the match, unlike at the ends.
    Class(Edge),
    /// One of several sequences.
    Choice(Choice),
}

/// A class of bytes that a neighbour is of, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The class.
    pub class: Class,
    /// The neighbour is not of it, `!(B)`.
    pub negated: bool,
}

/// A class of bytes, or the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `(B)`: a byte that separates words.
    Boundary,
    /// `(L)`: a carriage return or line feed.
    Line,
    /// `(W)`: neither letter nor digit.
    NoWord,
}

/// One of several sequences, `(aa|bbcc)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As many bytes as one option has, and none of them, `!(aa|bb)`. The options are plain bytes
    /// of one length then.
    pub negated: bool,
    /// The sequences. One may be empty. [`Item::Class`] does not occur; choices do, 15 at most.
    pub options: Vec<Vec<Item>>,
}

impl Gap {
    /// Any number of bytes, `*`.
    pub const ANY: Self = Self { min: 0, max: None };
}

impl Body {
    /// Its parts in order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.head).chain(self.tail.iter().map(|(_, part)| part))
    }

    /// Its bytes, if it is nothing but bytes.
    #[must_use]
    pub fn plain(&self) -> Option<&[u8]> {
        let Part { before: None, left: None, items, right: None, after: None } = &self.head else {
            return None;
        };
        match (&items[..], &self.tail[..]) {
            ([Item::Bytes(bytes)], []) => Some(bytes),
            _ => None,
        }
    }
}
