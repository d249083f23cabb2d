//! Archives that store their members as they are.

pub(crate) mod ar;
pub(crate) mod cpio;
pub(crate) mod tar;

use std::borrow::Cow;

use crate::budget::{Budget, to_u64};
use crate::container::End;
use crate::member::{Declared, Member, Place};
use crate::output::stored;
use crate::reason::NotScanned;

/// A member that is stored at `start`, `size` bytes long by its header; and where it ends.
pub(crate) fn member<'a>(
    bytes: &'a [u8],
    offset: usize,
    start: usize,
    size: u64,
    budget: &Budget<'_>,
) -> (Member<'a>, usize) {
    let rest = bytes.get(start..).unwrap_or_default();
    let wanted = usize::try_from(size).unwrap_or(usize::MAX);
    let data = rest.get(..wanted).unwrap_or(rest);
    let (content, reason) = stored(data, budget);
    let mut not_scanned: Vec<_> = reason.into_iter().collect();
    if data.len() < wanted {
        let (what, offset) = ("the member is cut off", to_u64(bytes.len()));
        not_scanned.push(NotScanned::Damaged { what, offset });
    }
    let declared = Declared { packed: Some(size), unpacked: Some(size), ..Declared::default() };
    let place = Place { index: 0, offset: to_u64(offset) };
    let member = Member { place, declared, content, not_scanned, ..Member::default() };
    (member, start.saturating_add(data.len()))
}

pub(crate) fn named<'a>(name: impl Into<Cow<'a, [u8]>>, member: Member<'a>) -> Member<'a> {
    Member { name: name.into(), ..member }
}

pub(crate) fn damaged(what: &'static str, offset: usize) -> End {
    End::because(NotScanned::Damaged { what, offset: to_u64(offset) })
}

/// What comes before the first zero byte.
pub(crate) fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number of digits, spaces around it; none where something else stands.
pub(crate) fn number(field: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(until_zero(field)).ok()?.trim_matches(' ');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, radix).ok() }
}
