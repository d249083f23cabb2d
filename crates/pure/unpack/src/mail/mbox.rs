//! Mailboxes in one file, RFC 4155 and the older forms.

use std::borrow::Cow;

use super::lines::{Ends, line};
use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Member, Place, Reading};
use crate::output::{Output, stored};

/// A mailbox while its messages are given. Each begins with its `From ` line, so that it is known as
/// a mail again whatever its header begins with.
#[derive(Debug)]
pub(crate) struct Mbox<'a> {
    bytes: &'a [u8],
    cursor: usize,
    /// Readings of a message that are still to be given, the last first.
    pending: Vec<Member<'a>>,
}

impl<'a> Mbox<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, pending: Vec::new() }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        let start = self.cursor;
        if start >= self.bytes.len() {
            return Next::End(End::default());
        }
        if start == 0 && !self.bytes.starts_with(b"From ") {
            return Next::End(damaged("no mailbox", 0));
        }
        let (end, is_quoted) = message(self.bytes, start);
        self.cursor = end;
        let text = self.bytes.get(start..end).unwrap_or_default();
        if let Err(reason) = budget.work(text.len()) {
            return Next::End(End::because(reason));
        }
        if is_quoted {
            let all = unquoted(text, Quoting::Reversible, budget);
            let one = unquoted(text, Quoting::One, budget);
            let is_same = all.content == one.content;
            let others = [one, all].into_iter().skip(usize::from(is_same));
            self.pending.extend(others.map(|member| at(start, member)));
        }
        let (content, reason) = stored(text, budget);
        let not_scanned = reason.into_iter().collect();
        Next::Member(at(start, Member { content, not_scanned, ..Member::default() }))
    }
}

impl<'a> Format<'a> for Mbox<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        self.pending.pop().map_or_else(|| self.read(budget), Next::Member)
    }
}

fn at(offset: usize, member: Member<'_>) -> Member<'_> {
    Member { place: Place { index: 0, offset: to_u64(offset) }, ..member }
}

/// Where the message ends that begins at `start`, and whether it has quoted `From ` lines. The next
/// one begins with `From ` after an empty line.
fn message(bytes: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut was_blank, mut is_quoted) = (start, false, false);
    while let Some(line) = line(bytes, at, Ends::Feed) {
        let text = line.text(bytes);
        if was_blank && text.starts_with(b"From ") {
            return (line.start, is_quoted);
        }
        is_quoted |= quoted(text);
        was_blank = text.is_empty();
        at = line.next;
    }
    (bytes.len(), is_quoted)
}

fn quoted(text: &[u8]) -> bool {
    let marks = text.iter().take_while(|byte| **byte == b'>').count();
    marks > 0 && text.get(marks..).is_some_and(|rest| rest.starts_with(b"From "))
}

/// How `From ` is quoted in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    /// mboxo: `>From ` stands for `From `.
    One,
    /// mboxrd: so does every longer row of marks for one that is shorter.
    Reversible,
}

fn unquoted<'a>(text: &[u8], quoting: Quoting, budget: &Budget<'_>) -> Member<'a> {
    let mut out = Output::new(budget);
    let (mut at, mut result) = (0, Ok(()));
    while let Some(line) = line(text, at, Ends::Feed).filter(|_| result.is_ok()) {
        let row = text.get(line.start..line.next).unwrap_or_default();
        let drop = match quoting {
            Quoting::One => row.starts_with(b">From "),
            Quoting::Reversible => quoted(row),
        };
        result = out.extend(row.get(usize::from(drop)..).unwrap_or_default());
        at = line.next;
    }
    let not_scanned = result.err().map(|stop| stop.at(to_u64(at))).into_iter().collect();
    let content = Cow::Owned(out.finish());
    Member { reading: Reading::Lenient, content, not_scanned, ..Member::default() }
}
