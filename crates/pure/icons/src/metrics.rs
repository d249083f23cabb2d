//! The form in which icons are compared.

use crate::areas::{Extreme, extremes, sums};
use crate::colour::Colour;
use crate::image::Image;
use crate::{bitmap, edges};

/// What is measured of an icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Pixels a side, 16 to 32.
    pub side: u32,
    /// Where it is most coloured; of an icon without colours, further edges.
    pub color: [Spot; 3],
    /// Where it is least coloured; of an icon without colours, further places without edges.
    pub gray: [Spot; 3],
    /// Where it is brightest.
    pub bright: [Spot; 3],
    /// Where it is darkest.
    pub dark: [Spot; 3],
    /// Where its edges are strongest.
    pub edge: [Spot; 3],
    /// Where it has none.
    pub no_edge: [Spot; 3],
    /// Shares of red, green and blue, then of coloured pixels, in per cent; 0 without colours.
    pub spread: [u32; 4],
}

/// A value at a place of an icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The value, an average; 4,072 at most for colours, 255 for others.
    pub average: u32,
    /// Pixels from the left.
    pub x: u32,
    /// Pixels from the top.
    pub y: u32,
}

impl Metrics {
    /// Measures an icon. `bytes` begin with its bitmap's header and go to the end of the file.
    ///
    /// Returns none for what is not looked at: PNG, sides under 16 or over 256 pixels, what is not square
    /// enough, what is cut off.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        bitmap::read(bytes).map(|image| Self::measure(&image))
    }

    fn measure(image: &Image) -> Self {
        let strength = sums(&image.map(|pixel| Colour::of(pixel).strength()));
        let value = sums(&image.map(|pixel| Colour::of(pixel).value));
        let edges = sums(&edges::of(image));
        let spread = spread(image);
        let [_, _, _, coloured] = spread;
        let mut metrics = Self {
            side: u32::try_from(image.width()).unwrap_or(0),
            color: extremes(&strength, Extreme::Most),
            gray: extremes(&strength, Extreme::Least),
            bright: extremes(&value, Extreme::Most),
            dark: extremes(&value, Extreme::Least),
            edge: extremes(&edges, Extreme::Most),
            no_edge: extremes(&edges, Extreme::Least),
            spread,
        };
        if coloured == 0 {
            let [.., d, e, f] = extremes::<6>(&edges, Extreme::Most);
            let [.., g, h, i] = extremes::<6>(&edges, Extreme::Least);
            metrics.color = [d, e, f];
            // Their places are those of the edges: so it is in ClamAV.
            let placed = |spot: Spot, at: Spot| Spot { average: spot.average, ..at };
            metrics.gray = [placed(g, d), placed(h, e), placed(i, f)];
        }
        metrics
    }
}

/// Nothing where no more than 5 of 100 pixels are coloured.
fn spread(image: &Image) -> [u32; 4] {
    let (mut shares, mut count) = ([0_u32; 3], 0_u32);
    for colour in image.pixels().map(Colour::of).filter(|colour| colour.is_strong()) {
        count = count.saturating_add(1);
        for (sum, share) in shares.iter_mut().zip(colour.shares()) {
            *sum = sum.saturating_add(share);
        }
    }
    let side = u32::try_from(image.width()).unwrap_or(0);
    let per_cent =
        count.saturating_mul(100).checked_div(side).and_then(|all| all.checked_div(side));
    match per_cent {
        Some(per_cent @ 6..) => {
            let [red, green, blue] = shares.map(|share| share.checked_div(count).unwrap_or(0));
            [red, green, blue, per_cent]
        }
        _ => [0; 4],
    }
}
