//! lh1 of LHA: an adaptive code, as LZHUF (Haruyasu Yoshizaki, 1988) builds it; names are its own.

use super::bits::MsbBits;
use super::lzh::copy;
use super::prefix::Codes;
use crate::budget::to_u64;
use crate::output::{Output, Stop};

/// Unpacks a member of `size` bytes.
pub(crate) fn lh1(input: &[u8], size: u64, out: &mut Output<'_>) -> Result<(), Stop> {
    let mut bits = MsbBits::new(input);
    let mut tree = Tree::new();
    let runs = [(3_u8, 1_usize), (4, 3), (5, 8), (6, 12), (7, 24), (8, 16)];
    let lengths: Vec<u8> =
        runs.iter().flat_map(|(length, count)| std::iter::repeat_n(*length, *count)).collect();
    let upper = Codes::new(&lengths);
    while to_u64(out.len()) < size {
        let symbol = tree.next(&mut bits)?;
        if let Ok(byte) = u8::try_from(symbol) {
            out.push(byte)?;
            continue;
        }
        let high = upper.next(&mut bits)?;
        let low = usize::try_from(bits.take(6)?).unwrap_or(0);
        let distance = (high << 6 | low).saturating_add(1);
        copy(distance, symbol.saturating_sub(253), size, out)?;
    }
    Ok(())
}

/// Nodes sorted by frequency; a son of [`T`] and more is a leaf.
#[derive(Debug)]
struct Tree {
    freq: Vec<u32>,
    son: Vec<usize>,
    parent: Vec<usize>,
}

impl Tree {
    fn new() -> Self {
        let mut tree = Self { freq: vec![1; T], son: vec![0; T], parent: vec![0; T + LEAVES] };
        for leaf in 0..LEAVES {
            set(&mut tree.son, leaf, leaf.saturating_add(T));
            set(&mut tree.parent, leaf.saturating_add(T), leaf);
        }
        for node in LEAVES..T {
            let first = node.saturating_sub(LEAVES).saturating_mul(2);
            let sum = tree.freq(first).saturating_add(tree.freq(first.saturating_add(1)));
            set(&mut tree.freq, node, sum);
            tree.hang(first, node);
        }
        tree
    }

    fn next(&mut self, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
        let mut node = self.son(ROOT);
        while node < T {
            node = self.son(node.saturating_add(bits.flag()?.into()));
        }
        let symbol = node.saturating_sub(T);
        self.update(node);
        Ok(symbol)
    }

    /// Counts a leaf, and moves it and what is above it to where their frequencies belong.
    fn update(&mut self, leaf: usize) {
        if self.freq(ROOT) == MAX_FREQ {
            self.halve();
        }
        let mut node = self.parent(leaf);
        // A path to the root is shorter than the tree.
        for _ in 0..T {
            let count = self.freq(node).saturating_add(1);
            set(&mut self.freq, node, count);
            let after = (node.saturating_add(1)..T).take_while(|place| self.freq(*place) < count);
            if let Some(last) = after.last() {
                let before = self.freq(last);
                set(&mut self.freq, node, before);
                set(&mut self.freq, last, count);
                let (one, other) = (self.son(node), self.son(last));
                self.hang(one, last);
                self.hang(other, node);
                node = last;
            }
            if node == ROOT {
                return;
            }
            node = self.parent(node);
        }
    }

    /// Makes `son`, and its sibling, the sons of `node`.
    fn hang(&mut self, son: usize, node: usize) {
        set(&mut self.son, node, son);
        set(&mut self.parent, son, node);
        if son < T {
            set(&mut self.parent, son.saturating_add(1), node);
        }
    }

    /// Halves all frequencies and builds the tree again.
    fn halve(&mut self) {
        let leaves: Vec<_> = (0..T)
            .filter(|node| self.son(*node) >= T)
            .map(|node| (self.freq(node).saturating_add(1) / 2, self.son(node)))
            .collect();
        let mut nodes = leaves;
        let mut first = 0_usize;
        while nodes.len() < T {
            let freq = |place: usize| nodes.get(place).map_or(0, |(freq, _)| *freq);
            let sum = freq(first).saturating_add(freq(first.saturating_add(1)));
            // After all that are not more frequent.
            let place = nodes.iter().rposition(|(freq, _)| *freq <= sum);
            let place = place.map_or(0, |place| place.saturating_add(1));
            nodes.insert(place, (sum, first));
            first = first.saturating_add(2);
        }
        for (node, (freq, son)) in nodes.into_iter().enumerate() {
            set(&mut self.freq, node, freq);
            self.hang(son, node);
        }
    }

    fn freq(&self, node: usize) -> u32 {
        self.freq.get(node).copied().unwrap_or(u32::MAX)
    }

    fn son(&self, node: usize) -> usize {
        self.son.get(node).copied().unwrap_or(T)
    }

    fn parent(&self, node: usize) -> usize {
        self.parent.get(node).copied().unwrap_or(ROOT)
    }
}

fn set<T>(table: &mut [T], place: usize, value: T) {
    if let Some(entry) = table.get_mut(place) {
        *entry = value;
    }
}

/// Symbols: bytes, and lengths from 3 to 60.
const LEAVES: usize = 314;
/// Nodes.
const T: usize = LEAVES * 2 - 1;
const ROOT: usize = T - 1;
const MAX_FREQ: u32 = 0x8000;
