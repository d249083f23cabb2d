//! Where in a body four bytes stand by which it can be noticed.

use super::rarity;
use crate::body::{Body, Class, Item};
use crate::logical::Case;

/// Four positions of a part. In each match of the body one of their spellings stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    spots: [Spot; 4],
    /// Which part, from 0.
    pub(super) part: usize,
    /// How many bytes of the part stand before; `None` where that varies.
    pub(super) before: Option<u32>,
    /// How often a spelling is expected in clean files.
    pub(super) weight: u64,
}

/// What one position may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    One(u8),
    /// A letter, small here, in either case.
    Letter(u8),
    High(u8),
    Low(u8),
    Any,
}

/// Windows that are kept of a body: enough to choose one that few other signatures have.
const KEPT: usize = 4;
/// Spellings of a window, if there is one with so few; and else.
const FEW_SPELLINGS: usize = 16;
const MANY_SPELLINGS: usize = 256;

/// The rarest windows of a body, the rarest first; none for a body of very short pieces.
pub(super) fn windows(body: &Body, case: Case) -> Vec<Window> {
    let runs: Vec<Run> = (0..)
        .zip(body.parts())
        .flat_map(|(part, of)| {
            let mut runs = runs(&of.items, case);
            runs.iter_mut().for_each(|run| run.part = part);
            runs
        })
        .collect();
    let few: Vec<_> = runs.iter().flat_map(|run| run.windows(FEW_SPELLINGS)).collect();
    let mut windows = if few.is_empty() {
        runs.iter().flat_map(|run| run.windows(MANY_SPELLINGS)).collect()
    } else {
        few
    };
    windows.sort_by_key(|window| (window.weight, window.part, window.before));
    windows.truncate(KEPT);
    windows
}

impl Window {
    /// Every spelling.
    pub(super) fn grams(&self) -> Vec<[u8; 4]> {
        let [a, b, c, d] = self.spots.map(Spot::values);
        let mut grams = Vec::new();
        for a in &a {
            for b in &b {
                for c in &c {
                    grams.extend(d.iter().map(|d| [*a, *b, *c, *d]));
                }
            }
        }
        grams
    }
}

/// Positions side by side, each of one byte.
struct Run {
    part: usize,
    /// How many bytes of the part stand before; `None` where that varies.
    before: Option<u32>,
    spots: Vec<Spot>,
}

impl Run {
    fn windows(&self, most: usize) -> impl Iterator<Item = Window> {
        (0_u32..).zip(self.spots.windows(4)).filter_map(move |(at, spots)| {
            let spots: [Spot; 4] = spots.try_into().ok()?;
            let spellings = spots.iter().map(|spot| spot.count()).product::<usize>();
            if spellings > most {
                return None;
            }
            let before = match self.before {
                Some(before) => Some(before.checked_add(at)?),
                None => None,
            };
            let mut window = Window { spots, part: self.part, before, weight: 0 };
            let weights = window.grams().into_iter().map(rarity::weight);
            window.weight = weights.fold(0, u64::saturating_add);
            Some(window)
        })
    }
}

/// The runs of a part. Behind one stands something of more than one length or shape.
fn runs(items: &[Item], case: Case) -> Vec<Run> {
    let mut runs = vec![Run { part: 0, before: Some(0), spots: Vec::new() }];
    for item in items {
        let Some(run) = runs.last_mut() else { break };
        match item {
            Item::Bytes(bytes) => run.spots.extend(bytes.iter().map(|byte| Spot::of(*byte, case))),
            // A longer stretch of anything is in no window.
            Item::Any(count) if *count <= 3 => {
                run.spots.extend((0..*count).map(|_| Spot::Any));
            }
            Item::High(half) => run.spots.push(Spot::High(*half)),
            Item::Low(half) => run.spots.push(Spot::Low(*half)),
            other => {
                let before =
                    behind(run).zip(length(other)).and_then(|(at, length)| at.checked_add(length));
                end(run);
                runs.push(Run { part: 0, before, spots: Vec::new() });
            }
        }
    }
    runs.last_mut().into_iter().for_each(end);
    runs
}

/// What stands behind a run is anything: a place at the end of a file counts as a zero byte.
fn end(run: &mut Run) {
    run.spots.push(Spot::Any);
}

fn behind(run: &Run) -> Option<u32> {
    run.before?.checked_add(u32::try_from(run.spots.len()).ok()?)
}

/// How many bytes an item takes, if always the same.
fn length(item: &Item) -> Option<u32> {
    match item {
        Item::Bytes(bytes) => u32::try_from(bytes.len()).ok(),
        Item::Any(count) => Some(*count),
        Item::High(_) | Item::Low(_) => Some(1),
        // A line may end by two bytes.
        Item::Class(edge) => (edge.class != Class::Line || edge.negated).then_some(1),
        Item::Choice(choice) => {
            let mut lengths = choice.options.iter().map(|option| {
                option.iter().map(length).try_fold(0_u32, |sum, one| sum.checked_add(one?))
            });
            let first = lengths.next()??;
            lengths.all(|length| length == Some(first)).then_some(first)
        }
    }
}

impl Spot {
    fn of(byte: u8, case: Case) -> Self {
        match case {
            Case::Folded if byte.is_ascii_alphabetic() => Self::Letter(byte.to_ascii_lowercase()),
            _ => Self::One(byte),
        }
    }

    fn count(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Letter(_) => 2,
            Self::High(_) | Self::Low(_) => 16,
            Self::Any => 256,
        }
    }

    fn values(self) -> Vec<u8> {
        match self {
            Self::One(byte) => vec![byte],
            Self::Letter(byte) => vec![byte.to_ascii_uppercase(), byte],
            Self::High(half) => (0..16).map(|low| half << 4 | low).collect(),
            Self::Low(half) => (0..16).map(|high| high << 4 | half).collect(),
            Self::Any => (0..=u8::MAX).collect(),
        }
    }
}
