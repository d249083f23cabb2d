//! Where a stream ends.

use super::document::Document;
use super::syntax::{Dictionary, is_space};
use super::walk::Places;
use crate::budget::to_u64;
use crate::member::Reading;
use crate::reason::{NotScanned, Oddity};

/// One reading of where a stream ends.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) reading: Reading,
    pub(super) damage: Option<NotScanned>,
    pub(super) oddity: Option<Oddity>,
}

/// The words that end streams, wherever they stand.
#[derive(Debug)]
pub(super) struct Ends {
    endstream: Places,
    endobj: Places,
}

impl Ends {
    pub(super) fn new() -> Self {
        Self { endstream: Places::of(b"endstream"), endobj: Places::of(b"endobj") }
    }

    /// Every reading of the stream that begins at `start`, the longest first: by its Length and by
    /// the word that ends it, where those differ.
    pub(super) fn of(
        &mut self,
        document: &Document<'_>,
        dictionary: &Dictionary<'_>,
        start: usize,
    ) -> Vec<Extent> {
        let bytes = document.bytes;
        let lengths = lengths(document, dictionary);
        let word = self.endstream.after(bytes, start, &document.purse);
        let by_word = word.map(|word| (word, without_line(bytes, start, word)));
        let ends: Vec<_> = lengths
            .iter()
            .filter_map(|&length| start.checked_add(usize::try_from(length).ok()?))
            .filter(|&end| end <= bytes.len())
            .collect();
        let mut extents = Vec::new();
        let mut push = |end: usize, reading, damage| {
            let is_new = extents.iter().all(|extent: &Extent| extent.end != end);
            if is_new && (end > start || reading == Reading::Agreed) {
                extents.push(Extent { start, end, reading, damage, oddity: None });
            }
        };
        let honest = ends.iter().find(|&&end| word.is_some() && word == word_at(bytes, end));
        if let Some(&end) = honest {
            push(end, Reading::Agreed, None);
        } else if let Some((_, end)) = by_word {
            let is_told = !lengths.is_empty();
            push(end, if is_told { Reading::Keyword } else { Reading::Agreed }, None);
        } else {
            let end = self.endobj.after(bytes, start, &document.purse).unwrap_or(bytes.len());
            let (what, offset) = ("the stream does not end", to_u64(end));
            push(end, Reading::Keyword, Some(NotScanned::Damaged { what, offset }));
        }
        ends.iter().for_each(|&end| push(end, Reading::Length, None));
        tell(&mut extents, &lengths, start);
        extents.sort_by_key(|extent| std::cmp::Reverse(extent.end));
        extents
    }
}

/// Says of each reading that it is not the only one.
fn tell(extents: &mut [Extent], lengths: &[u64], start: usize) {
    let is_alone = extents.len() == 1 && lengths.len() < 2;
    for extent in extents {
        let other = to_u64(extent.end.saturating_sub(start));
        let differs = lengths.iter().find(|&&length| length != other);
        let one = differs.or(lengths.first()).copied();
        if let Some(one) = one.filter(|&one| !is_alone || one != other) {
            extent.oddity = Some(Oddity::Disagreement { field: "Length", one, other });
        }
    }
}

/// The values of `Length`, each once.
fn lengths(document: &Document<'_>, dictionary: &Dictionary<'_>) -> Vec<u64> {
    let values = dictionary.all(b"Length").rev().take(MAX_LENGTHS);
    let mut lengths: Vec<_> = values
        .flat_map(|value| document.resolve(value))
        .filter_map(|value| u64::try_from(value.integer()?).ok())
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths.truncate(MAX_LENGTHS);
    lengths
}

/// Where the `endstream` stands that follows `end`, with nothing but space between.
fn word_at(bytes: &[u8], end: usize) -> Option<usize> {
    let rest = bytes.get(end..)?;
    let spaces = rest.iter().take(MAX_SPACES).take_while(|&&byte| is_space(byte)).count();
    let is_word = rest.get(spaces..)?.starts_with(b"endstream");
    is_word.then(|| end.saturating_add(spaces))
}

/// The end of the data before `endstream` at `word`: the end of the line is not part of it.
fn without_line(bytes: &[u8], start: usize, word: usize) -> usize {
    let data = bytes.get(start..word).unwrap_or_default();
    let shorter = data.strip_suffix(b"\n").unwrap_or(data);
    let shorter = shorter.strip_suffix(b"\r").unwrap_or(shorter);
    start.saturating_add(shorter.len())
}

/// Lengths of one stream that are tried.
const MAX_LENGTHS: usize = 4;
/// Space between the data and `endstream`.
const MAX_SPACES: usize = 16;
