//! Which sub-signatures announce an expression.

use super::window::{RARE, Window, heads, windows};
use crate::body::Body;
use crate::logical::{Case, Comparison, Content, Logic, Operator, Relation, Subsignature};
use crate::offset::{Offset, Place};

/// What announces a body: it is in no file where none of this is.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// One of these windows, whichever is chosen. There is one at least.
    Window(Vec<Window>),
    /// The file begins by one of these.
    Head(Vec<[u8; 2]>),
}

/// What announces the bodies of a sub-signature, one of which must be found.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) notices: Vec<Notice>,
    /// How often one is expected in 2^40 bytes of clean files.
    weight: u64,
}

/// What the start of a file weighs: as much as four bytes that come once in a megabyte.
const START_WEIGHT: u64 = 1 << 20;
/// What it weighs where many clean files begin so, however rare that is elsewhere: as much as four bytes
/// that come once in 32 KB.
const COMMON_START_WEIGHT: u64 = 1 << 25;
/// What it weighs for a rule: as much as four bytes that come once in a kilobyte. Whatever is searched for
/// costs less than running the rule on each file that begins so.
pub(super) const RULE_START_WEIGHT: u64 = 1 << 30;
/// By what programs, archives, documents, scripts and pages begin.
const COMMON_STARTS: &[&[u8; 2]] = &[
    b"MZ",
    b"\x7fE",
    b"PK",
    b"\x1f\x8b",
    b"\xd0\xcf",
    b"%P",
    b"{\\",
    b"#!",
    b"<?",
    b"<!",
    b"<h",
    b"<H",
    b"GI",
    b"\x89P",
    b"\xff\xd8",
    b"FW",
    b"CW",
    b"BM",
    b"ID",
    b"RI",
];

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
            Self::Head(_) => START_WEIGHT,
        }
    }
}

impl Announced {
    /// `None` where one of the bodies cannot be noticed. The start of a file weighs `start_weight` where
    /// it is all that announces one, if not what is usual.
    pub(super) fn of(content: &Content, start_weight: Option<u64>) -> Option<Self> {
        let Content { bodies, case, offset } = content;
        let notices: Option<Vec<_>> =
            bodies.iter().map(|body| Notice::of(body, *case, *offset)).collect();
        let notices = notices?;
        let weight = notices.iter().map(Notice::weight).fold(0, u64::saturating_add);
        let is_start = |notice: &Notice| matches!(notice, Notice::Head(_));
        let least = match start_weight {
            Some(least) if notices.iter().any(is_start) => least,
            None if begins_commonly(content) => COMMON_START_WEIGHT,
            _ => 0,
        };
        Some(Self { notices, weight: weight.max(least) })
    }
}

