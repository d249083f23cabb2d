//! Where in a body four bytes stand by which it can be noticed.

use super::rarity;
use crate::body::{Body, Choice, Class, Item, Part};
use crate::logical::Case;

/// Four positions of a part. In each match of the body one of their spellings stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Every spelling.
    pub(super) grams: Box<[[u8; 4]]>,
    /// Which part, from 0.
    pub(super) part: usize,
    /// How many bytes of the part stand before; `None` where that varies.
    pub(super) before: Option<u32>,
    /// How often a spelling is expected in 2^40 bytes of clean files.
    pub(super) weight: u64,
}

/// Windows that are kept of a body: enough to choose one that few other signatures have.
const KEPT: usize = 4;
/// Spellings of a window, if there is a rare one with so few; and else.
const FEW_SPELLINGS: usize = 16;
const MANY_SPELLINGS: usize = 256;
/// Rare is less than once in 8 KB.
pub(super) const RARE: u64 = 1 << 27;

/// The rarest windows of a body, the rarest first; none for a body of very short pieces.
pub(super) fn windows(body: &Body, case: Case) -> Vec<Window> {
    let runs: Vec<Run> =
        (0..).zip(body.parts()).flat_map(|(part, of)| runs(part, of, case)).collect();
    let of = |most| {
        let mut windows: Vec<_> = runs.iter().flat_map(|run| run.windows(most)).collect();
        windows.sort_by_key(|window| (window.weight, window.part, window.before));
        windows.truncate(KEPT);
        windows
    };
    let few = of(FEW_SPELLINGS);
    if few.first().is_some_and(|best| best.weight <= RARE) { few } else { of(MANY_SPELLINGS) }
}

/// The spellings of the first two bytes of a body; none where they are too many.
pub(super) fn heads(body: &Body, case: Case) -> Vec<[u8; 2]> {
    let runs = runs(0, &body.head, case);
    let Some([first, second, ..]) = runs.first().map(|run| &run.spots[..]) else {
        return Vec::new();
    };
    if first.count().saturating_mul(second.count()) > MANY_SPELLINGS {
        return Vec::new();
    }
    let (first, second) = (first.values(), second.values());
    first.iter().flat_map(|one| second.iter().map(|other| [*one, *other])).collect()
}

/// Positions side by side, each of one byte.
struct Run {
    part: usize,
    /// How many bytes of the part stand before; `None` where that varies.
    before: Option<u32>,
    spots: Vec<Spot>,
}

/// What one position may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spot {
    One(u8),
    /// A letter, small here, in either case.
    Letter(u8),
    High(u8),
    Low(u8),
    Some(Vec<u8>),
    Any,
}

impl Run {
    fn windows(&self, most: usize) -> impl Iterator<Item = Window> {
        (0_u32..).zip(self.spots.array_windows::<4>()).filter_map(move |(at, spots)| {
            let spellings = spots.iter().map(Spot::count).fold(1, usize::saturating_mul);
            if spellings > most {
                return None;
            }
            let before = match self.before {
                Some(before) => Some(before.checked_add(at)?),
                None => None,
            };
            let grams = grams(spots);
            let weights = grams.iter().map(|gram| rarity::weight(*gram));
            let weight = weights.fold(0, u64::saturating_add);
            Some(Window { grams, part: self.part, before, weight })
        })
    }
}

/// Every spelling of four positions.
fn grams(spots: &[Spot; 4]) -> Box<[[u8; 4]]> {
    if let [Spot::One(a), Spot::One(b), Spot::One(c), Spot::One(d)] = spots {
        return [[*a, *b, *c, *d]].into();
    }
    let [a, b, c, d] = spots.each_ref().map(Spot::values);
    let mut grams = Vec::new();
    for a in &a {
        for b in &b {
            for c in &c {
                grams.extend(d.iter().map(|d| [*a, *b, *c, *d]));
            }
        }
    }
    grams.into()
}

