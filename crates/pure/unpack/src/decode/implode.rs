//! Implode, APPNOTE.TXT 6.3.10 section 5.3.

use super::Decoded;
use super::bits::LsbBits;
use crate::budget::to_u64;
use crate::output::{Output, Stop};

/// Unpacks until `size` bytes are made: the format has no end of its own. `flags` are those of the
/// member, whose bits 1 and 2 say which window and how many trees.
pub(crate) fn explode(input: &[u8], flags: u16, size: u64, out: &mut Output<'_>) -> Decoded {
    let mut bits = LsbBits::new(input);
    let result = run(&mut bits, flags, size, out);
    Decoded { used: bits.used(), result, faults: Vec::new() }
}

fn run(bits: &mut LsbBits<'_>, flags: u16, size: u64, out: &mut Output<'_>) -> Result<(), Stop> {
    let low_bits = if flags & 2 != 0 { 7 } else { 6 };
    let literals = if flags & 4 != 0 { Some(Tree::read(bits, 256)?) } else { None };
    let lengths = Tree::read(bits, 64)?;
    let distances = Tree::read(bits, 64)?;
    let least = if literals.is_some() { 3 } else { 2 };
    let start = out.len();
    while to_u64(out.len().saturating_sub(start)) < size {
        if bits.take(1)? == 1 {
            let byte = match &literals {
                Some(tree) => tree.next(bits)?,
                None => bits.take(8)?,
            };
            out.push(u8::try_from(byte).unwrap_or(0))?;
            continue;
        }
        let low = bits.take(low_bits)?;
        let high = distances.next(bits)?;
        let distance = high.wrapping_shl(low_bits) | low;
        let mut length = lengths.next(bits)?;
        if length == 63 {
            length = length.wrapping_add(bits.take(8)?);
        }
        copy(start, word(distance).saturating_add(1), word(length.wrapping_add(least)), out)?;
    }
    Ok(())
}

/// Copies; what stands before the start is zeros.
fn copy(start: usize, distance: usize, length: usize, out: &mut Output<'_>) -> Result<(), Stop> {
    let made = out.len().saturating_sub(start);
    let zeros = distance.saturating_sub(made).min(length);
    out.repeat(0, zeros)?;
    match length.saturating_sub(zeros) {
        0 => Ok(()),
        length => out.copy_back(distance, length),
    }
}

/// A Shannon-Fano tree.
#[derive(Debug)]
struct Tree {
    /// First code of 16 bits, its length in bits, its symbol; by code.
    codes: Vec<(u32, u32, u32)>,
}

impl Tree {
    /// Reads the lengths of `count` codes, in runs, and counts the codes from the longest.
    fn read(bits: &mut LsbBits<'_>, count: usize) -> Result<Self, Stop> {
        let runs = bits.take(8)?.wrapping_add(1);
        let mut lengths = Vec::with_capacity(count);
        for _ in 0..runs {
            let (length, again) = (bits.take(4)?.wrapping_add(1), bits.take(4)?.wrapping_add(1));
            for _ in 0..again {
                lengths.push((length, u32::try_from(lengths.len()).unwrap_or(0)));
            }
        }
        if lengths.len() != count {
            return Err(Stop::Damaged("implode tree"));
        }
        lengths.sort_unstable();
        let mut codes = Vec::with_capacity(count);
        let mut code = 0_u32;
        for (length, symbol) in lengths.into_iter().rev() {
            codes.push((code, length, symbol));
            code = code.wrapping_add(1_u32.wrapping_shl(16_u32.wrapping_sub(length)));
        }
        if code > 1 << 16 {
            return Err(Stop::Damaged("implode tree"));
        }
        Ok(Self { codes })
    }

    fn next(&self, bits: &mut LsbBits<'_>) -> Result<u32, Stop> {
        // The first bit of the stream is the top bit of a code.
        let ahead = bits.peek(16).reverse_bits() >> 16;
        let after = self.codes.partition_point(|(code, _, _)| *code <= ahead);
        let place = after.checked_sub(1).and_then(|place| self.codes.get(place));
        let (_, length, symbol) = place.ok_or(Stop::Damaged("implode code"))?;
        bits.skip(*length)?;
        Ok(*symbol)
    }
}

fn word(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
