//! Bitmaps cut short and changed are measured or not, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use watchglass_icons::Metrics;

#[test]
fn what_is_cut_short_is_not_measured_and_what_is_changed_ends() {
    for depth in [1, 4, 8, 16, 24, 32] {
        let whole = bitmap(20, depth);
        assert!(Metrics::of(&whole).is_some(), "{depth}");
        let least = whole.len() - if depth == 32 { 80 } else { 0 };
        for cut in (0..whole.len()).filter(|cut| cut % 7 == 0 || *cut < 48) {
            assert_eq!(Metrics::of(&whole[..cut]).is_some(), cut >= least, "{depth}: {cut}");
        }
        let mut dice = Dice(depth.into());
        for _ in 0..300 {
            let mut changed = whole.clone();
            for _ in 0..3 {
                let most = if dice.below(2) == 0 { 48 } else { whole.len() };
                let at = dice.below(most);
                changed[at] = dice.below(256) as u8;
            }
            if let Some(metrics) = Metrics::of(&changed) {
                assert!((16..=32).contains(&metrics.side));
                assert!(metrics.looks_like(&metrics), "an icon looks like itself");
            }
        }
    }
}

#[test]
fn sizes_beyond_the_limits_are_not_looked_at() {
    for (width, height, is_measured) in
        [(16, 16, true), (15, 16, false), (257, 257, false), (40, 20, false), (u32::MAX, 32, false)]
    {
        let mut bytes = bitmap(32, 32);
        bytes[4..8].copy_from_slice(&width.to_le_bytes());
        bytes[8..12].copy_from_slice(&u32::wrapping_mul(height, 2).to_le_bytes());
        assert_eq!(Metrics::of(&bytes).is_some(), is_measured, "{width}x{height}");
    }
    let mut bytes = bitmap(32, 32);
    bytes[0] = 39;
    assert_eq!(Metrics::of(&bytes), None);
}

/// A bitmap with coloured noise, and a mask.
fn bitmap(side: u32, depth: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [40, side, side * 2, u32::from(depth) << 16 | 1, 0, 0, 0, 0, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    let mut dice = Dice(u64::from(side) << 8 | u64::from(depth));
    let palette = if depth <= 8 { 4 << depth } else { 0 };
    let row = (side * u32::from(depth)).div_ceil(32) * 4;
    let mask = side.div_ceil(32) * 4;
    let body = palette + row * side + mask * side;
    bytes.extend((0..body).map(|_| dice.below(256) as u8));
    if depth == 32 {
        // Without opacity the mask counts; where it is cut off all is opaque.
        bytes[40..].chunks_mut(4).for_each(|pixel| pixel[3] = 0);
    }
    bytes
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % bound
    }
}