/// Whether one of the bodies stands at the start of a file, and many clean files begin so.
fn begins_commonly(Content { bodies, case, offset }: &Content) -> bool {
    let is_at_start = matches!(offset, Offset::At { place: Place::Start(0), .. });
    let mut starts = bodies.iter().filter(|_| is_at_start).flat_map(|body| heads(body, *case));
    starts.any(|start| COMMON_STARTS.contains(&&start))
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
        // A group's test holds of its counts alone: of none, if it says so.
        Logic::Pair { test: Some(test), .. }
            if test.distinct == 0 && !needs_one(Some(test.sum)) =>
        {
            None
        }
        Logic::Pair { operator: Operator::Or, left, right, test: Some(test) }
            if test.distinct > 1 =>
        {
            let mut all = Vec::new();
            let is_flat = leaves(left, &mut all) && leaves(right, &mut all);
            let found = all.iter().map(|leaf| of(leaf, subsignatures, announced));
            let found: Option<Vec<_>> = found.collect();
            rarest(found?, if is_flat { test.distinct } else { 1 })
        }
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

/// The same expression, of both that must hold the cheaper first: what does not hold there ends the
/// evaluation.
pub(super) fn cheapest_first(
    logic: &Logic,
    subsignatures: &[Subsignature],
    announced: &[Option<Announced>],
) -> Logic {
    match logic {
        Logic::Subsignature { .. } => logic.clone(),
        Logic::Pair { operator, left, right, test } => {
            let cost = |side| cost(side, subsignatures, announced);
            let sides = match operator {
                Operator::And if cost(right) < cost(left) => [right, left],
                _ => [left, right],
            };
            let [left, right] =
                sides.map(|side| Box::new(cheapest_first(side, subsignatures, announced)));
            Logic::Pair { operator: *operator, left, right, test: *test }
        }
    }
}

/// What it takes to say that an expression does not hold, and how seldom that has to go on.
fn cost(
    logic: &Logic,
    subsignatures: &[Subsignature],
    announced: &[Option<Announced>],
) -> (Effort, u64) {
    let weight = of(logic, subsignatures, announced).map_or(u64::MAX, |trigger| trigger.weight);
    (effort(logic, subsignatures), weight)
}

fn effort(logic: &Logic, subsignatures: &[Subsignature]) -> Effort {
    match logic {
        Logic::Pair { operator: Operator::And, left, right, test: None } => {
            effort(left, subsignatures).min(effort(right, subsignatures))
        }
        Logic::Pair { left, right, .. } => {
            effort(left, subsignatures).max(effort(right, subsignatures))
        }
        Logic::Subsignature { index, .. } => match subsignatures.get(usize::from(*index)) {
            Some(Subsignature::Content(content)) if content.offset != Offset::Any => Effort::Look,
            Some(Subsignature::Content(_)) => Effort::Search,
            _ => Effort::Derive,
        },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effort {
    /// One place is looked at.
    Look,
    /// The file is searched.
    Search,
    /// Other sub-signatures come first, and then an expression.
    Derive,
}

/// The expressions that an alternative is one of. Whether each is a sub-signature alone.
fn leaves<'l>(logic: &'l Logic, all: &mut Vec<&'l Logic>) -> bool {
    match logic {
        Logic::Pair { operator: Operator::Or, left, right, test: None } => {
            let left = leaves(left, all);
            leaves(right, all) && left
        }
        Logic::Subsignature { .. } => {
            all.push(logic);
            true
        }
        Logic::Pair { .. } => {
            all.push(logic);
            false
        }
    }
}

/// Of triggers of which some distinct ones are needed, so many of the rarest that one is among them:
/// if 7 of 15 must be found, one of any 9 is.
fn rarest(mut triggers: Vec<Trigger>, needed: u32) -> Option<Trigger> {
    triggers.sort_by_key(|trigger| (trigger.subsignatures, trigger.weight));
    // A sub-signature that is named twice counts once.
    triggers.dedup();
    triggers.sort_by_key(|trigger| (trigger.weight, trigger.subsignatures));
    let spare = usize::try_from(needed.saturating_sub(1)).unwrap_or(usize::MAX);
    let kept = triggers.len().saturating_sub(spare).max(1);
    triggers.into_iter().take(kept).reduce(Trigger::with)
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
            let weight = announced.get(usize::from(index))?.as_ref()?.weight;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Signature};

    /// The sub-signatures that announce an expression over four, the first the rarest.
    fn trigger(logic: &str) -> Option<u64> {
        let line = format!("A;Target:0;{logic};717a317a;c79a5d3f11ee;746865206f66;00000000");
        let Ok(Signature::Logical(read)) = Signature::parse(Format::Logical, line.as_bytes())
        else {
            panic!("{logic}");
        };
        let announced = read.subsignatures.iter().map(|of| match of {
            Subsignature::Content(content) => Announced::of(content, None),
            _ => None,
        });
        let announced: Vec<_> = announced.collect();
        of(&read.logic, &read.subsignatures, &announced).map(|trigger| trigger.subsignatures)
    }

    #[test]
    fn of_both_the_rarer_and_of_either_both() {
        assert_eq!(trigger("0&1&2&3"), Some(0b0001));
        assert_eq!(trigger("(0&2)|(1&3)"), Some(0b0011));
        assert_eq!(trigger("0|3"), Some(0b1001));
    }

    #[test]
    fn what_may_hold_with_nothing_found_has_none() {
        assert_eq!(trigger("0=0&3"), Some(0b1000));
        assert_eq!(trigger("0<2|3"), None);
        assert_eq!(trigger("3>2"), Some(0b1000));
        assert_eq!(trigger("(0&3)<2"), None);
        assert_eq!(trigger("(0&3)<2,1"), Some(0b0001));
    }

    #[test]
    fn of_some_that_are_needed_the_rarest_announce() {
        assert_eq!(trigger("(0|1|2|3)>2,3"), Some(0b0011));
        assert_eq!(trigger("(0|1|2|3)>2"), Some(0b1111));
        assert_eq!(trigger("(0|1|2|(2&3))>1,2"), Some(0b0111));
        assert_eq!(trigger("(0|0|0|3)>1,2"), Some(0b0001));
    }
}
