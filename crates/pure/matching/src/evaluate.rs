//! Whether a signature holds for an object.

use std::ops::ControlFlow;

use watchglass_database::logic::{Logic, MAX_DEPTH, Node, Operator};
use watchglass_database::offset::Offset;
use watchglass_database::signature::{Bodies, Logical, Regex, Signature, Subsignature};

use crate::condition::Then;
use crate::regex::Sought;
use crate::scan::Object;
use crate::scratch::{Buffers, Span};
use crate::search::{Place, search};
use crate::work::{OutOfWork, Work};
use crate::{byte_compare, condition, starts};

/// Sub-signatures of a signature.
const MAX_SUBSIGNATURES: usize = 64;
/// Matches of the sub-signature before a macro that are looked at.
const MAX_BEFORE_MACRO: usize = 1 << 14;

/// The evaluation of one signature.
pub(crate) struct Evaluation<'e, 'w> {
    pub(crate) object: &'e Object<'e>,
    pub(crate) buffers: &'e mut Buffers,
    pub(crate) work: &'e mut Work<'w>,
}

/// How a signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matched<'a> {
    pub(crate) offset: Option<u64>,
    /// What is left to be asked and to be done.
    pub(crate) then: Then<'a>,
}

/// Whether a number must be known, or only whether it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Any,
    All,
}

/// What was found of a sub-signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    count: u32,
    /// The start of the last match.
    last: usize,
}

/// The counts of sub-signatures that made an expression hold.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sum: u32,
    /// A bit for each that is named.
    named: u64,
}

type Known = [Option<(Wanted, Found)>; MAX_SUBSIGNATURES];

