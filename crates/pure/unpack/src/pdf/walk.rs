//! Where objects stand, told by the bytes alone.

use std::cell::Cell;

use memchr::memmem::{self, Finder};

use super::syntax::is_space;
use crate::budget::Budget;
use crate::reason::NotScanned;

/// `12 0 obj`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u32,
    pub(super) generation: u32,
    /// Where its first digit stands.
    pub(super) start: usize,
    /// Where the object itself begins.
    pub(super) body: usize,
}

/// Every header of a file, one after another, wherever it stands.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    bytes: &'a [u8],
    finder: Finder<'static>,
    at: usize,
}

impl<'a> Headers<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, finder: Finder::new(b"obj"), at: 0 }
    }

    /// Goes on from `at`.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = self.at.max(at);
    }
}

impl Iterator for Headers<'_> {
    type Item = Header;

    fn next(&mut self) -> Option<Header> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let word = self.at.saturating_add(self.finder.find(rest)?);
            self.at = word.saturating_add(3);
            if let Some(header) = header_before(self.bytes, word) {
                return Some(header);
            }
        }
    }
}

/// The header whose `obj` stands at `word`.
pub(super) fn header_before(bytes: &[u8], word: usize) -> Option<Header> {
    let before = bytes.get(word.saturating_sub(MAX_HEADER)..word)?;
    let (before, _) = split_back(before, is_space);
    let (before, generation) = split_back(before, |byte| byte.is_ascii_digit());
    let (before, space) = split_back(before, is_space);
    let (before, number) = split_back(before, |byte| byte.is_ascii_digit());
    let is_header = !generation.is_empty() && !space.is_empty() && !number.is_empty();
    let start = word.saturating_sub(MAX_HEADER).saturating_add(before.len());
    is_header.then(|| Header {
        number: decimal(number),
        generation: decimal(generation),
        start,
        body: word.saturating_add(3),
    })
}

/// Splits off the end of which every byte is `wanted`.
fn split_back(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let count = bytes.iter().rev().take_while(|&&byte| wanted(byte)).count();
    bytes.split_at_checked(bytes.len().saturating_sub(count)).unwrap_or((bytes, &[]))
}

fn decimal(digits: &[u8]) -> u32 {
    let add = |sum: u32, digit: &u8| {
        sum.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0')))
    };
    digits.iter().fold(0, add)
}

/// The places of one word: asked for in rising order, each byte is searched once; in any other, it is
/// paid for.
#[derive(Debug)]
pub(super) struct Places {
    finder: Finder<'static>,
    /// From here on the next one is known.
    from: usize,
    next: Option<usize>,
    is_known: bool,
}

impl Places {
    pub(super) fn of(word: &'static [u8]) -> Self {
        Self { finder: Finder::new(word), from: 0, next: None, is_known: false }
    }

    /// The first at or after `at`.
    pub(super) fn after(&mut self, bytes: &[u8], at: usize, purse: &Purse) -> Option<usize> {
        let is_good = self.is_known && at >= self.from && self.next.is_none_or(|next| at <= next);
        if !is_good {
            let found = bytes.get(at..).and_then(|rest| self.finder.find(rest));
            self.next = found.map(|found| at.saturating_add(found));
            (self.from, self.is_known) = (at, true);
            let end = self.next.unwrap_or(bytes.len());
            purse.read(end.saturating_sub(at), Again::No);
        }
        self.next
    }
}

/// Every place of `word`.
pub(super) fn places<'b>(bytes: &'b [u8], word: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    memmem::find_iter(bytes, word)
}

/// What parsing may cost.
///
/// Objects that lie inside of others are read once more, and so is what is referred to. A file can
/// ask for that without end, so there is an allowance for it, some times the size of the file; after
/// that such an object is read no further than [`SHORT`] bytes.
#[derive(Debug)]
pub(super) struct Purse {
    again: Cell<usize>,
    unpaid: Cell<usize>,
}

impl Purse {
    pub(super) fn new(size: usize) -> Self {
        let again = size.saturating_mul(READ_AGAIN).saturating_add(1 << 20);
        Self { again: Cell::new(again), unpaid: Cell::new(0) }
    }

    /// How far something may be read that begins at `start` and was perhaps read before.
    pub(super) fn window<'b>(&self, bytes: &'b [u8], start: usize) -> &'b [u8] {
        let end = start.saturating_add(self.again.get().max(SHORT)).min(bytes.len());
        bytes.get(..end).unwrap_or(bytes)
    }

    /// Notes that `bytes` were read, and whether for another time.
    pub(super) fn read(&self, bytes: usize, again: Again) {
        if again == Again::Yes {
            self.again.set(self.again.get().saturating_sub(bytes));
        }
        self.unpaid.set(self.unpaid.get().saturating_add(bytes).saturating_add(AN_OBJECT));
    }

    /// Pays for what was read.
    pub(super) fn settle(&self, budget: &Budget<'_>) -> Result<(), NotScanned> {
        if self.unpaid.get() < 4096 {
            return budget.go_on();
        }
        budget.work(self.unpaid.replace(0))
    }
}

/// Whether bytes were read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    No,
    Yes,
}

/// Longest header: two numbers of ten digits with some space between.
const MAX_HEADER: usize = 64;
/// How often, on average, a byte of the file is parsed for another time. Twice is what a whole file
/// takes in which every object is referred to by another.
const READ_AGAIN: usize = 8;
/// What is read of an object once that is used up. An object of a page or a stream has less.
const SHORT: usize = 256;
/// What it costs to look at an object, in bytes read.
const AN_OBJECT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_wherever_they_stand() {
        let text = b"1 0 obj endobj12 65535\r\nobj 3 obj x4 0 obj(5 0 obj)5 0object";
        let found: Vec<_> = Headers::new(text).map(|h| (h.number, h.generation, h.start)).collect();
        assert_eq!(found, [(1, 0, 0), (12, 65535, 14), (4, 0, 35), (5, 0, 43), (5, 0, 51)]);
    }

    #[test]
    fn places_are_right_in_any_order() {
        let (text, mut places, purse) = (b"ab..ab..", Places::of(b"ab"), Purse::new(8));
        let found = [0, 1, 4, 5, 2, 9].map(|at| places.after(text, at, &purse));
        assert_eq!(found, [Some(0), Some(4), Some(4), None, Some(4), None]);
        // Searches of 0, 3, 3 and 2 bytes; what was known cost nothing.
        assert_eq!(purse.unpaid.get(), 5 * AN_OBJECT + 3 + 3 + 2);
    }
}
