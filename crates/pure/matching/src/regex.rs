//! Regular expressions of sub-signatures.
//!
//! An expression is compiled when its trigger holds for the first time, and kept: of the thousand of
//! the real sets a tree of files needs some dozens. What ClamAV 1.4.6 does was asked by experiment.
//!
//! | Offset | Flags | A match may begin |
//! |---|---|---|
//! | `*` | | anywhere |
//! | a place, shift 0 | | there |
//! | a place, shift n | | from there to n bytes behind |
//! | a place | `r` | from there on |
//! | a place | `e` | from there on, and it ends n bytes behind at most |
//!
//! Nothing before the place is seen, by a look-behind or `^` either. With `g` matches are counted, each
//! behind the one before and none empty; else the first counts 1.

use std::collections::BTreeMap;

use watchglass_database::offset::Offset;
use watchglass_pcre::{Expression, Options};

use crate::scratch::Span;
use crate::work::{OutOfWork, Work};

/// An expression that is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) offset: Offset,
    /// A bit for each letter of `greismxAEU`, as in the database.
    pub(crate) flags: u32,
    pub(crate) pattern: &'a [u8],
}

/// What was found of an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) count: u32,
    /// The start of the last match.
    pub(crate) last: usize,
    /// Whether the search went to its end.
    pub(crate) ended: bool,
}

/// Compiled expressions, by flags and pattern. All are forgotten when they become too many.
#[derive(Debug, Default)]
pub(crate) struct Expressions(BTreeMap<(u32, Box<[u8]>), Option<Expression>>);

impl Expressions {
    /// Searches for an expression that begins in one of `spans`; all matches where `all` are wanted and
    /// the expression wants them too.
    pub(crate) fn search(
        &mut self,
        regex: &Sought<'_>,
        bytes: &[u8],
        spans: &[Span],
        work: &mut Work<'_>,
    ) -> Result<Counted, OutOfWork> {
        let mut counted = Counted { ended: true, ..Counted::default() };
        let Some(expression) = self.get(regex) else {
            // It cannot be told whether it matches.
            return Ok(Counted { ended: false, ..counted });
        };
        for span in spans {
            let most = bytes.len().saturating_mul(STEPS_A_BYTE).max(FREE_STEPS);
            let most = u64::try_from(most).unwrap_or(u64::MAX).min(work.left());
            let mut left = most;
            let ended = search_one(expression, regex, bytes, *span, &mut left, &mut counted);
            work.spend(most.saturating_sub(left))?;
            counted.ended &= ended;
        }
        Ok(counted)
    }

    fn get(&mut self, regex: &Sought<'_>) -> Option<&mut Expression> {
        let key = (regex.flags, Box::from(regex.pattern));
        if !self.0.contains_key(&key) {
            let memory: usize = self.0.values().flatten().map(Expression::memory).sum();
            if self.0.len() >= MAX_EXPRESSIONS || memory >= MAX_MEMORY_BYTES {
                self.0.clear();
            }
        }
        let compile = || Expression::compile(regex.pattern, options(regex.flags)).ok();
        self.0.entry(key).or_insert_with(compile).as_mut()
    }
}

/// Searches behind one place. Whether it went to its end.
fn search_one(
    expression: &mut Expression,
    regex: &Sought<'_>,
    bytes: &[u8],
    span: Span,
    steps: &mut u64,
    counted: &mut Counted,
) -> bool {
    let is_anywhere = regex.offset == Offset::Any;
    let shift = span.last.saturating_sub(span.first);
    let mut subject = bytes.get(span.first..).unwrap_or_default();
    if regex.flags & ENCOMPASS != 0 && !is_anywhere {
        subject = subject.get(..shift).unwrap_or(subject);
    }
    let is_free = is_anywhere || regex.flags & (ROLLING | ENCOMPASS) != 0;
    let mut from = 0;
    loop {
        let found = match expression.find(subject, from, steps) {
            Ok(Some(found)) if is_free || found.start <= shift => found,
            Ok(_) => return true,
            Err(_) => return false,
        };
        counted.count = counted.count.saturating_add(1);
        counted.last = counted.last.max(span.first.saturating_add(found.start));
        // An empty match would be found again for ever.
        if regex.flags & GLOBAL == 0 || found.is_empty() || counted.count >= MAX_MATCHES {
            return true;
        }
        from = found.end;
    }
}

