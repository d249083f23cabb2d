//! Search by an automaton that looks at each byte once (twice to tell where a match begins).
//!
//! The automaton is `regex-automata`'s, whose states are made when they are first needed and forgotten
//! when they take too much room; where that happens too often it gives up.

use std::ops::Range;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::hybrid::regex::{Cache, Regex};
use regex_automata::nfa::thompson::{Compiler, Config, NFA, WhichCaptures};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

use crate::OutOfSteps;
use crate::measure::{is_plain_repeat, least_length};
use crate::node::{Assertion, Greed, Node};
use crate::set::ByteSet;

/// An automaton and its states.
#[derive(Debug)]
pub(crate) struct Linear {
    regex: Regex,
    cache: Cache,
}

/// What an automaton is made to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The pattern's matches and no others.
    Exact,
    /// Matches at every place where the pattern has one, and perhaps at more.
    Superset,
}

/// Bytes of the automaton's description; more is left to the backtracker.
const MAX_NFA: usize = 4 << 20;
/// Bytes of states, in each direction.
const MAX_CACHE: usize = 256 << 10;
/// When states were forgotten so often, and no more bytes than these were passed with each, the
/// automaton gives up.
const MAX_CLEARS: usize = 3;
const BYTES_PER_STATE: usize = 16;
/// Bytes an automaton passes in the time of a step.
const BYTES_PER_STEP: usize = 8;

impl Linear {
    /// An automaton for a pattern, where there is one of a bounded size.
    pub(crate) fn of(node: &Node, aim: Aim) -> Option<Self> {
        let hir = hir(node, aim)?;
        let forward = dfa(&hir, MatchKind::LeftmostFirst)?;
        let reverse = dfa(&hir, MatchKind::All)?;
        let regex = Regex::builder().build_from_dfas(forward, reverse);
        let cache = regex.create_cache();
        Some(Self { regex, cache })
    }

    /// The leftmost match from a place on, the first in the pattern's order of those; the error where
    /// the automaton gave up.
    pub(crate) fn find(
        &mut self,
        bytes: &[u8],
        from: usize,
        anchored: bool,
        steps: &mut u64,
    ) -> Result<Result<Option<Range<usize>>, GaveUp>, OutOfSteps> {
        let ahead = bytes.len().saturating_sub(from);
        let price = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        *steps = steps.checked_sub(price(ahead / BYTES_PER_STEP).max(1)).ok_or(OutOfSteps)?;
        let anchored = if anchored { Anchored::Yes } else { Anchored::No };
        let input = Input::new(bytes).range(from..).anchored(anchored);
        let Ok(found) = self.regex.try_search(&mut self.cache, &input) else {
            return Ok(Err(GaveUp));
        };
        let range = found.map(|found| found.range());
        let passed = range.as_ref().map_or(ahead, |range| range.end.saturating_sub(from));
        *steps = steps.saturating_sub(price(passed));
        Ok(Ok(range))
    }

    /// Bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        let of = |dfa: &DFA| dfa.memory_usage().saturating_add(dfa.get_nfa().memory_usage());
        self.cache
            .memory_usage()
            .saturating_add(of(self.regex.forward()))
            .saturating_add(of(self.regex.reverse()))
    }
}

/// The automaton needed too many states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GaveUp;

fn dfa(hir: &Hir, kind: MatchKind) -> Option<DFA> {
    let is_reverse = kind == MatchKind::All;
    let config = Config::new()
        .utf8(false)
        .reverse(is_reverse)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(MAX_NFA));
    let nfa: NFA = Compiler::new().configure(config).build_from_hir(hir).ok()?;
    let prefilter = if is_reverse { None } else { Prefilter::from_hir_prefix(kind, hir) };
    let config = DFA::config()
        .match_kind(kind)
        .specialize_start_states(prefilter.is_some())
        .prefilter(prefilter)
        .cache_capacity(MAX_CACHE)
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(Some(MAX_CLEARS))
        .minimum_bytes_per_state(Some(BYTES_PER_STATE));
    DFA::builder().configure(config).build_from_nfa(nfa).ok()
}

/// The pattern for an automaton. Recursive over the tree, whose depth is bounded.
fn hir(node: &Node, aim: Aim) -> Option<Hir> {
    let is_exact = aim == Aim::Exact;
    Some(match node {
        Node::Set(set) => of_set(set),
        Node::Sequence(nodes) => sequence(nodes, aim)?,
        Node::Alternatives(nodes) => {
            Hir::alternation(nodes.iter().map(|node| hir(node, aim)).collect::<Option<_>>()?)
        }
        Node::Repeat { node, max, greed, .. }
            if is_exact && !is_plain_repeat(node, *max, *greed) =>
        {
            return None;
        }
        Node::Repeat { node, min, max, greed } => Hir::repetition(Repetition {
            min: *min,
            max: *max,
            greedy: *greed != Greed::Lazy,
            sub: Box::new(hir(node, aim)?),
        }),
        Node::Group(_, node) => hir(node, aim)?,
        Node::Assertion(place) => match (look(*place), aim) {
            (Some(look), _) => Hir::look(look),
            // Right where a line begins that has a byte, which a sequence can tell.
            (None, Aim::Superset) if *place == Assertion::LineStart => Hir::look(Look::StartLF),
            (None, Aim::Superset) => Hir::empty(),
            (None, Aim::Exact) => return None,
        },
        _ if is_exact => return None,
        Node::Atomic(node) => hir(node, aim)?,
        Node::Look { .. } | Node::Keep => Hir::empty(),
        Node::BackReference { .. } => Hir::repetition(Repetition {
            min: 0,
            max: None,
            greedy: true,
            sub: Box::new(of_set(&ByteSet::default().negated())),
        }),
    })
}

fn sequence(nodes: &[Node], aim: Aim) -> Option<Hir> {
    let mut parts = Vec::with_capacity(nodes.len());
    // What is matched behind, in bytes at least.
    let mut behind = nodes.iter().map(least_length).fold(0_u32, u32::saturating_add);
    for node in nodes {
        behind = behind.saturating_sub(least_length(node));
        let is_line = *node == Node::Assertion(Assertion::LineStart) && behind > 0;
        parts.push(if is_line { Hir::look(Look::StartLF) } else { hir(node, aim)? });
    }
    Some(Hir::concat(parts))
}

fn look(place: Assertion) -> Option<Look> {
    Some(match place {
        Assertion::Start => Look::Start,
        Assertion::End => Look::End,
        Assertion::LineEnd => Look::EndLF,
        Assertion::WordBoundary => Look::WordAscii,
        Assertion::NotWordBoundary => Look::WordAsciiNegate,
        Assertion::LineStart | Assertion::EndOrLastLine | Assertion::SearchStart => return None,
    })
}

fn of_set(set: &ByteSet) -> Hir {
    match set.single() {
        Some(byte) => Hir::literal([byte]),
        None => {
            let ranges = set.ranges().map(|(low, high)| ClassBytesRange::new(low, high));
            Hir::class(Class::Bytes(ClassBytes::new(ranges)))
        }
    }
}
