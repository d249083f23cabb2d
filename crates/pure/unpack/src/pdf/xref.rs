//! Cross-reference tables and streams, ISO 32000-2 sections 7.5.4 and 7.5.8, believed by nobody: they
//! tell of objects that the walk over the bytes does not meet, and which objects readers see that
//! believe them.

use super::document::Document;
use super::syntax::{Dictionary, Parser, Value};
use super::walk::{Again, Header, header_before, places};
use crate::budget::Budget;
use crate::reason::NotScanned;

/// What tables and trailers say.
#[derive(Debug, Default)]
pub(super) struct Xref<'a> {
    offsets: Vec<usize>,
    /// Every `Encrypt`, at most [`MAX_TRAILERS`].
    pub(super) encrypts: Vec<Value<'a>>,
    /// The first part of every `ID`, as many.
    pub(super) ids: Vec<Vec<u8>>,
    /// Whether there were more objects than are kept.
    pub(super) too_large: bool,
}

/// Objects, as tables see them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where those begin that the walk meets as well, sorted.
    pub(super) known: Vec<usize>,
    /// Those that it does not meet.
    pub(super) others: Vec<Header>,
}

impl<'a> Xref<'a> {
    /// Reads every table and every trailer.
    pub(super) fn tables(document: &Document<'a>, budget: &Budget<'_>) -> Result<Self, NotScanned> {
        let mut xref = Self::default();
        budget.work(document.bytes.len().saturating_mul(2))?;
        for at in places(document.bytes, b"xref") {
            if document.bytes.get(..at).is_some_and(|before| before.ends_with(b"start")) {
                continue;
            }
            document.purse.settle(budget)?;
            let at = at.saturating_add(4);
            let window = document.purse.window(document.bytes, at);
            let mut parser = Parser::new(window, at);
            xref.table(&mut parser);
            document.purse.read(parser.at().saturating_sub(at), Again::Yes);
        }
        for at in places(document.bytes, b"trailer") {
            document.purse.settle(budget)?;
            let at = at.saturating_add(7);
            let window = document.purse.window(document.bytes, at);
            let mut parser = Parser::new(window, at);
            let value = parser.value();
            document.purse.read(parser.at().saturating_sub(at), Again::Yes);
            if let Some(Value::Dictionary(trailer)) = value {
                xref.trailer(&trailer);
            }
        }
        Ok(xref)
    }

    fn table(&mut self, parser: &mut Parser<'_>) {
        while let (Some(_), Some(count)) = (parser.unsigned(), parser.unsigned()) {
            for _ in 0..count {
                let (Some(offset), Some(_)) = (parser.unsigned(), parser.unsigned()) else {
                    return;
                };
                if parser.word(b"n") {
                    self.offset(offset);
                } else if !parser.word(b"f") {
                    return;
                }
            }
        }
    }

    /// A trailer, or the dictionary of a cross-reference stream.
    pub(super) fn trailer(&mut self, trailer: &Dictionary<'a>) {
        for encrypt in trailer.all(b"Encrypt") {
            if self.encrypts.len() < MAX_TRAILERS && !self.encrypts.contains(encrypt) {
                self.encrypts.push(encrypt.clone());
            }
        }
        for id in trailer.all(b"ID") {
            let Value::Array(parts) = id else { continue };
            let Some(first) = parts.first().and_then(Value::text) else { continue };
            let first = first.bytes();
            if self.ids.len() < MAX_TRAILERS && !self.ids.contains(&first) {
                self.ids.push(first);
            }
        }
    }

    /// The entries of a cross-reference stream.
    pub(super) fn stream(&mut self, dictionary: &Dictionary<'_>, content: &[u8]) {
        let Some(Value::Array(widths)) = dictionary.last(b"W") else { return };
        let width = |index: usize| {
            let width = widths.get(index).and_then(Value::integer);
            width.and_then(|width| usize::try_from(width).ok()).filter(|width| *width <= 8)
        };
        let (Some(kind), Some(place), Some(last)) = (width(0), width(1), width(2)) else { return };
        let size = kind.saturating_add(place).saturating_add(last).max(1);
        for entry in content.chunks_exact(size) {
            if self.too_large {
                return;
            }
            let (first, rest) = entry.split_at_checked(kind).unwrap_or_default();
            let (second, _) = rest.split_at_checked(place).unwrap_or_default();
            if kind == 0 || number(first) == 1 {
                self.offset(number(second));
            }
        }
    }

    fn offset(&mut self, offset: u64) {
        if self.offsets.len() >= MAX_OFFSETS {
            self.too_large = true;
        } else if let Ok(offset) = usize::try_from(offset) {
            self.offsets.push(offset);
        }
    }

    /// Looks at every place that was named. Places count from the header of the file, which may
    /// stand later than its start, or from the start.
    pub(super) fn look(
        &mut self,
        document: &Document<'_>,
        shift: usize,
        budget: &Budget<'_>,
    ) -> Result<Seen, NotScanned> {
        let mut seen = Seen::default();
        let mut offsets = std::mem::take(&mut self.offsets);
        if shift > 0 {
            let shifted: Vec<_> = offsets.iter().map(|at| at.saturating_add(shift)).collect();
            offsets.extend(shifted);
        }
        offsets.sort_unstable();
        offsets.dedup();
        for at in offsets {
            document.purse.settle(budget)?;
            let Some(header) = header_at(document, at) else { continue };
            let word = header.body.saturating_sub(3);
            match header_before(document.bytes, word) {
                Some(met) if met == header => seen.known.push(header.start),
                _ => seen.others.push(header),
            }
        }
        seen.others.sort_unstable_by_key(|header| header.body);
        seen.others.dedup_by_key(|header| header.body);
        Ok(seen)
    }
}

/// The header at a place that a table names.
fn header_at(document: &Document<'_>, at: usize) -> Option<Header> {
    let window = document.purse.window(document.bytes, at);
    let window = window.get(..at.saturating_add(MAX_HEADER)).unwrap_or(window);
    let mut parser = Parser::new(window, at);
    parser.skip_space();
    let start = parser.at();
    let (number, generation) = (parser.unsigned(), parser.unsigned());
    let is_header = parser.word(b"obj");
    document.purse.read(parser.at().saturating_sub(at), Again::Yes);
    let number = u32::try_from(number?).ok()?;
    let generation = u32::try_from(generation?).ok()?;
    is_header.then(|| Header { number, generation, start, body: parser.at() })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum: u64, &byte| sum.wrapping_shl(8) | u64::from(byte))
}

/// Trailers whose encryption and identifiers are tried. A file has one for each time that it was
/// saved, and they agree.
const MAX_TRAILERS: usize = 16;
/// Objects in all tables. 8 MiB of memory.
const MAX_OFFSETS: usize = 1 << 20;
/// Bytes in which a header must stand, comments between its words included.
const MAX_HEADER: usize = 1024;
