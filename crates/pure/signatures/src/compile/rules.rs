//! From what a rule needs to the signature by which it is noticed.

use crate::body::Body;
use crate::logical::{
    Case, Comparison, Content, GroupTest, Logic, Operator, Relation, Subsignature,
};
use crate::offset::Offset;
use crate::rule::{Found, Need};

/// What a signature asks for.
#[derive(Debug)]
pub(super) struct Lowered {
    /// The size of the file.
    pub(super) size: Option<(u32, u32)>,
    /// By this it is noticed; without it, always.
    pub(super) noticed: Option<Logic>,
    /// This is evaluated when it was.
    pub(super) evaluated: Logic,
    pub(super) subsignatures: Vec<Subsignature>,
}

/// Sub-signatures, one of which stands for nothing.
const MAX_LEAVES: usize = 63;
/// Bodies that are searched for before a rule is run. With more of them, running it costs less.
const MAX_SEARCHED: usize = 24;

/// The signature of a need; nothing where it is never met.
pub(super) fn lower(need: Need) -> Option<Lowered> {
    let (size, need) = match need.simplified() {
        Need::Never => return None,
        Need::Size { min, max } => (Some((min, max)), Need::Anything),
        Need::All(of) => {
            let is_size = |need: &Need| matches!(need, Need::Size { .. });
            let (sizes, others): (Vec<_>, Vec<_>) = of.into_iter().partition(is_size);
            let size = sizes.into_iter().find_map(|need| match need {
                Need::Size { min, max } => Some((min, max)),
                _ => None,
            });
            (size, Need::All(others).simplified())
        }
        other => (None, other),
    };
    // A size that the database cannot hold is that of no file that is scanned.
    let size = size.map(|(min, max)| (clamped(min), clamped(max)));
    let mut leaves = Leaves::default();
    let noticed = leaves.logic(fitting(need));
    let nothing = Content { offset: Offset::Any, case: Case::Exact, bodies: Vec::new() };
    let index = u8::try_from(leaves.0.len()).ok()?;
    let searched = leaves.bodies();
    leaves.0.push(Subsignature::Content(nothing));
    let holds = || Logic::Subsignature {
        index,
        test: Some(Comparison { relation: Relation::Less, count: 1 }),
    };
    let evaluated = match &noticed {
        // Its anchor's part stands there, and what else belongs to it the rule itself says.
        None => holds(),
        Some(Logic::Subsignature { index, .. }) if leaves.is_anywhere(*index) => holds(),
        Some(_) if searched > MAX_SEARCHED => holds(),
        Some(logic) => logic.clone(),
    };
    Some(Lowered { size, noticed, evaluated, subsignatures: leaves.0 })
}

fn clamped(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// The same need, or a weaker one with so few leaves that a signature can have them.
fn fitting(need: Need) -> Need {
    if leaves(&need) <= MAX_LEAVES {
        return need;
    }
    match need {
        Need::All(mut of) => {
            of.sort_by_key(leaves);
            let mut left = MAX_LEAVES;
            let fits = |need: &Need| {
                let rest = left.checked_sub(leaves(need));
                left = rest.unwrap_or(left);
                rest.is_some()
            };
            Need::All(of.into_iter().filter(fits).collect()).simplified()
        }
        Need::Some { of, .. } => {
            let one = Need::Some { count: 1, of: of.into_iter().map(weakest).collect() };
            let one = one.simplified();
            if leaves(&one) <= MAX_LEAVES { one } else { Need::Anything }
        }
        other => other,
    }
}

/// One thing that must be found for a need to be met.
fn weakest(need: Need) -> Need {
    match need {
        Need::All(of) => {
            let mut of = of.into_iter().map(weakest);
            let first = of.next().unwrap_or(Need::Anything);
            of.fold(first, |one, other| if leaves(&other) < leaves(&one) { other } else { one })
        }
        Need::Some { of, .. } => {
            Need::Some { count: 1, of: of.into_iter().map(weakest).collect() }.simplified()
        }
        other => other,
    }
}

fn leaves(need: &Need) -> usize {
    match need {
        Need::All(of) | Need::Some { of, .. } => {
            of.iter().map(leaves).fold(0, usize::saturating_add)
        }
        Need::Found(_) => 1,
        Need::Anything | Need::Never | Need::Size { .. } => 0,
    }
}

/// Sub-signatures, each named by one leaf: so many needs that are met have so many distinct leaves at
/// least.
#[derive(Default)]
struct Leaves(Vec<Subsignature>);

impl Leaves {
    /// An expression; nothing for a need that is always met.
    fn logic(&mut self, need: Need) -> Option<Logic> {
        match need {
            Need::Found(found) => Some(Logic::Subsignature { index: self.add(found)?, test: None }),
            Need::All(of) => {
                let all = of.into_iter().filter_map(|need| self.logic(need));
                all.reduce(|left, right| pair(Operator::And, left, right, None))
            }
            Need::Some { count, of } => {
                let of: Option<Vec<Logic>> = of.into_iter().map(|need| self.logic(need)).collect();
                let mut of = of?.into_iter();
                let last = of.next_back()?;
                let test = (count > 1).then(|| GroupTest {
                    sum: Comparison { relation: Relation::More, count: count.saturating_sub(1) },
                    distinct: count,
                });
                let Some(rest) = of.reduce(|left, right| pair(Operator::Or, left, right, None))
                else {
                    return Some(last);
                };
                Some(pair(Operator::Or, rest, last, test))
            }
            Need::Anything | Need::Never | Need::Size { .. } => None,
        }
    }

    fn add(&mut self, found: Found) -> Option<u8> {
        let Found { offset, case, bodies } = found;
        let index = u8::try_from(self.0.len()).ok()?;
        self.0.push(Subsignature::Content(Content { offset, case, bodies }));
        Some(index)
    }

    fn is_anywhere(&self, index: u8) -> bool {
        let leaf = self.0.get(usize::from(index));
        leaf.is_some_and(
            |leaf| matches!(leaf, Subsignature::Content(content) if content.offset == Offset::Any),
        )
    }

    fn bodies(&self) -> usize {
        let of = |one: &Subsignature| match one {
            Subsignature::Content(content) => content.bodies.iter().map(parts).sum(),
            _ => 0,
        };
        self.0.iter().map(of).fold(0, usize::saturating_add)
    }
}

fn parts(body: &Body) -> usize {
    body.parts().count()
}

fn pair(operator: Operator, left: Logic, right: Logic, test: Option<GroupTest>) -> Logic {
    Logic::Pair { operator, left: left.into(), right: right.into(), test }
}
