//! The search through a stream and all that it decodes to.

use std::collections::{BTreeMap, HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

use crate::budget::{Allowance, Budget, Exhausted};
use crate::decode::{self, Derived};
use crate::index::{Entry, Index};
use crate::names::join_labels;
use crate::needle::Needle;
use crate::transform::Transform;

/// Many needles, ready to be searched for.
#[derive(Debug)]
pub struct Detector {
    index: Index,
}

/// A needle found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The `id` of the needle.
    pub needle: u32,
    /// What to undo, outermost first; empty when the value stands there as it is.
    pub transforms: Vec<Transform>,
    /// Where in the searched stream: the first byte of the value, or of the field that decodes to
    /// something that holds it.
    pub at: usize,
    /// Bytes of the value that were there.
    pub bytes: usize,
}

/// The end of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The needles found, by place in the stream; each once, under the fewest transforms.
    pub hits: Vec<Hit>,
    /// What ran out, if anything. Then the search is inconclusive: absence of a hit means nothing.
    pub exhausted: Option<Exhausted>,
}

impl Detector {
    /// Indexes `needles`. Costs about 5 kB of memory for a mark and some 50 µs.
    #[must_use]
    pub fn build(needles: impl IntoIterator<Item = Needle>) -> Self {
        Self { index: Index::build(needles.into_iter()) }
    }

    /// Needles that carry less than [`crate::MIN_BITS`], which are never searched for because they
    /// would be met by chance. A report has to name them.
    #[must_use]
    pub fn too_short(&self) -> &[Needle] {
        &self.index.too_short
    }

    /// The needles that are searched for.
    #[must_use]
    pub fn needles(&self) -> &[Needle] {
        &self.index.needles
    }

    /// Memory for the index in bytes, without the needles themselves.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
    }

    /// Searches `stream` and what it decodes to.
    #[must_use]
    pub fn search(&self, stream: &[u8], budget: Budget) -> Search {
        let (searched, rest) = stream.split_at_checked(budget.input_bytes).unwrap_or((stream, &[]));
        let mut run = Run::new(&self.index, budget);
        if !rest.is_empty() {
            run.allowance.run_out(Exhausted::Input);
        }
        run.search_all(searched, &[]);
        run.finish()
    }

    /// Searches names asked of DNS, in the order of the queries: each by itself, and the labels of
    /// consecutive queries put together ([`join_labels`]). [`Hit::at`] is an offset in the names
    /// joined by line ends, or 0 for labels put together.
    #[must_use]
    pub fn search_names(&self, names: &[&[u8]], budget: Budget) -> Search {
        let mut run = Run::new(&self.index, budget);
        run.search_all(&names.join(&b'\n'), &[]);
        for joined in join_labels(names) {
            run.search_all(&joined, &[Transform::DnsLabels]);
        }
        run.finish()
    }

    /// A search of a stream that arrives in pieces.
    #[must_use]
    pub fn searcher(&self, budget: Budget) -> Searcher<'_> {
        Searcher { detector: self, budget, held: Vec::new(), over: false }
    }
}

/// Takes a stream in pieces and finds what [`Detector::search`] finds in the whole.
///
/// It holds the stream, at most [`Budget::input_bytes`], since a decoder may need all of it.
#[derive(Debug)]
pub struct Searcher<'d> {
    detector: &'d Detector,
    budget: Budget,
    held: Vec<u8>,
    over: bool,
}

impl Searcher<'_> {
    /// The next piece.
    pub fn push(&mut self, piece: &[u8]) {
        let room = self.budget.input_bytes.saturating_sub(self.held.len());
        let (fits, rest) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        self.held.extend_from_slice(fits);
        self.over |= !rest.is_empty();
    }

    /// Searches what was pushed.
    #[must_use]
    pub fn finish(self) -> Search {
        let mut search = self.detector.search(&self.held, self.budget);
        if self.over {
            search.exhausted = Some(Exhausted::Input);
        }
        search
    }
}

