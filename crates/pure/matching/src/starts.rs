//! Where in an object an offset lets a pattern begin.

use watchglass_database::offset::{Offset, Place};
use watchglass_formats::Facts;

use crate::scratch::Span;

/// Leaves in `starts` where a pattern with this offset may begin, in order and apart; nothing where the
/// object has no such place.
pub(crate) fn fill(starts: &mut Vec<Span>, offset: Offset, size: usize, facts: &Facts<'_>) {
    starts.clear();
    match offset {
        Offset::Any => starts.push(Span { first: 0, last: size }),
        Offset::At { place: Place::VersionInfo, .. } => {
            let strings = facts.version_info().map(|info| info.strings).unwrap_or_default();
            let places = strings.iter().map(|string| string.offset);
            starts.extend(places.map(|place| Span { first: place, last: place }));
            starts.sort_unstable();
            starts.dedup();
        }
        Offset::At { place, max_shift } => {
            let span = place_of(place, size, facts);
            let behind = |last: u64| last.saturating_add(max_shift.into()).min(to_u64(size));
            starts.extend(span.and_then(|(first, last)| {
                let span = Span {
                    first: usize::try_from(first).ok()?,
                    last: usize::try_from(behind(last)).ok()?,
                };
                (span.first <= span.last).then_some(span)
            }));
        }
    }
}

/// The first and the last byte of a place.
fn place_of(place: Place, size: usize, facts: &Facts<'_>) -> Option<(u64, u64)> {
    let section = |index| facts.section(usize::try_from(index).ok()?);
    let first = match place {
        Place::Start(distance) => distance.into(),
        Place::End(distance) => to_u64(size).checked_sub(distance.into())?,
        Place::BehindEntry(distance) => facts.entry_point()?.checked_add(distance.into())?,
        Place::BeforeEntry(distance) => facts.entry_point()?.checked_sub(distance.into())?,
        Place::Section { index, distance } => {
            section(index)?.offset.checked_add(distance.into())?
        }
        Place::LastSection(distance) => {
            facts.last_section()?.offset.checked_add(distance.into())?
        }
        Place::InSection(index) => {
            let section = section(index)?;
            return Some((section.offset, section.offset.checked_add(section.size)?));
        }
        Place::VersionInfo => return None,
    };
    Some((first, first))
}

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
