//! Which sub-signatures announce an expression.

use super::window::{RARE, Window, heads, windows};
use crate::body::Body;
use crate::logical::{Case, Comparison, Logic, Operator, Relation, Subsignature};
use crate::offset::{Offset, Place};

/// What announces a body: it is in no file where none of this is.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// One of these windows, whichever is chosen. There is one at least.
    Window(Vec<Window>),
    /// The file begins by one of these.
    Head(Vec<[u8; 2]>),
}

/// Of each body of a sub-signature, one of which must be found.
pub(super) type Announced = Vec<Notice>;

/// What a head weighs: as much as four bytes that come once in a megabyte.
const HEAD_WEIGHT: u64 = 1 << 20;

impl Notice {
    /// The cheapest notice of a body. Only where it has no rare window is the start of the file looked
    /// at, if it stands there: many bodies begin by one of a few numbers.
    pub(super) fn of(body: &Body, case: Case, offset: Offset) -> Option<Self> {
        let windows = windows(body, case);
        let is_rare = windows.first().is_some_and(|best| best.weight <= RARE);
        let at_start = Offset::At { place: Place::Start(0), max_shift: 0 };
        let heads = if is_rare || offset != at_start { Vec::new() } else { heads(body, case) };
        match (windows.is_empty(), heads.is_empty()) {
            (_, false) => Some(Self::Head(heads)),
            (false, true) => Some(Self::Window(windows)),
            (true, true) => None,
        }
    }

    fn weight(&self) -> u64 {
        match self {
            Self::Window(windows) => windows.first().map_or(u64::MAX, |best| best.weight),
            Self::Head(_) => HEAD_WEIGHT,
        }
    }
}

/// Sub-signatures of which at least one is found in each file where an expression holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    /// A bit for each.
    pub(super) subsignatures: u64,
    /// How often one is expected in clean files.
    weight: u64,
}

/// The cheapest trigger of an expression; `None` where it may hold with nothing found, or where what
/// must be found cannot be noticed.
///
/// `announced` has for each sub-signature what announces it, `None` where nothing does.
pub(super) fn of(
    logic: &Logic,
    subsignatures: &[Subsignature],
    announced: &[Option<Announced>],
) -> Option<Trigger> {
    match logic {
        Logic::Subsignature { index, test } if needs_one(*test) => {
            of_subsignature(*index, subsignatures, announced)
        }
        Logic::Subsignature { .. } => None,
        Logic::Pair { operator, left, right, .. } => {
            let left = of(left, subsignatures, announced);
            let right = of(right, subsignatures, announced);
            match operator {
                Operator::And => left.into_iter().chain(right).min_by_key(|one| one.weight),
                Operator::Or => left.zip(right).map(|(left, right)| left.with(right)),
            }
        }
    }
}

/// Whether a test fails of a sub-signature that is not found.
fn needs_one(test: Option<Comparison>) -> bool {
    test.is_none_or(|test| match test.relation {
        Relation::Equal => test.count != 0,
        Relation::More => true,
        Relation::Less => false,
    })
}

/// What must be found before this one is looked at, or itself. What it points to lies before it or
/// is bytes, so this ends.
fn of_subsignature(
    index: u8,
    subsignatures: &[Subsignature],
    announced: &[Option<Announced>],
) -> Option<Trigger> {
    match subsignatures.get(usize::from(index))? {
        Subsignature::Content(_) => {
            let bodies = announced.get(usize::from(index))?.as_ref()?;
            let weight = bodies.iter().map(Notice::weight).fold(0, u64::saturating_add);
            Some(Trigger { subsignatures: 1_u64.checked_shl(index.into())?, weight })
        }
        Subsignature::Regex(regex) => of(&regex.trigger, subsignatures, announced),
        Subsignature::ByteCompare(compare) => {
            match subsignatures.get(usize::from(compare.subsignature)) {
                Some(Subsignature::Content(_)) => {
                    of_subsignature(compare.subsignature, subsignatures, announced)
                }
                _ => None,
            }
        }
        Subsignature::Macro(_) => {
            let before = index.checked_sub(1)?;
            match subsignatures.get(usize::from(before))? {
                Subsignature::Content(_) => of_subsignature(before, subsignatures, announced),
                _ => None,
            }
        }
        Subsignature::FuzzyImage(_) => None,
    }
}

impl Trigger {
    fn with(self, other: Self) -> Self {
        Self {
            subsignatures: self.subsignatures | other.subsignatures,
            weight: self.weight.saturating_add(other.weight),
        }
    }
}
