//! Patterns as trees.

use crate::set::ByteSet;

/// A pattern or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// One byte of a set.
    Set(ByteSet),
    /// One after the other; none: the empty string.
    Sequence(Vec<Node>),
    /// The first that leads to a match.
    Alternatives(Vec<Node>),
    /// Several times.
    Repeat {
        /// What.
        node: Box<Node>,
        /// At least so often.
        min: u32,
        /// At most so often; none: without end.
        max: Option<u32>,
        /// Which count is tried first.
        greed: Greed,
    },
    /// A capturing group, counted from 1.
    Group(u32, Box<Node>),
    /// Never entered again once left.
    Atomic(Box<Node>),
    /// What stands ahead or behind, without being consumed.
    Look {
        /// Whether it is what stands before.
        behind: bool,
        /// Whether it must not stand there.
        negated: bool,
        /// What.
        node: Box<Node>,
    },
    /// What a group captured.
    BackReference {
        /// The group.
        group: u32,
        /// Whether letters match in either case.
        caseless: bool,
    },
    /// A place.
    Assertion(Assertion),
    /// `\K`: the match is said to begin here.
    Keep,
}

/// Which count of a repetition is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greed {
    /// The largest.
    Greedy,
    /// The smallest.
    Lazy,
    /// The largest and no other.
    Possessive,
}

impl Greed {
    /// Of what is not possessive.
    pub(crate) fn of(lazy: bool) -> Self {
        if lazy { Self::Lazy } else { Self::Greedy }
    }
}

/// A place between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// The beginning.
    Start,
    /// The beginning, or behind a line feed that is not last.
    LineStart,
    /// The end.
    End,
    /// The end, or before a line feed that is last.
    EndOrLastLine,
    /// The end, or before a line feed.
    LineEnd,
    /// Between a byte of a word and another.
    WordBoundary,
    /// Not there.
    NotWordBoundary,
    /// Where the search began.
    SearchStart,
}
