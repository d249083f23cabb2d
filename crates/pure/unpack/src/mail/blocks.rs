//! Files inside of text: uuencode, yEnc and BinHex where they begin.

use std::borrow::Cow;

use super::lines::{Ends, line};
use super::{binhex, uuencode, yenc};
use crate::budget::{Budget, to_u64};
use crate::member::{Declared, Member, Place};
use crate::reason::NotScanned;

/// A file that stood in a text.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) name: Vec<u8>,
    /// Where it begins and ends in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) content: Vec<u8>,
    pub(crate) declared: Declared,
    pub(crate) not_scanned: Vec<NotScanned>,
}

impl Block {
    /// As a member of what has the text at `offset`.
    pub(crate) fn into_member<'a>(self, offset: usize) -> Member<'a> {
        let packed = to_u64(self.end.saturating_sub(self.start));
        Member {
            name: Cow::Owned(self.name),
            place: Place { index: 0, offset: to_u64(offset.saturating_add(self.start)) },
            declared: Declared { packed: Some(packed), ..self.declared },
            content: Cow::Owned(self.content),
            not_scanned: self.not_scanned,
            ..Member::default()
        }
    }
}

/// The next files from `from` on, and where to look on; nothing at the end of the text.
pub(crate) fn next(
    text: &[u8],
    from: usize,
    budget: &Budget<'_>,
) -> Result<Option<(Vec<Block>, usize)>, NotScanned> {
    let (mut at, mut paid) = (from, from);
    while let Some(line) = line(text, at, Ends::Feed) {
        if line.next.saturating_sub(paid) >= WORK {
            budget.work(line.next.saturating_sub(paid))?;
            paid = line.next;
        }
        let begin = line.text(text);
        let found = if begin.starts_with(b"begin") {
            uuencode::read(text, &line, budget).map(|block| vec![block])
        } else if begin.starts_with(b"=ybegin ") {
            yenc::read(text, &line, budget).map(|block| vec![block])
        } else if begin.starts_with(binhex::BANNER) {
            binhex::read(text, line.next, budget)
        } else {
            None
        };
        if let Some(blocks) = found {
            let end = blocks.iter().map(|block| block.end).max().unwrap_or(line.next);
            return Ok(Some((blocks, end.max(line.next))));
        }
        at = line.next;
    }
    budget.work(text.len().saturating_sub(paid))?;
    Ok(None)
}

/// Bytes between two payments.
const WORK: usize = 64 << 10;
