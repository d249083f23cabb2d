//! Where an image has edges: Sobel's gradients of the distance from grey, blurred.

use crate::colour::distance_from_grey;
use crate::image::Image;

/// The strength of edges, 255 at most.
pub(crate) fn of(image: &Image) -> Image {
    let gradients = gradients(image);
    let most = gradients.pixels().max().unwrap_or(0);
    let side = image.width();
    let mut edges = Image::new(side, side);
    for (x, y) in inner(side) {
        // Without any gradient the blue of the image itself stays, as in ClamAV.
        let value = gradients.at(x, y).wrapping_mul(255).checked_div(most);
        edges.set(x, y, value.unwrap_or(image.at(x, y) & 0xff));
    }
    blurred(&edges)
}

/// All places but those of the border, row by row.
fn inner(side: usize) -> impl Iterator<Item = (usize, usize)> {
    let last = side.saturating_sub(1);
    (1..last).flat_map(move |y| (1..last).map(move |x| (x, y)))
}

fn gradients(image: &Image) -> Image {
    let side = image.width();
    let distances: Vec<f64> = image.pixels().map(distance_from_grey).collect();
    let at = |x: usize, y: usize| {
        distances.get(y.saturating_mul(side).saturating_add(x)).copied().unwrap_or(0.0)
    };
    let mut gradients = Image::new(side, side);
    for (x, y) in inner(side) {
        let (left, right) = (x.saturating_sub(1), x.saturating_add(1));
        let (above, below) = (y.saturating_sub(1), y.saturating_add(1));
        let along = at(left, above) + at(left, y) * 2.0 + at(left, below)
            - at(right, above)
            - at(right, y) * 2.0
            - at(right, below);
        let across = at(left, above) + at(x, above) * 2.0 + at(right, above)
            - at(left, below)
            - at(x, below) * 2.0
            - at(right, below);
        gradients.set(x, y, whole((along * along + across * across).sqrt()));
    }
    gradients
}

/// The number without what is behind its point. Distances in L*a*b* are some hundreds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to some thousands, and saturating"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

/// By 1, 2, 1 along rows, then along columns. The row above a pixel is already blurred then: so it is
/// in ClamAV.
fn blurred(edges: &Image) -> Image {
    let side = edges.width();
    let kernel = |one: u32, middle: u32, other: u32| {
        middle.wrapping_mul(2).wrapping_add(one).wrapping_add(other) / 4
    };
    let mut rows = Image::new(side, side);
    for (x, y) in inner(side) {
        let (left, right) = (x.saturating_sub(1), x.saturating_add(1));
        rows.set(x, y, kernel(edges.at(left, y), edges.at(x, y), edges.at(right, y)));
    }
    for (x, y) in inner(side) {
        let (above, below) = (y.saturating_sub(1), y.saturating_add(1));
        rows.set(x, y, kernel(rows.at(x, above), rows.at(x, y), rows.at(x, below)));
    }
    rows
}