/// The runs of a part. Between two stands something of more than one length or shape.
fn runs(part: usize, of: &Part, case: Case) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut run = Run { part, before: Some(0), spots: Vec::new() };
    for item in &of.items {
        match item {
            Item::Bytes(bytes) => run.spots.extend(bytes.iter().map(|byte| Spot::of(*byte, case))),
            // A longer stretch of anything is in no window.
            Item::Any(count) if *count <= 3 => run.spots.extend((0..*count).map(|_| Spot::Any)),
            Item::High(half) => run.spots.push(Spot::High(*half)),
            Item::Low(half) => run.spots.push(Spot::Low(*half)),
            Item::Choice(choice) if let Some(spot) = Spot::of_choice(choice, case) => {
                run.spots.push(spot);
            }
            other => {
                let at = run.before.zip(u32::try_from(run.spots.len()).ok());
                let at = at.and_then(|(before, length)| before.checked_add(length));
                let before = at.zip(length(other)).and_then(|(at, length)| at.checked_add(length));
                runs.push(
                    std::mem::replace(&mut run, Run { part, before, spots: Vec::new() }).ended(),
                );
            }
        }
    }
    runs.push(run.ended());
    runs
}

impl Run {
    /// What stands behind is anything: a place at the end of a file counts as a zero byte.
    fn ended(mut self) -> Self {
        self.spots.push(Spot::Any);
        self
    }
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

    /// A choice of single bytes.
    fn of_choice(choice: &Choice, case: Case) -> Option<Self> {
        let mut values = Vec::new();
        for option in &choice.options {
            let [Item::Bytes(bytes)] = &option[..] else { return None };
            let [byte] = **bytes else { return None };
            values.extend(Self::of(byte, case).values());
        }
        if choice.negated {
            values = (0..=u8::MAX).filter(|byte| !values.contains(byte)).collect();
        }
        values.sort_unstable();
        values.dedup();
        Some(Self::Some(values))
    }

    fn count(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Letter(_) => 2,
            Self::High(_) | Self::Low(_) => 16,
            Self::Some(values) => values.len(),
            Self::Any => 256,
        }
    }

    fn values(&self) -> Vec<u8> {
        match self {
            Self::One(byte) => vec![*byte],
            Self::Letter(byte) => vec![byte.to_ascii_uppercase(), *byte],
            Self::High(half) => (0..16).map(|low| half << 4 | low).collect(),
            Self::Low(half) => (0..16).map(|high| high << 4 | half).collect(),
            Self::Some(values) => values.clone(),
            Self::Any => (0..=u8::MAX).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BodySignature, Format, Signature};

    fn body(text: &str) -> Body {
        let line = format!("A:0:*:{text}");
        let Ok(Signature::Body(read)) = Signature::parse(Format::Body, line.as_bytes()) else {
            panic!("{text}");
        };
        let BodySignature { body, .. } = *read;
        body
    }

    fn best(text: &str, case: Case) -> Option<(usize, usize, Option<u32>)> {
        let windows = windows(&body(text), case);
        windows.first().map(|best| (best.grams.len(), best.part, best.before))
    }

    #[test]
    fn the_rarest_four_bytes_announce_a_body() {
        assert_eq!(best("00000000c79a5d3f000000", Case::Exact), Some((1, 0, Some(4))));
        assert_eq!(best("00000000*c79a5d3f0000", Case::Exact), Some((1, 1, Some(0))));
        assert_eq!(best("0a0501??00000000", Case::Exact), Some((256, 0, Some(0))));
    }

    #[test]
    fn letters_halves_and_choices_are_spelled_out() {
        assert_eq!(best("717a317a", Case::Folded), Some((8, 0, Some(0))));
        assert_eq!(best("c79a5?3f", Case::Exact), Some((16, 0, Some(0))));
        assert_eq!(best("c7(9a|9b)5d3f", Case::Exact), Some((2, 0, Some(0))));
        assert_eq!(best("c79a5d", Case::Exact), Some((256, 0, Some(0))));
        assert_eq!(best("c79a*5d3f", Case::Exact), None);
    }

    #[test]
    fn behind_options_of_several_lengths_the_distance_varies() {
        assert_eq!(best("4142(43|4445)c79a5d3f", Case::Exact), Some((1, 0, None)));
        assert_eq!(best("4142(4344|4546)c79a5d3f", Case::Exact), Some((1, 0, Some(4))));
    }

    #[test]
    fn a_head_is_the_first_two_bytes() {
        assert_eq!(heads(&body("504b0304"), Case::Exact), [*b"PK"]);
        assert_eq!(heads(&body("(50|51)4b0304"), Case::Exact), [*b"PK", *b"QK"]);
        assert_eq!(heads(&body("??504b0304"), Case::Exact).len(), 256);
        assert_eq!(heads(&body("?5??504b"), Case::Exact), [[0; 2]; 0]);
    }
}
