//! How alike two icons are, in per cent.

use crate::metrics::{Metrics, Spot};

impl Metrics {
    /// Whether an icon of a program looks like one of a set, which is `other`. Icons of different sizes do
    /// not.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        let size = self.size();
        if size != other.size() {
            return false;
        }
        let (Some(confidence), least) = (self.confidence(other), self.least(other, size)) else {
            return false;
        };
        confidence >= least
    }

    /// 0, 1 or 2 for sides from 16, from 24 and from 32 on.
    fn size(&self) -> u32 {
        self.side >> 3
    }

    fn is_coloured(&self) -> bool {
        let [.., coloured] = self.spread;
        coloured != 0
    }

    fn least(&self, other: &Self, size: u32) -> u32 {
        if self.is_coloured() || other.is_coloured() {
            // 72, 68 and 64: the smaller the image, the more is by chance.
            80_u32.saturating_sub(size.saturating_mul(4))
        } else {
            70
        }
    }

    fn confidence(&self, other: &Self) -> Option<u32> {
        let alike = |one: &[Spot], other: &[Spot], most: u32| alike(self.side, one, other, most);
        let bright = alike(&self.bright, &other.bright, 255)?;
        let dark = alike(&self.dark, &other.dark, 255)?;
        if !self.is_coloured() && !other.is_coloured() {
            let both = |one: [Spot; 3], other: [Spot; 3]| [one, other].concat();
            let edges = |of: &Self| both(of.edge, of.color);
            let flats = |of: &Self| both(of.no_edge, of.gray);
            let edge = alike(&edges(self), &edges(other), 255)?;
            let flat = alike(&flats(self), &flats(other), 255)?;
            return total([bright, dark, edge.saturating_mul(2), flat]).checked_div(6);
        }
        let edge = alike(&self.edge, &other.edge, 255)?;
        let flat = alike(&self.no_edge, &other.no_edge, 255)?;
        let (mut color, mut gray) = (0, 0);
        if self.is_coloured() && other.is_coloured() {
            color = alike(&self.color, &other.color, 4072)?;
            gray = alike(&self.gray, &other.gray, 4072)?;
        }
        let calm = total([gray, bright, flat]).saturating_mul(2) / 3;
        total([color, calm, dark, edge, self.colours(other)]).checked_div(6)
    }

    /// How alike the spreads are.
    fn colours(&self, other: &Self) -> u32 {
        let near = self
            .spread
            .into_iter()
            .zip(other.spread)
            .map(|(one, other)| 100_u32.saturating_sub(one.abs_diff(other).saturating_mul(10)));
        near.fold(0, u32::saturating_add) / 4
    }
}

fn total<const N: usize>(parts: [u32; N]) -> u32 {
    parts.into_iter().fold(0, u32::saturating_add)
}

/// How near spots are to the nearest of the others: 100 for the same places. Those that are far away, or
/// of values more than a fifth of `most` apart, count nothing.
fn alike(side: u32, spots: &[Spot], others: &[Spot], most: u32) -> Option<u32> {
    let reach = (side / 4).saturating_mul(3) / 4;
    let near = |one: &Spot, other: &Spot| {
        let (x, y) = (one.x.abs_diff(other.x), one.y.abs_diff(other.y));
        let apart = x.saturating_mul(x).saturating_add(y.saturating_mul(y)).isqrt();
        let differ = one.average.abs_diff(other.average) > most / 5;
        if apart > reach || differ {
            return 0;
        }
        let loss = apart.saturating_mul(60).checked_div(reach).unwrap_or(0);
        100_u32.saturating_sub(loss)
    };
    let best = |one: &Spot| others.iter().map(|other| near(one, other)).max().unwrap_or(0);
    let sum = spots.iter().map(best).fold(0, u32::saturating_add);
    sum.checked_div(u32::try_from(spots.len()).ok()?)
}
