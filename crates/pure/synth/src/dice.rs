//! Numbers that look random and are the same in each run.

/// A generator whose numbers follow from its seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

/// Which bytes stand where any may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// Few values, so that files are full of near misses.
    Mixed,
    /// Small letters, which the normal forms of texts keep as they are.
    Text,
}

impl Dice {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `count`, 0 for a count of 0.
    pub fn below(&mut self, count: usize) -> usize {
        let next = self.draw();
        let limit = u64::try_from(count).unwrap_or(u64::MAX);
        next.checked_rem(limit).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    /// Whether a chance of one in `count` came true.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len());
        of.get(at)
    }

    /// A byte of a palette.
    pub fn byte(&mut self, palette: Palette) -> u8 {
        let bytes: &[u8] = match palette {
            Palette::Mixed => b"\0aAbB01 \n\r.Z",
            Palette::Text => b"etaoinshrdlu",
        };
        self.pick(bytes).copied().unwrap_or_default()
    }

    /// So many bytes of a palette.
    pub fn filler(&mut self, count: usize, palette: Palette) -> Vec<u8> {
        (0..count).map(|_| self.byte(palette)).collect()
    }
}
