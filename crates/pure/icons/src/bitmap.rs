//! Device-independent bitmaps of icons (*BITMAPINFOHEADER*), blended onto white and scaled to 16, 24 or
//! 32 pixels a side, or to a size near these.

use watchglass_bytes::{ReadError, Reader};

use crate::image::Image;

/// The image of an icon whose header `bytes` begin with; none where it is no bitmap that is looked at.
/// `bytes` go to the end of the file.
pub(crate) fn read(bytes: &[u8]) -> Option<Image> {
    let header = Header::read(bytes).ok()?;
    let in_bounds = |side: &usize| (LEAST_SIDE..=MOST_SIDE).contains(side);
    let Header { width, height, depth, .. } = header;
    if !in_bounds(&width) || !in_bounds(&height) {
        return None;
    }
    let is_square = |one: usize, other: usize| one >= other.saturating_mul(3) / 4;
    if !is_square(width, height) || !is_square(height, width) {
        return None;
    }
    let body = bytes.get(header.size..)?;
    let palette_bytes = match depth {
        1 | 4 | 8 => 4_usize.checked_shl(depth)?,
        16 | 24 | 32 => 0,
        // PNG, for one.
        _ => return None,
    };
    let (palette, body) = body.split_at_checked(palette_bytes)?;
    let image = pixels(&header, palette, body)?;
    Some(scaled(&image.map(on_white)))
}

struct Header {
    /// Bytes of the header, of whatever version.
    size: usize,
    width: usize,
    /// Of the picture; the field counts the mask as well.
    height: usize,
    depth: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let mut header = reader.sub("BITMAPINFOHEADER", HEADER_BYTES)?;
        let size = header.u32_le("biSize")?;
        let (width, height) = (header.u32_le("biWidth")?, header.u32_le("biHeight")?);
        header.u16_le("biPlanes")?;
        let depth = header.u16_le("biBitCount")?.into();
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let size = number(size);
        // Smaller headers are not looked at: no size fits then.
        let width = if size < HEADER_BYTES { 0 } else { number(width) };
        Ok(Self { size, width, height: number(height / 2), depth })
    }
}

/// Colours with their opacity.
fn pixels(header: &Header, palette: &[u8], body: &[u8]) -> Option<Image> {
    let Header { width, height, depth, .. } = *header;
    let depth = usize::try_from(depth).ok()?;
    let row = width.checked_mul(depth)?.div_ceil(32).checked_mul(4)?;
    let mask_row = width.div_ceil(32).checked_mul(4)?;
    let has_mask = depth != 32;
    let both = row.checked_add(if has_mask { mask_row } else { 0 })?;
    let (colours, mask) = body.split_at_checked(row.checked_mul(height)?)?;
    if body.len() < both.checked_mul(height)? {
        return None;
    }
    let mut image = Image::new(width, height);
    // Rows come from below.
    for (from_below, row) in colours.chunks(row).enumerate() {
        let y = height.saturating_sub(from_below).checked_sub(1)?;
        for x in 0..width {
            image.set(x, y, colour(row, x, depth, palette)?);
        }
    }
    if has_mask || image.pixels().all(|pixel| pixel & OPAQUE == 0) {
        // Some with 32 bits are of 24 and have a mask; where that is not there all is opaque.
        match mask.get(..mask_row.checked_mul(height)?) {
            Some(mask) => apply(mask, mask_row, &mut image),
            None => return Some(image.map(|pixel| pixel | OPAQUE)),
        }
    }
    Some(image)
}

fn colour(row: &[u8], x: usize, depth: usize, palette: &[u8]) -> Option<u32> {
    let byte = |at: usize| row.get(at).copied().map(u32::from);
    Some(match depth {
        16 => {
            let at = x.checked_mul(2)?;
            let (low, high) = (byte(at)?, byte(at.checked_add(1)?)?);
            // As ClamAV does it, though red has five bits.
            let widen = |part: u32| part.wrapping_shl(3) | part >> 2;
            let green = low >> 5 | (high & 3).wrapping_shl(3);
            widen(low & 0x1f) | widen(green).wrapping_shl(11) | widen(high & 0xfc).wrapping_shl(17)
        }
        24 => {
            let [blue, green, red] = *row.get(x.checked_mul(3)?..)?.first_chunk::<3>()?;
            u32::from_le_bytes([blue, green, red, 0])
        }
        32 => u32::from_le_bytes(*row.get(x.checked_mul(4)?..)?.first_chunk::<4>()?),
        _ => {
            let bit = x.checked_mul(depth)?;
            let shift = 8_usize.checked_sub(depth)?.checked_sub(bit % 8)?;
            let index = byte(bit / 8)? >> shift
                & 1_u32.wrapping_shl(u32::try_from(depth).ok()?).wrapping_sub(1);
            let entry = usize::try_from(index).ok()?.checked_mul(4)?;
            u32::from_le_bytes(*palette.get(entry..)?.first_chunk::<4>()?)
        }
    })
}