impl Evaluation<'_, '_> {
    pub(crate) fn of<'a>(
        mut self,
        signature: &Signature<'a>,
    ) -> Result<Option<Matched<'a>>, OutOfWork> {
        match signature {
            Signature::Body(offset, body) => {
                self.starts(*offset);
                let mut first = None;
                search(*body, self.object.bytes, self.buffers, self.work, &mut |place| {
                    first = Some(place.start);
                    ControlFlow::Break(())
                })?;
                let offset = first.and_then(|first| u64::try_from(first).ok());
                Ok(first.map(|_| Matched { offset, then: Then::default() }))
            }
            Signature::Logical(logical) => {
                let Some(then) = condition::hold(logical.conditions(), self.object) else {
                    return Ok(None);
                };
                let mut known = [None; MAX_SUBSIGNATURES];
                let held =
                    self.logic(logical, logical.logic, Wanted::Any, MAX_DEPTH, &mut known)?;
                Ok(held.map(|_| Matched { offset: None, then }))
            }
        }
    }

    fn starts(&mut self, offset: Offset) {
        let Object { bytes, facts, .. } = self.object;
        starts::fill(&mut self.buffers.starts, offset, bytes.len(), facts);
    }

    /// The counts that make an expression hold; `None` where it does not, or is broken.
    fn logic(
        &mut self,
        logical: &Logical<'_>,
        logic: Logic<'_>,
        wanted: Wanted,
        depth: u32,
        known: &mut Known,
    ) -> Result<Option<Counts>, OutOfWork> {
        self.work.spend(1)?;
        let (Some(depth), Some(node)) = (depth.checked_sub(1), logic.node()) else {
            return Ok(None);
        };
        match node {
            Node::Leaf { index, test } => {
                let wanted = if test.is_some() { Wanted::All } else { wanted };
                let count = self.subsignature(logical, index, wanted, known)?.count;
                let holds = test.map_or(count != 0, |test| test.holds(count));
                let named = 1_u64.checked_shl(index.into()).unwrap_or(0);
                Ok(holds.then_some(Counts { sum: count, named }))
            }
            Node::Pair { operator, left, right, test } => {
                let wanted = if test.is_some() { Wanted::All } else { wanted };
                let left = self.logic(logical, left, wanted, depth, known)?;
                let is_decided = match operator {
                    Operator::And => left.is_none(),
                    Operator::Or => left.is_some() && wanted == Wanted::Any,
                };
                let right = if is_decided {
                    None
                } else {
                    self.logic(logical, right, wanted, depth, known)?
                };
                let both = match (operator, left, right) {
                    (_, Some(left), Some(right)) => Some(left.and(right)),
                    (Operator::And, ..) => None,
                    (Operator::Or, left, right) => left.or(right),
                };
                // ClamAV tests the counts alone: a group that does not hold has none.
                Ok(match test {
                    None => both,
                    Some(test) => Some(both.unwrap_or_default()).filter(|counts| {
                        test.sum.holds(counts.sum) && counts.named.count_ones() >= test.distinct
                    }),
                })
            }
        }
    }

    /// What is found of a sub-signature, each thing searched for once.
    fn subsignature(
        &mut self,
        logical: &Logical<'_>,
        index: u8,
        wanted: Wanted,
        known: &mut Known,
    ) -> Result<Found, OutOfWork> {
        if let Some(Some((held, found))) = known.get(usize::from(index))
            && *held >= wanted
        {
            return Ok(*found);
        }
        let found = match logical.subsignature(index) {
            Some(Subsignature::Content(offset, bodies)) => self.content(offset, bodies, wanted)?,
            Some(Subsignature::Regex(regex)) => self.regex(logical, index, &regex, known)?,
            Some(Subsignature::ByteCompare(compare)) => {
                // Of bytes alone: what points to itself is never found.
                let of = compare.subsignature;
                let before = match logical.subsignature(of) {
                    Some(Subsignature::Content(..)) => {
                        self.subsignature(logical, of, Wanted::All, known)?
                    }
                    _ => Found::default(),
                };
                let holds = before.count != 0
                    && byte_compare::holds(&compare, self.object.bytes, before.last);
                Found { count: holds.into(), last: before.last }
            }
            Some(Subsignature::Macro { min, max, bodies }) => {
                self.behind(logical, index, (min, max), bodies)?
            }
            None => Found::default(),
        };
        if let Some(known) = known.get_mut(usize::from(index)) {
            *known = Some((wanted, found));
        }
        Ok(found)
    }

    fn content(
        &mut self,
        offset: Offset,
        bodies: Bodies<'_>,
        wanted: Wanted,
    ) -> Result<Found, OutOfWork> {
        let mut found = Found::default();
        for body in bodies {
            self.starts(offset);
            search(body, self.object.bytes, self.buffers, self.work, &mut |place| {
                found.add(place);
                flow(wanted)
            })?;
            if found.count != 0 && wanted == Wanted::Any {
                break;
            }
        }
        Ok(found)
    }

    /// What is found of a regular expression, if its trigger holds.
    fn regex(
        &mut self,
        logical: &Logical<'_>,
        index: u8,
        regex: &Regex<'_>,
        known: &mut Known,
    ) -> Result<Found, OutOfWork> {
        // A trigger is of sub-signatures before; one that names itself finds nothing.
        if let Some(known) = known.get_mut(usize::from(index)) {
            *known = Some((Wanted::All, Found::default()));
        }
        if self.logic(logical, regex.trigger, Wanted::Any, MAX_DEPTH, known)?.is_none() {
            return Ok(Found::default());
        }
        self.starts(regex.offset);
        let Buffers { starts, expressions, gave_up, .. } = &mut *self.buffers;
        let Regex { offset, flags, pattern, .. } = *regex;
        let sought = Sought { offset, flags, pattern };
        let counted = expressions.search(&sought, self.object.bytes, starts, self.work)?;
        *gave_up |= !counted.ended;
        Ok(Found { count: counted.count, last: counted.last })
    }

    /// What is found of bodies that begin some bytes behind a match of the sub-signature before.
    fn behind(
        &mut self,
        logical: &Logical<'_>,
        index: u8,
        (min, max): (u32, u32),
        bodies: Bodies<'_>,
    ) -> Result<Found, OutOfWork> {
        let before = index.checked_sub(1).and_then(|before| logical.subsignature(before));
        let Some(Subsignature::Content(offset, of_before)) = before else {
            return Ok(Found::default());
        };
        let mut places = self.buffers.lists.take();
        for body in of_before {
            self.starts(offset);
            search(body, self.object.bytes, self.buffers, self.work, &mut |place| {
                places.push(place.start);
                if places.len() < MAX_BEFORE_MACRO { flow(Wanted::All) } else { flow(Wanted::Any) }
            })?;
        }
        places.sort_unstable();
        let mut found = Found::default();
        for body in bodies {
            for place in &places {
                let behind = |distance| place.checked_add(usize::try_from(distance).ok()?);
                let Some((first, last)) = behind(min).zip(behind(max)) else { continue };
                self.buffers.starts.clear();
                self.buffers.starts.extend((first <= last).then_some(Span { first, last }));
                search(body, self.object.bytes, self.buffers, self.work, &mut |place| {
                    found.add(place);
                    ControlFlow::Break(())
                })?;
            }
        }
        self.buffers.lists.give(places);
        Ok(found)
    }
}

/// Whether to search on.
fn flow(wanted: Wanted) -> ControlFlow<()> {
    match wanted {
        Wanted::Any => ControlFlow::Break(()),
        Wanted::All => ControlFlow::Continue(()),
    }
}

impl Found {
    fn add(&mut self, place: Place) {
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(place.start);
    }
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self { sum: self.sum.saturating_add(other.sum), named: self.named | other.named }
    }
}
