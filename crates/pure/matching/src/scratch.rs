//! What a scan notes down, kept by the caller and used again.

use watchglass_database::SignatureId;
use watchglass_database::offset::Offset;

use crate::icon::Measured;
use crate::regex::{Expressions, Sought, text_flags};
use crate::work::{OutOfWork, Work};

/// Buffers of a worker. They grow to what the largest scan needed: a bit for each signature, some
/// kilobytes, and the regular expressions that were compiled, up to some 20 MB of them.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) seen: Seen,
    pub(crate) buffers: Buffers,
}

impl Scratch {
    /// Whether an expression in the syntax of PCRE stands in a text whose line ends are bytes like
    /// others; nothing where that takes too many steps to tell. The expression is kept compiled.
    ///
    /// # Errors
    /// The work came to its end.
    pub fn stands_in(
        &mut self,
        pattern: &[u8],
        caseless: bool,
        text: &[u8],
        work: &mut Work<'_>,
    ) -> Result<Option<bool>, OutOfWork> {
        work.spend(1)?;
        let sought = Sought { offset: Offset::Any, flags: text_flags(caseless), pattern };
        let all = Span { first: 0, last: text.len() };
        let found = self.buffers.expressions.search(&sought, text, &[all], work)?;
        Ok(found.ended.then_some(found.count > 0))
    }
}

/// Signatures that were looked at in this object.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    bits: Vec<u64>,
    /// Which words have bits: few have, so that clearing costs next to nothing.
    words: Vec<usize>,
}

/// Buffers of one search.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Where the next part of a body may begin.
    pub(crate) starts: Vec<Span>,
    /// Where the one behind it may.
    pub(crate) next: Vec<Span>,
    /// Lists that are not in use.
    pub(crate) lists: Lists,
    /// The icons of this object.
    pub(crate) icons: Measured,
    /// Expressions that were compiled.
    pub(crate) expressions: Expressions,
    /// Whether of some expression it is not known whether it matches this object.
    pub(crate) gave_up: bool,
}

/// Places from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Lists of places, lent and taken back.
#[derive(Debug, Default)]
pub(crate) struct Lists(Vec<Vec<usize>>);

impl Seen {
    /// Forgets the object before.
    pub(crate) fn begin(&mut self, signatures: usize) {
        for word in self.words.drain(..) {
            if let Some(bits) = self.bits.get_mut(word) {
                *bits = 0;
            }
        }
        self.bits.resize(signatures.div_ceil(64), 0);
    }

    /// Notes a signature. Whether it was not noted before; one that is not there counts as noted.
    pub(crate) fn is_new(&mut self, id: SignatureId) -> bool {
        let number = usize::try_from(id.0).unwrap_or(usize::MAX);
        let (word, bit) = (number / 64, 1_u64.wrapping_shl(id.0 % 64));
        let Some(bits) = self.bits.get_mut(word) else {
            return false;
        };
        if *bits == 0 {
            self.words.push(word);
        }
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }

    pub(crate) fn has(&self, id: SignatureId) -> bool {
        let number = usize::try_from(id.0).unwrap_or(usize::MAX);
        let bits = self.bits.get(number / 64).copied().unwrap_or(u64::MAX);
        bits & 1_u64.wrapping_shl(id.0 % 64) != 0
    }
}

impl Lists {
    /// An empty list.
    pub(crate) fn take(&mut self) -> Vec<usize> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut list: Vec<usize>) {
        list.clear();
        self.0.push(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_object_knows_nothing_of_the_one_before() {
        let mut seen = Seen::default();
        seen.begin(100);
        assert!(seen.is_new(SignatureId(99)) && !seen.is_new(SignatureId(99)));
        assert!(
            !seen.is_new(SignatureId(1000)),
            "a signature that is not there is never looked at"
        );
        seen.begin(100);
        assert!(!seen.has(SignatureId(99)) && seen.is_new(SignatureId(99)));
    }
}
