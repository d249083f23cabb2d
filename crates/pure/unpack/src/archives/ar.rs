//! `ar` archives: System V and GNU names, BSD names, thin archives.

use super::{damaged, member, named, number};
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::Member;
use crate::reason::NotScanned;

/// An archive while its members are given.
#[derive(Debug)]
pub(crate) struct Ar<'a> {
    bytes: &'a [u8],
    cursor: usize,
    /// GNU's table of names that do not fit.
    names: &'a [u8],
}

impl<'a> Ar<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, names: &[] }
    }

    fn read(&mut self, budget: &Budget<'_>) -> Next<'a> {
        if self.cursor == 0 {
            if self.bytes.starts_with(b"!<thin>\n") {
                let what = "thin ar archive: its members are other files";
                return Next::End(End::because(NotScanned::Split { what }));
            }
            if !self.bytes.starts_with(MAGIC) {
                return Next::End(damaged("no ar archive", 0));
            }
            self.cursor = MAGIC.len();
        }
        let offset = self.cursor;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        if rest.is_empty() {
            return Next::End(End::default());
        }
        let Some((header, _)) = rest.split_first_chunk::<HEADER>() else {
            return Next::End(damaged("ar header is cut off", self.bytes.len()));
        };
        let (name, size) = (header.get(..16), header.get(48..58));
        let size = size.and_then(|size| number(size, 10));
        let (Some(name), Some(size), Some(b"`\n")) = (name, size, header.get(58..)) else {
            return Next::End(damaged("ar header", offset));
        };
        let start = offset.saturating_add(HEADER);
        let (found, end) = member(self.bytes, offset, start, size, budget);
        // Members begin at even places.
        let is_filled = end % 2 == 1 && self.bytes.get(end) == Some(&b'\n');
        self.cursor = end.saturating_add(usize::from(is_filled));
        Next::Member(self.name(name, start, found))
    }

    fn name(&mut self, field: &'a [u8], start: usize, found: Member<'a>) -> Member<'a> {
        let trimmed = field.trim_ascii_end();
        if trimmed == b"//" {
            let size = found.content.len();
            self.names = self.bytes.get(start..start.saturating_add(size)).unwrap_or_default();
            return named(trimmed, found);
        }
        if let Some(length) = trimmed.strip_prefix(b"#1/").and_then(|digits| number(digits, 10)) {
            return self.bsd_name(length, start, found);
        }
        let place = trimmed.strip_prefix(b"/").filter(|digits| !digits.is_empty());
        let place = place.and_then(|digits| number(digits, 10));
        if let Some(place) = place.and_then(|place| usize::try_from(place).ok()) {
            let long = self.names.get(place..).unwrap_or_default();
            let long = long.split(|&byte| byte == b'\n' || byte == 0).next().unwrap_or_default();
            return named(long.strip_suffix(b"/").unwrap_or(long), found);
        }
        let short = trimmed.strip_suffix(b"/").filter(|short| !short.is_empty());
        named(short.unwrap_or(trimmed), found)
    }

    /// BSD puts a long name before the content.
    fn bsd_name(&self, length: u64, start: usize, found: Member<'a>) -> Member<'a> {
        let size = found.content.len();
        let all = self.bytes.get(start..start.saturating_add(size)).unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match all.split_at_checked(length) {
            Some((name, content)) => {
                Member { content: content.into(), ..named(super::until_zero(name), found) }
            }
            None => {
                let offset = to_u64(start);
                let mut found = found;
                found.not_scanned.push(NotScanned::Damaged { what: "ar name", offset });
                found
            }
        }
    }
}

impl<'a> Format<'a> for Ar<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0) {
            Ok(()) => self.read(budget),
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
