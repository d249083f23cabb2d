//! Where a pattern may start, by its first two bytes.

use std::ops::Range;

use super::pattern::Pattern;

/// Patterns with the same first bytes are one of eight groups. A byte has a bit for each group that
/// may start with it and, in the high half, for each whose second byte it may be: with one look-up
/// for each byte, two of them tell whether to look closer.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    masks: Box<[u16; 256]>,
    /// The rules that may start with each first byte, as a range of `rules`.
    ranges: Box<[Range<usize>; 256]>,
    rules: Vec<u16>,
}

/// Pairs that are looked at together.
const BLOCK: usize = 16;
const GROUPS: usize = 8;

impl Default for Pairs {
    fn default() -> Self {
        let none = || std::array::from_fn(|_| 0..0);
        Self { masks: Box::new([0; 256]), ranges: Box::new(none()), rules: Vec::new() }
    }
}

impl Pairs {
    /// The index of numbered patterns, each of two bytes at least.
    pub(super) fn of<'a>(patterns: impl Iterator<Item = (u16, &'a Pattern)>) -> Self {
        let mut pairs = Self::default();
        let patterns: Vec<_> =
            patterns.map(|(number, it)| (number, it.first_bytes(0), it.first_bytes(1))).collect();
        let mut firsts: Vec<_> = patterns.iter().map(|(_, first, _)| first.clone()).collect();
        firsts.sort();
        firsts.dedup();
        for (_, first, second) in &patterns {
            let group = firsts.binary_search(first).unwrap_or_default() % GROUPS;
            first.iter().for_each(|byte| pairs.mark(*byte, group));
            second.iter().for_each(|byte| pairs.mark(*byte, group.saturating_add(GROUPS)));
        }
        for byte in 0..=0xff_u8 {
            let start = pairs.rules.len();
            let own = patterns.iter().filter(|(_, first, _)| first.contains(&byte));
            pairs.rules.extend(own.map(|(number, ..)| *number));
            if let Some(range) = pairs.ranges.get_mut(usize::from(byte)) {
                *range = start..pairs.rules.len();
            }
        }
        pairs
    }

    /// Calls `candidate` with each place where a pattern may start and the rules that may, until it
    /// returns true.
    pub(super) fn each(&self, bytes: &[u8], mut candidate: impl FnMut(usize, &[u16]) -> bool) {
        let mut start = 0_usize;
        while let Some(rest) = bytes.get(start..).filter(|rest| rest.len() >= 2) {
            if rest.first_chunk::<{ BLOCK + 1 }>().is_none_or(|block| self.any(block)) {
                for (place, pair) in (start..).zip(rest.windows(2).take(BLOCK)) {
                    let &[first, second] = pair else { continue };
                    if self.fits(first, second) && candidate(place, self.rules_of(first)) {
                        return;
                    }
                }
            }
            start = start.saturating_add(BLOCK);
        }
    }

    fn any(&self, block: &[u8; BLOCK + 1]) -> bool {
        let (mut all, mut before) = (0, 0);
        for byte in block {
            let mask = self.mask(*byte);
            all |= before & (mask >> GROUPS);
            before = mask;
        }
        all != 0
    }

    fn fits(&self, first: u8, second: u8) -> bool {
        self.mask(first) & (self.mask(second) >> GROUPS) != 0
    }

    fn mask(&self, byte: u8) -> u16 {
        self.masks.get(usize::from(byte)).copied().unwrap_or_default()
    }

    fn rules_of(&self, first: u8) -> &[u16] {
        let range = self.ranges.get(usize::from(first)).cloned().unwrap_or_default();
        self.rules.get(range).unwrap_or_default()
    }

    fn mark(&mut self, byte: u8, bit: usize) {
        if let Some(mask) = self.masks.get_mut(usize::from(byte)) {
            *mask |= 1 << bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_pair_wherever_it_stands() {
        let patterns: Vec<_> = ["4d5a", "3c(48|68)", "0001", "ffff"]
            .iter()
            .map(|text| Pattern::parse(text).unwrap())
            .collect();
        let pairs = Pairs::of((0..).zip(&patterns));
        for length in 2..70 {
            for place in 0..length - 1 {
                let mut bytes = vec![b'.'; length];
                bytes[place..place + 2].copy_from_slice(b"<h");
                let mut found = Vec::new();
                pairs.each(&bytes, |place, rules| {
                    found.push((place, rules.to_vec()));
                    false
                });
                assert_eq!(found, [(place, vec![1])], "{length}");
            }
        }
    }
}
