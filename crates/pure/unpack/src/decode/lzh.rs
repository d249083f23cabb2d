//! The methods of LHA: lh4 to lh7 and lhx (codes in blocks), lzs and lz5.

use super::bits::MsbBits;
use super::prefix::Codes;
use crate::budget::to_u64;
use crate::output::{Output, Stop};

/// Unpacks lh4 to lh7: `window_bits` says how far copies reach, and how many distances have codes.
pub(crate) fn lh5(
    input: &[u8],
    size: u64,
    window_bits: u32,
    out: &mut Output<'_>,
) -> Result<(), Stop> {
    let mut bits = MsbBits::new(input);
    // Distances of lh5 have 4 bits for the number of their codes, larger windows 5.
    let (slots, slot_bits) = if window_bits <= 14 { (14, 4) } else { (window_bits.max(16), 5) };
    while to_u64(out.len()) < size {
        let mut left = bits.take(16)?;
        out.read(0)?;
        let levels = lengths_of_levels(&mut bits)?;
        let main = main_codes(&mut bits, &levels)?;
        let distances = distance_codes(&mut bits, slots, slot_bits)?;
        while left > 0 && to_u64(out.len()) < size {
            left = left.wrapping_sub(1);
            let symbol = main.next(&mut bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                out.push(byte)?;
                continue;
            }
            let length = symbol.wrapping_sub(253);
            let slot = u32::try_from(distances.next(&mut bits)?).unwrap_or(0);
            let distance = match slot {
                0 | 1 => slot,
                _ => {
                    let more = slot.wrapping_sub(1).min(31);
                    1_u32.wrapping_shl(more) | bits.take(more)?
                }
            };
            copy(word(distance).wrapping_add(1), length, size, out)?;
        }
    }
    Ok(())
}

/// Copies, no further than the member's end; what stands before its start is spaces.
pub(super) fn copy(
    distance: usize,
    length: usize,
    size: u64,
    out: &mut Output<'_>,
) -> Result<(), Stop> {
    let left = usize::try_from(size.saturating_sub(to_u64(out.len()))).unwrap_or(usize::MAX);
    let length = length.min(left);
    let before = distance.saturating_sub(out.len()).min(length);
    out.repeat(b' ', before)?;
    match length.saturating_sub(before) {
        0 => Ok(()),
        length => out.copy_back(distance, length),
    }
}

/// A number of which seven or more is in ones that end with a zero.
fn level(bits: &mut MsbBits<'_>) -> Result<u8, Stop> {
    let mut length = bits.take(3)?;
    if length == 7 {
        while bits.flag()? {
            length = length.wrapping_add(1);
            if length > 16 {
                return Err(Stop::Damaged("length of a code"));
            }
        }
    }
    Ok(u8::try_from(length).unwrap_or(0))
}

fn lengths_of_levels(bits: &mut MsbBits<'_>) -> Result<Codes, Stop> {
    let count = word(bits.take(5)?);
    if count == 0 {
        return Ok(Codes::only(u16::try_from(bits.take(5)?).unwrap_or(0)));
    }
    let mut lengths = Vec::with_capacity(32);
    while lengths.len() < count {
        lengths.push(level(bits)?);
        if lengths.len() == 3 {
            (0..bits.take(2)?).for_each(|_| lengths.push(0));
        }
    }
    Ok(Codes::new(&lengths))
}

fn main_codes(bits: &mut MsbBits<'_>, levels: &Codes) -> Result<Codes, Stop> {
    let count = word(bits.take(9)?);
    if count == 0 {
        return Ok(Codes::only(u16::try_from(bits.take(9)?).unwrap_or(0)));
    }
    let mut lengths: Vec<u8> = Vec::with_capacity(510);
    while lengths.len() < count {
        let zeros = match levels.next(bits)? {
            0 => 1,
            1 => bits.take(4)?.wrapping_add(3),
            2 => bits.take(9)?.wrapping_add(20),
            symbol => {
                lengths.push(u8::try_from(symbol.wrapping_sub(2)).unwrap_or(0));
                continue;
            }
        };
        lengths.extend(std::iter::repeat_n(0, word(zeros)));
    }
    lengths.truncate(510);
    Ok(Codes::new(&lengths))
}

fn distance_codes(bits: &mut MsbBits<'_>, slots: u32, slot_bits: u32) -> Result<Codes, Stop> {
    let count = bits.take(slot_bits)?;
    if count == 0 {
        return Ok(Codes::only(u16::try_from(bits.take(slot_bits)?).unwrap_or(0)));
    }
    if count > slots.wrapping_add(2) {
        return Err(Stop::Damaged("number of distances"));
    }
    let mut lengths = Vec::new();
    for _ in 0..count {
        lengths.push(level(bits)?);
    }
    Ok(Codes::new(&lengths))
}

/// Unpacks lzs: bits that say whether a byte or a copy from a window of 2 KiB follows.
pub(crate) fn lzs(input: &[u8], size: u64, out: &mut Output<'_>) -> Result<(), Stop> {
    let mut bits = MsbBits::new(input);
    while to_u64(out.len()) < size {
        if bits.flag()? {
            out.push(u8::try_from(bits.take(8)?).unwrap_or(0))?;
            continue;
        }
        let place = word(bits.take(11)?);
        let length = word(bits.take(4)?).wrapping_add(2);
        from_place(place, 2048, 17, length, size, out)?;
    }
    Ok(())
}

/// Unpacks lz5: eight flags, then bytes and copies from a window of 4 KiB.
pub(crate) fn lz5(input: &[u8], size: u64, out: &mut Output<'_>) -> Result<(), Stop> {
    let mut bytes = input.iter().copied();
    let mut next = || bytes.next().ok_or(Stop::Damaged("the stream is cut off"));
    while to_u64(out.len()) < size {
        let flags = next()?;
        for bit in 0..8_u32 {
            if to_u64(out.len()) >= size {
                break;
            }
            let first = next()?;
            if flags >> bit & 1 == 1 {
                out.push(first)?;
                continue;
            }
            let second = next()?;
            let place = usize::from(second & 0xf0) << 4 | usize::from(first);
            let length = usize::from(second & 0xf).wrapping_add(3);
            from_place(place, 4096, 18, length, size, out)?;
        }
    }
    Ok(())
}

/// Copies from a place of the window, of which the first byte was written at its end less `ahead`.
fn from_place(
    place: usize,
    window: usize,
    ahead: usize,
    length: usize,
    size: u64,
    out: &mut Output<'_>,
) -> Result<(), Stop> {
    let here = out.len().wrapping_add(window).wrapping_sub(ahead);
    let distance = here.wrapping_sub(place).wrapping_sub(1) & window.wrapping_sub(1);
    copy(distance.wrapping_add(1), length, size, out)
}

fn word(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
