//! Expressions.

use std::ops::Range;

use thiserror::Error;

use crate::backtrack::{Backtracker, Subject, spend};
use crate::error::ExpressionError;
use crate::linear::{Aim, GaveUp, Linear};
use crate::measure::{first_bytes, least_length};
use crate::options::Options;
use crate::set::ByteSet;
use crate::{parse, program};

/// An expression, with what it notes down while it searches.
#[derive(Debug)]
pub struct Expression {
    source: Source,
    /// Finds its matches, where an automaton can.
    exact: Option<Linear>,
    /// Finds where a match may begin, where it cannot.
    filter: Option<Linear>,
    /// Made when it is first needed, where there is an automaton.
    backtracker: Option<Backtracker>,
    /// What a match begins with, where that is known and something.
    first: Option<ByteSet>,
}

#[derive(Debug)]
struct Source {
    pattern: Box<[u8]>,
    options: Options,
}

/// A search ended before its end; whether there is a match is not known.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the expression took more steps than it may, or more places to return to")]
pub struct OutOfSteps;

/// Places that a filter may name in vain, and the bytes it must save with each more.
const VAIN: usize = 16;
const SAVED: usize = 64;

impl Expression {
    /// Compiles a pattern of PCRE2.
    ///
    /// # Errors
    /// [`ExpressionError`] for what PCRE2 refuses, what is not supported and what is over a limit.
    ///
    /// Costs about 100 ns a byte of the pattern, and 5 µs a byte at most.
    pub fn compile(pattern: &[u8], options: Options) -> Result<Self, ExpressionError> {
        let (node, groups) = parse::parse(pattern, options)?;
        let source = Source { pattern: pattern.into(), options };
        let exact = Linear::of(&node, Aim::Exact);
        let (filter, backtracker) = match exact {
            Some(_) => (None, None),
            None => {
                let program = program::compile(&node, groups)?;
                (Linear::of(&node, Aim::Superset), Some(Backtracker::new(program)))
            }
        };
        let first = first_bytes(&node).filter(|_| least_length(&node) > 0);
        Ok(Self { source, exact, filter, backtracker, first })
    }

    /// The first match that begins at `from` or behind; look-arounds see all `bytes`.
    ///
    /// Takes a step for about 1 to 10 ns: one for each byte up to the end of the match where
    /// [`Self::is_linear`], else one for each thing tried.
    ///
    /// # Errors
    /// [`OutOfSteps`] when `steps` are used up, which are then none.
    pub fn find(
        &mut self,
        bytes: &[u8],
        from: usize,
        steps: &mut u64,
    ) -> Result<Option<Range<usize>>, OutOfSteps> {
        if from > bytes.len() {
            return Ok(None);
        }
        let anchored = self.source.options.anchored;
        if let Some(exact) = &mut self.exact
            && let Ok(found) = exact.find(bytes, from, anchored, steps)?
        {
            return Ok(found);
        }
        self.backtrack(Subject { bytes, from }, steps)
    }

    /// Whether a search costs the same for each byte, whatever the bytes are.
    #[must_use]
    pub fn is_linear(&self) -> bool {
        self.exact.is_some()
    }

    /// Bytes it takes now; searching may have added to it, by a constant at most.
    #[must_use]
    pub fn memory(&self) -> usize {
        let of = |linear: &Option<Linear>| linear.as_ref().map_or(0, Linear::memory);
        of(&self.exact)
            .saturating_add(of(&self.filter))
            .saturating_add(self.backtracker.as_ref().map_or(0, Backtracker::memory))
            .saturating_add(self.source.pattern.len())
            .saturating_add(size_of::<Self>())
    }

    /// Without automata: what is found by trying alone.
    #[cfg(test)]
    pub(crate) fn by_trying(pattern: &[u8], options: Options) -> Result<Self, ExpressionError> {
        let source = Source { pattern: pattern.into(), options };
        Ok(Self { source, exact: None, filter: None, backtracker: None, first: None })
    }

    fn backtrack(
        &mut self,
        subject: Subject<'_>,
        steps: &mut u64,
    ) -> Result<Option<Range<usize>>, OutOfSteps> {
        let Source { pattern, options } = &self.source;
        let backtracker = match &mut self.backtracker {
            Some(made) => made,
            // It was compiled, so that this does not fail.
            none => match made(pattern, *options) {
                Ok(made) => none.insert(made),
                Err(_) => return Err(OutOfSteps),
            },
        };
        let mut candidates =
            Candidates { filter: self.filter.as_mut(), first: self.first, subject, vain: 0 };
        let mut place = subject.from;
        while let Some(start) = candidates.next(place, options.anchored, steps)? {
            if let Some(found) = backtracker.at(subject, start, steps)? {
                return Ok(Some(found));
            }
            if options.anchored {
                break;
            }
            place = start.saturating_add(1);
        }
        Ok(None)
    }
}

fn made(pattern: &[u8], options: Options) -> Result<Backtracker, ExpressionError> {
    let (node, groups) = parse::parse(pattern, options)?;
    program::compile(&node, groups).map(Backtracker::new)
}

/// Where a match may begin.
struct Candidates<'e, 's> {
    filter: Option<&'e mut Linear>,
    first: Option<ByteSet>,
    subject: Subject<'s>,
    vain: usize,
}

impl Candidates<'_, '_> {
    /// The next at a place or behind.
    fn next(
        &mut self,
        place: usize,
        anchored: bool,
        steps: &mut u64,
    ) -> Result<Option<usize>, OutOfSteps> {
        let Subject { bytes, from } = self.subject;
        let Some(ahead) = bytes.get(place..) else {
            return Ok(None);
        };
        let passed = place.saturating_sub(from);
        if self.vain > VAIN.saturating_add(passed / SAVED) {
            // It would look at the same bytes again and again.
            self.filter = None;
        }
        self.vain = self.vain.saturating_add(1);
        if let Some(filter) = &mut self.filter {
            match filter.find(bytes, place, anchored, steps)? {
                Ok(found) => return Ok(found.map(|found| found.start)),
                Err(GaveUp) => self.filter = None,
            }
        }
        match self.first {
            Some(first) if !anchored => {
                let next = ahead.iter().position(|byte| first.has(*byte));
                spend(steps, next.unwrap_or(ahead.len()))?;
                Ok(next.and_then(|next| place.checked_add(next)))
            }
            _ => Ok(Some(place)),
        }
    }
}