/// Makes opaque what the mask does not hide.
fn apply(mask: &[u8], mask_row: usize, image: &mut Image) {
    let (width, height) = (image.width(), image.height());
    for (from_below, row) in mask.chunks(mask_row).enumerate() {
        let y = height.saturating_sub(from_below).saturating_sub(1);
        for x in 0..width {
            let byte = row.get(x / 8).copied().unwrap_or(0);
            if byte.wrapping_shl(u32::try_from(x % 8).unwrap_or(0)) & 0x80 == 0 {
                image.set(x, y, image.at(x, y) | OPAQUE);
            }
        }
    }
}

fn on_white(pixel: u32) -> u32 {
    let [blue, green, red, alpha] = pixel.to_le_bytes().map(u32::from);
    let blend = |part: u32| {
        let part = alpha.wrapping_mul(part) / 255;
        u8::try_from(255_u32.wrapping_sub(alpha).wrapping_add(part)).unwrap_or(u8::MAX)
    };
    u32::from_le_bytes([blend(blue), blend(green), blend(red), 255])
}

/// Scales to a size that is measured.
fn scaled(image: &Image) -> Image {
    let (width, height) = (image.width(), image.height());
    if width != height {
        return sampled(image);
    }
    match width {
        16 | 24 | 32 => image.clone(),
        _ if width.is_multiple_of(32) || width.is_multiple_of(24) => {
            let mut image = image.clone();
            while image.width() > 32 {
                image = halved(&image);
            }
            image
        }
        _ => sampled(image),
    }
}

/// Each two by two pixels as their mean, rounded down at each of two steps.
fn halved(image: &Image) -> Image {
    let (width, height) = (image.width() / 2, image.height() / 2);
    let mean = |one: u32, other: u32| {
        ((one ^ other) & 0xfefe_fefe).wrapping_shr(1).wrapping_add(one & other)
    };
    let mut smaller = Image::new(width, height);
    for y in 0..height {
        for x in 0..width {
            let (left, above) = (x.saturating_mul(2), y.saturating_mul(2));
            let (right, below) = (left.saturating_add(1), above.saturating_add(1));
            let upper = mean(image.at(left, above), image.at(right, above));
            let lower = mean(image.at(left, below), image.at(right, below));
            smaller.set(x, y, mean(upper, lower));
        }
    }
    smaller
}

/// The nearest of the three sizes, by one pixel for each.
fn sampled(image: &Image) -> Image {
    let (width, height) = (image.width(), image.height());
    let far = |side: usize| width.abs_diff(side).saturating_add(height.abs_diff(side));
    let side = if far(32) < far(24) {
        32
    } else if far(24) < far(16) {
        24
    } else {
        16
    };
    let mut other = Image::new(side, side);
    // In floating point as in ClamAV, with a half more along a row and none along a column.
    let from = |at: usize, of: usize, more: f64| {
        let number = |number: usize| f64::from(u32::try_from(number).unwrap_or(0));
        whole(number(at) * (number(of) / number(side)) + more)
    };
    for y in 0..side {
        for x in 0..side {
            other.set(x, y, image.at(from(x, width, 0.5), from(y, height, 0.0)));
        }
    }
    other
}

/// The number without what is behind its point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 256, and saturating"
)]
fn whole(number: f64) -> usize {
    number as usize
}

/// Opacity of a pixel.
const OPAQUE: u32 = 0xff00_0000;
const HEADER_BYTES: usize = 40;
/// Sides of icons that are looked at, as in ClamAV.
const LEAST_SIDE: usize = 16;
const MOST_SIDE: usize = 256;
