//! By what a part is searched for once its signature was noticed.

use memchr::memmem::Finder;
use watchglass_database::body::{Item, Part};

use crate::scratch::Span;

/// Bytes of a part that stand at a fixed distance from its start.
#[derive(Debug)]
pub(crate) struct Needle<'a> {
    before: usize,
    bytes: &'a [u8],
    by: By<'a>,
}

#[derive(Debug)]
enum By<'a> {
    /// The bytes as they are.
    Bytes(Box<Finder<'a>>),
    /// One of them, in either case: the rarest letter, or a byte that is none.
    Letter { at: usize, letter: u8 },
}

impl<'a> Needle<'a> {
    /// The longest plain bytes of a part, or the longest that fold; `None` without such.
    pub(crate) fn of(part: &Part<'a>) -> Option<Self> {
        let mut best: Option<(usize, &'a [u8], bool)> = None;
        let mut before = 0_usize;
        for item in part.items {
            let (bytes, folds) = match item {
                Item::Bytes(bytes) => (bytes, false),
                Item::Folded(bytes) => (bytes, true),
                other => {
                    // What is behind something of several lengths may stand at several distances.
                    let Some(length) = length(&other) else { break };
                    before = before.checked_add(length)?;
                    continue;
                }
            };
            let worth = |bytes: &[u8], folds| if folds { bytes.len() / 4 } else { bytes.len() };
            if best
                .is_none_or(|(_, held, held_folds)| worth(bytes, folds) > worth(held, held_folds))
            {
                best = Some((before, bytes, folds));
            }
            before = before.checked_add(bytes.len())?;
        }
        let (before, bytes, folds) = best.filter(|(_, bytes, _)| !bytes.is_empty())?;
        let by = if folds {
            let at = (0..bytes.len()).min_by_key(|at| bytes.get(*at).map(commonness))?;
            By::Letter { at, letter: bytes.get(at)?.to_ascii_lowercase() }
        } else {
            By::Bytes(Box::new(Finder::new(bytes)))
        };
        Some(Self { before, bytes, by })
    }

    /// The first place in a span where the part may begin.
    pub(crate) fn next_start(&self, bytes: &[u8], span: Span) -> Option<usize> {
        let from = span.first.checked_add(self.before)?;
        let to = span.last.saturating_add(self.before).saturating_add(self.bytes.len());
        let haystack = bytes.get(from..to.min(bytes.len()))?;
        let found = match &self.by {
            By::Bytes(finder) => finder.find(haystack),
            By::Letter { at, letter } => {
                let from = haystack.get(*at..)?;
                memchr::memchr2(*letter, letter.to_ascii_uppercase(), from)
            }
        };
        span.first.checked_add(found?).filter(|start| *start <= span.last)
    }
}

/// How many bytes an item takes, if always the same.
fn length(item: &Item<'_>) -> Option<usize> {
    match item {
        Item::Bytes(bytes) | Item::Folded(bytes) => Some(bytes.len()),
        Item::Any(count) => usize::try_from(*count).ok(),
        Item::High(_) | Item::Low(_) => Some(1),
        Item::Choice { options, .. } => {
            let mut lengths = (*options).map(|option| {
                // Choices in choices are rare, and not worth a way down.
                let mut items = option;
                items.try_fold(0_usize, |sum, item| match item {
                    Item::Choice { .. } => None,
                    item => sum.checked_add(length(&item)?),
                })
            });
            let first = lengths.next()??;
            lengths.all(|length| length == Some(first)).then_some(first)
        }
        Item::Class(_) => None,
    }
}

/// How common a byte is in texts, in which most of what folds is searched for: letters by their place
/// in [`LETTERS`], then what else is printed, and zeros as the most common.
fn commonness(byte: &u8) -> usize {
    let letter = byte.to_ascii_lowercase();
    match LETTERS.iter().position(|known| *known == letter) {
        Some(place) => LETTERS.len().saturating_sub(place).saturating_add(2),
        None if *byte == 0 => usize::MAX,
        None if matches!(byte, b' ' | b'\n' | b'.' | b'/' | b'-' | b'_' | b'"') => LETTERS.len(),
        None => 2,
    }
}

/// From the most common to the rarest.
const LETTERS: &[u8; 26] = b"etaoinsrhldcumfpgwybvkxjqz";
