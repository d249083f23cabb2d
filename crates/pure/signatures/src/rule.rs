//! Rules of another engine, as far as matching knows them: by what must be in a file.
//!
//! Running a rule costs a thousand times what a signature does, so it is run only where a [`Need`] is
//! met. Whoever reads the rules derives it; a need may ask for less than its rule, never for more.

use std::sync::Arc;

use crate::body::Body;
use crate::logical::Case;
use crate::offset::Offset;

/// A rule of another engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name that is reported, without `.UNOFFICIAL`.
    pub name: String,
    /// The file it stands in.
    pub file: Arc<str>,
    /// On which line, from 1.
    pub line: u32,
    /// What its text is put together from, in order: what it refers to, and at last itself.
    pub pieces: Vec<Arc<str>>,
    /// What must be in a file for it to hold.
    pub need: Need,
}

/// What must be in a file for something to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing that is known.
    Anything,
    /// It never holds.
    Never,
    /// All of these.
    All(Vec<Need>),
    /// So many of these.
    Some {
        /// How many at least.
        count: u32,
        /// Of these.
        of: Vec<Need>,
    },
    /// Something is found.
    Found(Found),
    /// The file has so many bytes.
    Size {
        /// At least.
        min: u64,
        /// At most.
        max: u64,
    },
}

/// One of several bodies is found at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it may begin.
    pub offset: Offset,
    /// Whether letters match in either case.
    pub case: Case,
    /// The bodies.
    pub bodies: Vec<Body>,
}

impl Need {
    /// The same, or a weaker one, in a form that a signature can have: no nested needs of one kind,
    /// nothing that holds anyway, sizes only where they hold for all of it.
    #[must_use]
    pub fn simplified(self) -> Self {
        match self {
            Self::All(of) => all(of),
            Self::Some { count, of } => some(count, of),
            Self::Found(found) if found.bodies.is_empty() => Self::Never,
            Self::Found(found) if found.bodies.len() > MAX_BODIES => Self::Anything,
            other => other,
        }
    }
}

fn all(of: Vec<Need>) -> Need {
    let (mut kept, mut size) = (Vec::new(), None);
    let mut push = |need| match need {
        Need::Anything => {}
        Need::Size { min, max } => {
            let (least, most) = size.unwrap_or((0, u64::MAX));
            size = Some((min.max(least), max.min(most)));
        }
        other => kept.push(other),
    };
    for need in of.into_iter().map(Need::simplified) {
        match need {
            Need::All(inner) => inner.into_iter().for_each(&mut push),
            other => push(other),
        }
    }
    if kept.contains(&Need::Never) || size.is_some_and(|(min, max)| min > max) {
        return Need::Never;
    }
    kept.extend(size.map(|(min, max)| Need::Size { min, max }));
    match kept.len() {
        0 => Need::Anything,
        1 => kept.pop().unwrap_or(Need::Anything),
        _ => Need::All(kept),
    }
}

fn some(count: u32, of: Vec<Need>) -> Need {
    let (mut kept, mut left) = (Vec::new(), count);
    for need in of.into_iter().map(Need::simplified) {
        match without_size(need) {
            Need::Anything => left = left.saturating_sub(1),
            Need::Never => {}
            Need::Some { count: 1, of } if count == 1 => kept.extend(of),
            other => kept.push(other),
        }
    }
    let there = u32::try_from(kept.len()).unwrap_or(u32::MAX);
    match left {
        0 => Need::Anything,
        _ if left > there => Need::Never,
        _ if left == there => all(kept),
        1 => one_of(kept),
        _ => Need::Some { count: left, of: kept },
    }
}

/// A size that holds for one of several things alone cannot be asked for.
fn without_size(need: Need) -> Need {
    match need {
        Need::Size { .. } => Need::Anything,
        Need::All(of) => all(of.into_iter().map(without_size).collect()),
        other => other,
    }
}

/// One of these: what is looked for alike is looked for together.
fn one_of(of: Vec<Need>) -> Need {
    let (mut founds, mut others): (Vec<Found>, Vec<Need>) = (Vec::new(), Vec::new());
    for need in of {
        let Need::Found(found) = need else {
            others.push(need);
            continue;
        };
        let alike = |other: &&mut Found| (other.offset, other.case) == (found.offset, found.case);
        match founds.iter_mut().find(alike) {
            Some(held) => held.bodies.extend(found.bodies),
            None => founds.push(found),
        }
    }
    if founds.iter().any(|found| found.bodies.len() > MAX_BODIES) {
        return Need::Anything;
    }
    others.extend(founds.into_iter().map(Need::Found));
    match others.len() {
        1 => others.pop().unwrap_or(Need::Anything),
        _ => Need::Some { count: 1, of: others },
    }
}

/// Bodies of one need: beyond these the anchors cost more than running the rule.
const MAX_BODIES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Item, Part};

    fn found(text: &str) -> Need {
        let items = vec![Item::Bytes(text.as_bytes().into())];
        let head = Part { before: None, left: None, items, right: None, after: None };
        let bodies = vec![Body { head, tail: Vec::new() }];
        Need::Found(Found { offset: Offset::Any, case: Case::Exact, bodies })
    }

    fn size(max: u64) -> Need {
        Need::Size { min: 0, max }
    }

    #[test]
    fn what_holds_anyway_is_not_asked_for() {
        let need = Need::All(vec![Need::Anything, found("a"), Need::All(vec![size(9), size(7)])]);
        assert_eq!(need.simplified(), Need::All(vec![found("a"), size(7)]));
        let need = Need::Some { count: 2, of: vec![Need::Anything, found("a"), found("b")] };
        let Need::Found(both) = need.simplified() else { panic!() };
        assert_eq!(both.bodies.len(), 2);
        let need = Need::Some { count: 1, of: vec![size(5), found("a")] };
        assert_eq!(need.simplified(), Need::Anything);
    }

    #[test]
    fn what_cannot_hold_is_told() {
        assert_eq!(Need::Some { count: 2, of: vec![found("a")] }.simplified(), Need::Never);
        assert_eq!(Need::All(vec![found("a"), Need::Never]).simplified(), Need::Never);
        let need = Need::Some { count: 2, of: vec![found("a"), Need::Never, found("b")] };
        assert_eq!(need.simplified(), Need::All(vec![found("a"), found("b")]));
    }
}
