//! The areas of an image that stand out: squares of a quarter of its side that do not overlap.

use crate::image::Image;
use crate::metrics::Spot;

/// What an area is looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extreme {
    Most,
    Least,
}

/// The side of areas.
pub(crate) fn area_side(side: usize) -> usize {
    side / 4
}

/// The sum over the area at each place.
pub(crate) fn sums(values: &Image) -> Image {
    let (side, area) = (values.width(), area_side(values.width()));
    let mut sums = Image::new(side, side);
    for y in 0..=side.saturating_sub(area) {
        for x in 0..=side.saturating_sub(area) {
            let rows = (y..y.saturating_add(area)).map(|y| {
                (x..x.saturating_add(area)).fold(0, |sum: u32, x| sum.wrapping_add(values.at(x, y)))
            });
            sums.set(x, y, rows.fold(0, u32::wrapping_add));
        }
    }
    sums
}

/// The `N` areas that stand out most, one after another. Averages are those of their pixels.
pub(crate) fn extremes<const N: usize>(sums: &Image, extreme: Extreme) -> [Spot; N] {
    let (side, area) = (sums.width(), area_side(sums.width()));
    let pixels = u32::try_from(area.saturating_mul(area)).unwrap_or(u32::MAX);
    let (mut places, mut spots) = (Vec::new(), [Spot::default(); N]);
    for spot in &mut spots {
        let mut best = match extreme {
            Extreme::Most => 0,
            Extreme::Least => u32::MAX,
        };
        let mut place = (0_usize, 0_usize);
        for y in 0..side.saturating_sub(area) {
            for x in 0..side.saturating_sub(area).saturating_sub(1) {
                let sum = sums.at(x, y);
                let is_better = match extreme {
                    Extreme::Most => sum > best,
                    Extreme::Least => sum < best,
                };
                if is_better && !places.iter().any(|other| overlap((x, y), *other, area)) {
                    (best, place) = (sum, (x, y));
                }
            }
        }
        places.push(place);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let average = best.checked_div(pixels).unwrap_or(0);
        *spot = Spot { average, x: number(place.0), y: number(place.1) };
    }
    spots
}

fn overlap((x, y): (usize, usize), (other_x, other_y): (usize, usize), area: usize) -> bool {
    x.abs_diff(other_x) < area && y.abs_diff(other_y) < area
}
