//! Whether a part of a body stands at a place, and where it ends there.

use watchglass_database::body::{Item, Items, Near, Options, Part, Position};

use crate::class;
use crate::scratch::Lists;
use crate::work::{OutOfWork, Work};

/// How deep choices may lie in each other: one, with 15 in it.
const MAX_DEPTH: u32 = 16;

/// Leaves in `ends` each place where the part that begins at `start` may end, in rising order.
pub(crate) fn ends(
    part: &Part<'_>,
    bytes: &[u8],
    start: usize,
    ends: &mut Vec<usize>,
    lists: &mut Lists,
    work: &mut Work<'_>,
) -> Result<(), OutOfWork> {
    ends.clear();
    ends.push(start);
    run(part.items, bytes, ends, MAX_DEPTH, lists, work)?;
    let around = &part.neighbours;
    let fits_left = around.left.is_none_or(|class| class::is_left_of(bytes, start, class))
        && around.before.is_none_or(|near| stands_before(bytes, start, near));
    if !fits_left {
        ends.clear();
    }
    ends.retain(|end| {
        around.right.is_none_or(|edge| class::is_right_of(bytes, *end, edge))
            && around.after.is_none_or(|near| stands_behind(bytes, *end, near))
    });
    Ok(())
}

/// Takes each of the places `at` behind all items, or drops it.
fn run(
    mut items: Items<'_>,
    bytes: &[u8],
    at: &mut Vec<usize>,
    depth: u32,
    lists: &mut Lists,
    work: &mut Work<'_>,
) -> Result<(), OutOfWork> {
    while !at.is_empty()
        && let Some(item) = items.next()
    {
        work.spend_count(at.len())?;
        match item {
            Item::Choice { negated: false, options } => {
                one_of(options, bytes, at, depth, lists, work)?;
            }
            Item::Choice { negated: true, options } => {
                at.retain_mut(|place| pass(place, none_of(options, bytes, *place)));
            }
            simple => at.retain_mut(|place| pass(place, length(&simple, bytes, *place))),
        }
    }
    // What could not be read matches nothing.
    if !items.is_at_end() {
        at.clear();
    }
    Ok(())
}

/// Moves a place behind what stands there; whether anything does.
fn pass(place: &mut usize, length: Option<usize>) -> bool {
    let behind = length.and_then(|length| place.checked_add(length));
    *place = behind.unwrap_or(*place);
    behind.is_some()
}

/// How many bytes of a file an item takes at a place; `None` where it does not stand there.
fn length(item: &Item<'_>, bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    match item {
        Item::Bytes(wanted) => rest.starts_with(wanted).then_some(wanted.len()),
        Item::Folded(wanted) => {
            rest.get(..wanted.len())?.eq_ignore_ascii_case(wanted).then_some(wanted.len())
        }
        Item::Any(count) => {
            let count = usize::try_from(*count).ok()?;
            (count <= rest.len()).then_some(count)
        }
        Item::High(half) => (rest.first()? >> 4 == *half).then_some(1),
        Item::Low(half) => (rest.first()? & 0xf == *half).then_some(1),
        Item::Class(edge) => class::length(bytes, at, *edge),
        Item::Choice { .. } => None,
    }
}

/// Takes each place behind each option that stands there.
fn one_of(
    options: Options<'_>,
    bytes: &[u8],
    at: &mut Vec<usize>,
    depth: u32,
    lists: &mut Lists,
    work: &mut Work<'_>,
) -> Result<(), OutOfWork> {
    let Some(depth) = depth.checked_sub(1) else {
        at.clear();
        return Ok(());
    };
    let (mut all, mut of_one) = (lists.take(), lists.take());
    for option in options {
        of_one.clone_from(at);
        work.spend_count(of_one.len())?;
        run(option, bytes, &mut of_one, depth, lists, work)?;
        all.append(&mut of_one);
    }
    all.sort_unstable();
    all.dedup();
    std::mem::swap(at, &mut all);
    lists.give(all);
    lists.give(of_one);
    Ok(())
}

/// As many bytes as an option has, where none of them stands. Options are plain bytes here.
fn none_of(options: Options<'_>, bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let mut length = None;
    for mut option in options {
        let Some(Item::Bytes(unwanted)) = option.next() else {
            return None;
        };
        if rest.starts_with(unwanted) {
            return None;
        }
        length = Some(unwanted.len());
    }
    length.filter(|length| *length <= rest.len())
}

/// Whether a position stands some bytes before a part.
fn stands_before(bytes: &[u8], start: usize, near: Near) -> bool {
    (near.min..=near.max).any(|between| {
        let place = start.checked_sub(usize::from(between)).and_then(|at| at.checked_sub(1));
        place.and_then(|at| bytes.get(at)).is_some_and(|byte| is_at(*byte, near.position))
    })
}

/// Whether a position stands some bytes behind a part.
fn stands_behind(bytes: &[u8], end: usize, near: Near) -> bool {
    (near.min..=near.max).any(|between| {
        let place = end.checked_add(usize::from(between));
        place.and_then(|at| bytes.get(at)).is_some_and(|byte| is_at(*byte, near.position))
    })
}

fn is_at(byte: u8, position: Position) -> bool {
    match position {
        Position::Byte(wanted) => byte == wanted,
        Position::Any => true,
        Position::High(half) => byte >> 4 == half,
        Position::Low(half) => byte & 0xf == half,
    }
}
