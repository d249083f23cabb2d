//! Lines of a mail, and where they end.

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// A line feed, carriage returns before it included.
    Feed,
    /// A line feed or a carriage return.
    Either,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) start: usize,
    /// The end of its text.
    pub(crate) end: usize,
    /// The start of the next line.
    pub(crate) next: usize,
}

impl Line {
    pub(crate) fn text<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// The line that begins at `start`; none at the end.
pub(crate) fn line(bytes: &[u8], start: usize, ends: Ends) -> Option<Line> {
    let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
    let found = match ends {
        Ends::Feed => memchr::memchr(b'\n', rest),
        Ends::Either => memchr::memchr2(b'\n', b'\r', rest),
    };
    let Some(length) = found else {
        return Some(Line { start, end: bytes.len(), next: bytes.len() });
    };
    let (text, after) = rest.split_at_checked(length).unwrap_or_default();
    let ending = if after.starts_with(b"\r\n") { 2 } else { 1 };
    let end = start.saturating_add(without_returns(text).len());
    Some(Line { start, end, next: start.saturating_add(length).saturating_add(ending) })
}

/// Where the text before a delimiter line ends: the line break before it belongs to the delimiter.
pub(crate) fn before_break(bytes: &[u8], start: usize, at: usize) -> usize {
    let text = bytes.get(start..at).unwrap_or_default();
    let kept = match text {
        [kept @ .., b'\r', b'\n'] | [kept @ .., b'\n' | b'\r'] => kept,
        all => all,
    };
    start.saturating_add(kept.len())
}

fn without_returns(mut text: &[u8]) -> &[u8] {
    while let Some(shorter) = text.strip_suffix(b"\r") {
        text = shorter;
    }
    text
}
