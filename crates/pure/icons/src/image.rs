//! Squares and rectangles of pixels.

/// Values of pixels, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    width: usize,
    pixels: Vec<u32>,
}

impl Image {
    /// An image of zeros.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, pixels: vec![0; width.saturating_mul(height)] }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.pixels.len().checked_div(self.width).unwrap_or(0)
    }

    /// A pixel; 0 beside the image. Behind the end of a row the next one follows.
    pub(crate) fn at(&self, x: usize, y: usize) -> u32 {
        self.pixels.get(self.place(x, y)).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, x: usize, y: usize, value: u32) {
        let place = self.place(x, y);
        if let Some(pixel) = self.pixels.get_mut(place) {
            *pixel = value;
        }
    }

    /// Each pixel changed by itself.
    pub(crate) fn map(&self, change: impl Fn(u32) -> u32) -> Self {
        Self { width: self.width, pixels: self.pixels.iter().map(|one| change(*one)).collect() }
    }

    pub(crate) fn pixels(&self) -> impl Iterator<Item = u32> {
        self.pixels.iter().copied()
    }

    fn place(&self, x: usize, y: usize) -> usize {
        y.saturating_mul(self.width).saturating_add(x)
    }
}