/// One search under way.
struct Run<'i> {
    index: &'i Index,
    budget: Budget,
    allowance: Allowance,
    /// By position of the needle in the index.
    found: BTreeMap<u32, Hit>,
    /// Digests of the streams already searched: two routes may lead to the same bytes.
    seen: HashSet<[u8; 32]>,
}

impl<'i> Run<'i> {
    fn new(index: &'i Index, budget: Budget) -> Self {
        let (allowance, found) = (Allowance::new(budget), BTreeMap::new());
        Self { index, budget, allowance, found, seen: HashSet::new() }
    }

    /// Searches a stream, then what it decodes to, then what that decodes to.
    fn search_all(&mut self, stream: &[u8], transforms: &[Transform]) {
        let mut queue = VecDeque::new();
        self.search_one(stream, transforms, &|at| at);
        self.decode(stream, 0, transforms, &|at| at, &mut queue);
        while let Some(layer) = queue.pop_front() {
            let Layer { derived, depth, transforms } = layer;
            let origin = |at| derived.origin(at);
            self.search_one(&derived.bytes, &transforms, &origin);
            self.decode(&derived.bytes, depth, &transforms, &origin, &mut queue);
        }
    }

    fn search_one(
        &mut self,
        stream: &[u8],
        transforms: &[Transform],
        origin: &dyn Fn(usize) -> usize,
    ) {
        let index = self.index;
        index.scan(stream, |at, entry| self.candidate(stream, at, entry, transforms, origin));
        decode::every_nth(stream, |step, rest, taken| {
            let transforms = [transforms, &[Transform::EveryNth(step)]].concat();
            let before = |at: usize| at.saturating_mul(usize::from(step)).saturating_add(rest);
            let origin = |at| origin(before(at));
            index.scan(taken, |at, entry| self.candidate(taken, at, entry, &transforms, &origin));
        });
    }

    /// Compares a candidate and notes it when it holds; `false` when there is nothing left to pay
    /// for another.
    fn candidate(
        &mut self,
        stream: &[u8],
        at: usize,
        entry: &Entry,
        transforms: &[Transform],
        origin: &dyn Fn(usize) -> usize,
    ) -> bool {
        if !self.allowance.pay_step() {
            return false;
        }
        if let Some(found) = self.index.verify(stream, at, entry) {
            let folded = found.case_folded.then_some(Transform::CaseFolded);
            let transforms = [transforms, &found.form.transforms()].concat();
            let transforms = transforms.into_iter().chain(folded).collect();
            let at = origin(found.at);
            self.note(entry.needle, transforms, at, found.value_bytes);
        }
        true
    }

    /// Keeps the first hit of a needle, which has the fewest transforms, unless a later one shows
    /// more of the value than an alignment can hide.
    fn note(&mut self, index: u32, transforms: Vec<Transform>, at: usize, bytes: usize) {
        let Some(needle) = self.index.needle(index) else { return };
        let best = self.found.get(&index).map_or(0, |hit| hit.bytes.saturating_add(3));
        if bytes > best || !self.found.contains_key(&index) {
            self.found.insert(index, Hit { needle: needle.id, transforms, at, bytes });
        }
    }

    /// Puts all that `stream` decodes to into the queue.
    fn decode(
        &mut self,
        stream: &[u8],
        depth: usize,
        transforms: &[Transform],
        origin: &dyn Fn(usize) -> usize,
        queue: &mut VecDeque<Layer>,
    ) {
        if depth >= self.budget.depth {
            return;
        }
        for mut derived in decode::all(stream, &mut self.allowance) {
            if !self.seen.insert(Sha256::digest(&derived.bytes).into()) {
                continue;
            }
            derived.rebase(origin);
            let transforms = [transforms, &[derived.transform]].concat();
            queue.push_back(Layer { derived, depth: depth.saturating_add(1), transforms });
        }
    }

    fn finish(self) -> Search {
        let mut hits: Vec<Hit> = self.found.into_values().collect();
        hits.sort_by_key(|hit| (hit.at, hit.needle));
        Search { hits, exhausted: self.allowance.exhausted() }
    }
}

/// Something decoded that waits for its turn.
struct Layer {
    derived: Derived,
    depth: usize,
    transforms: Vec<Transform>,
}