fn options(flags: u32) -> Options {
    let has = |bit: u32| flags & 1_u32.wrapping_shl(bit) != 0;
    Options {
        caseless: has(3),
        dot_all: has(4),
        multiline: has(5),
        extended: has(6),
        anchored: has(7),
        dollar_end_only: has(8),
        ungreedy: has(9),
    }
}

/// The flags of an expression for a text of C: a dot is any byte, `$` the very end.
pub(crate) fn text_flags(caseless: bool) -> u32 {
    let caseless = u32::from(caseless).wrapping_shl(3);
    caseless | 1 << 4 | 1 << 8
}

/// Bits of the flags `g`, `r` and `e`.
const GLOBAL: u32 = 1;
const ROLLING: u32 = 1 << 1;
const ENCOMPASS: u32 = 1 << 2;
/// Matches of one expression that are counted: more than any signature asks for.
const MAX_MATCHES: u32 = 1 << 16;
/// Expressions that are kept, and bytes that they may take.
const MAX_EXPRESSIONS: usize = 256;
const MAX_MEMORY_BYTES: usize = 16 << 20;
/// Steps that one search may take for each byte, and whatever the size: a linear expression takes one
/// for 16 bytes, the worst of the real ones on real files some hundred for a byte. What needs more is
/// made to.
const STEPS_A_BYTE: usize = 256;
const FREE_STEPS: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use watchglass_database::offset::Place;

    use super::*;

    fn count(offset: Option<(u32, u32)>, pattern: &str, flags: u32, bytes: &str) -> u32 {
        let (span, offset) = match offset {
            None => (Span { first: 0, last: bytes.len() }, Offset::Any),
            Some((first, max_shift)) => {
                let last = (first + max_shift) as usize;
                let offset = Offset::At { place: Place::Start(first), max_shift };
                (Span { first: first as usize, last }, offset)
            }
        };
        let regex = Sought { offset, flags, pattern: pattern.as_bytes() };
        let mut expressions = Expressions::default();
        let mut work = Work::new(1 << 30, &|| false);
        let found = expressions.search(&regex, bytes.as_bytes(), &[span], &mut work).unwrap();
        assert!(found.ended);
        found.count
    }

    #[test]
    fn a_match_begins_where_the_offset_lets_it() {
        assert_eq!(count(None, "x", 0, "abcxxx"), 1);
        assert_eq!(count(Some((1, 0)), "^x", 0, "axxxxx"), 1);
        assert_eq!(count(Some((1, 0)), "b", 0, "axbxxx"), 0);
        assert_eq!(count(Some((1, 1)), "b", 0, "axbxxx"), 1);
        assert_eq!(count(Some((1, 0)), "b", ROLLING, "axxxbx"), 1);
        assert_eq!(count(Some((1, 0)), "(?<=a)x", 0, "axxxxx"), 0);
    }

    #[test]
    fn what_encompasses_ends_within_the_shift() {
        assert_eq!(count(Some((1, 3)), "bcd", ENCOMPASS, "abcdef"), 1);
        assert_eq!(count(Some((1, 3)), "bcde", ENCOMPASS, "abcdef"), 0);
        assert_eq!(count(Some((1, 0)), "b", ENCOMPASS, "abcdef"), 0);
    }

    #[test]
    fn all_matches_count_where_they_are_asked_for() {
        assert_eq!(count(None, "x", GLOBAL, "xxxabq"), 3);
        assert_eq!(count(Some((0, 1)), "x", GLOBAL, "xxxabq"), 2);
        assert_eq!(count(None, "x*", GLOBAL, "abxxqqqq"), 1);
    }

    #[test]
    fn expressions_are_forgotten_when_they_become_many() {
        let mut expressions = Expressions::default();
        for number in 0..1000 {
            let pattern = format!("a{number}");
            let pattern = pattern.as_bytes();
            let regex = Sought { offset: Offset::Any, flags: 0, pattern };
            assert!(expressions.get(&regex).is_some());
            assert!(expressions.0.len() <= MAX_EXPRESSIONS);
        }
    }
}
