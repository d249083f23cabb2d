//! Where a body stands in a file.

use std::ops::ControlFlow;

use watchglass_database::body::{Body, Gap, Part};

use crate::needle::Needle;
use crate::part;
use crate::scratch::{Buffers, Span};
use crate::work::{OutOfWork, Work};

/// Spans that one part may leave for the next. Past these the file is made to be slow.
const MAX_SPANS: usize = 1 << 16;
/// Starts that are tried one by one, because a search has to be set up.
const FEW_STARTS: usize = 16;

/// Calls `found` for each place where the last part of a body stands with all parts before it, in
/// rising order, with the place of its first part. The first part begins in `buffers.starts`, which
/// are in order and apart.
///
/// The ends that a part can have are a set of places, from which the next part may begin; behind a
/// gap without bound the first of them stands for all. So nothing is tried twice.
pub(crate) fn search(
    body: Body<'_>,
    bytes: &[u8],
    buffers: &mut Buffers,
    work: &mut Work<'_>,
    found: &mut dyn FnMut(Place) -> ControlFlow<()>,
) -> Result<(), OutOfWork> {
    let mut parts = body.parts().peekable();
    let mut head = None;
    while let Some((_, part)) = parts.next() {
        let Some((gap, _)) = parts.peek() else {
            return each_match(&part, bytes, buffers, work, &mut |start, _, _| {
                let place = Place { start: head.unwrap_or(start), last_part: start };
                Ok(if found(place).is_break() { NO_MORE } else { ALL })
            });
        };
        let gap = *gap;
        let mut first_end = usize::MAX;
        each_match(&part, bytes, buffers, work, &mut |start, ends, next| {
            head.get_or_insert(start);
            if gap.max.is_none() {
                first_end = ends.iter().copied().fold(first_end, usize::min);
                // No start from there on ends before it.
                return Ok(first_end.saturating_sub(1));
            }
            next.extend(ends.iter().filter_map(|end| behind(*end, gap)));
            if next.len() > MAX_SPANS {
                join(next)?;
            }
            Ok(ALL)
        })?;
        if first_end != usize::MAX {
            buffers.next.extend(behind(first_end, gap));
        }
        join(&mut buffers.next)?;
        std::mem::swap(&mut buffers.starts, &mut buffers.next);
        if buffers.starts.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// Where a body was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where its first part stands.
    pub(crate) start: usize,
    /// Where its last part does.
    pub(crate) last_part: usize,
}

/// Where a part may begin that stands a gap behind an end.
fn behind(end: usize, gap: Gap) -> Option<Span> {
    let first = end.checked_add(usize::try_from(gap.min).ok()?)?;
    let last = match gap.max {
        Some(max) => end.saturating_add(usize::try_from(max).ok()?),
        None => usize::MAX,
    };
    (first <= last).then_some(Span { first, last })
}

/// Sorts spans and joins those that touch.
fn join(spans: &mut Vec<Span>) -> Result<(), OutOfWork> {
    spans.sort_unstable();
    spans.dedup_by(|next, before| {
        let touches = next.first <= before.last.saturating_add(1);
        if touches {
            before.last = before.last.max(next.last);
        }
        touches
    });
    // Half of them free, or joining would be all that is done.
    if spans.len() > MAX_SPANS / 2 { Err(OutOfWork::Steps) } else { Ok(()) }
}

/// Told of a start of a part and of the ends it has there; collects spans for the next part. Says the
/// last start that is still of interest.
type OnMatch<'m> = dyn FnMut(usize, &[usize], &mut Vec<Span>) -> Result<usize, OutOfWork> + 'm;

const ALL: usize = usize::MAX;
const NO_MORE: usize = 0;

/// Calls `matched` for each start in `buffers.starts` at which a part stands. Leaves what that
/// collects in `buffers.next`.
fn each_match(
    part: &Part<'_>,
    bytes: &[u8],
    buffers: &mut Buffers,
    work: &mut Work<'_>,
    matched: &mut OnMatch<'_>,
) -> Result<(), OutOfWork> {
    let Buffers { starts, next, lists, .. } = buffers;
    next.clear();
    let mut ends = lists.take();
    let (mut needle, mut limit) = (None, ALL);
    for span in starts.iter() {
        let mut at = span.first;
        loop {
            let last = span.last.min(bytes.len()).min(limit);
            if at > last {
                break;
            }
            if last.saturating_sub(at) >= FEW_STARTS
                && let Some(needle) = needle.get_or_insert_with(|| Needle::of(part))
            {
                let start = needle.next_start(bytes, Span { first: at, last });
                let passed = start.unwrap_or(last).saturating_sub(at);
                // A search looks at some 16 bytes in the time of a step.
                work.spend_count(passed / 16)?;
                match start {
                    Some(start) => at = start,
                    None => break,
                }
            }
            work.spend(1)?;
            part::ends(part, bytes, at, &mut ends, lists, work)?;
            if !ends.is_empty() {
                limit = limit.min(matched(at, &ends, next)?);
            }
            at = at.saturating_add(1);
        }
    }
    lists.give(ends);
    Ok(())
}
