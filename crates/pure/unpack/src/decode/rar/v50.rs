//! RAR 5, and 7 with its larger dictionaries.

use super::filters::Filter;
use super::{OldDistances, Window, codes, lengths, level_codes, run, some};
use crate::decode::bits::MsbBits;
use crate::decode::prefix::Codes;
use crate::output::{Output, Stop};

/// What a solid run of members hands on.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    codes: Option<[Codes; 4]>,
    old: OldDistances,
    last_length: usize,
}

/// A block's header.
#[derive(Debug)]
struct Block {
    /// Bits of the block's bytes that are not its own, at their end.
    end: usize,
    spare_bits: u32,
    is_last: bool,
    has_tables: bool,
}

impl Decoder {
    /// Unpacks a member of `size` bytes, or up to its own end. `distances` are 64, or 80 where the
    /// dictionary may exceed 4 GiB.
    pub(crate) fn run(
        &mut self,
        input: &[u8],
        size: u64,
        distances: usize,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let result = self.unpack(input, size, distances, window, out);
        let finished = window.finish(out);
        result.and(finished)
    }

    fn unpack(
        &mut self,
        input: &[u8],
        size: u64,
        distances: usize,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let mut rest = input;
        while window.made() < size {
            out.read(0)?;
            let (block, after) = header(rest)?;
            let bytes = after.get(..block.end).unwrap_or(after);
            let is_cut = after.len() < block.end;
            let mut bits = MsbBits::new(bytes);
            if block.has_tables {
                let level = level_codes(&mut bits, 20, true)?;
                let count = distances.saturating_add(306 + 16 + 44);
                let table = lengths(&mut bits, count, &level, &[], run)?;
                self.codes = Some(codes(&table, [306, distances, 16, 44]));
            }
            let Some(codes) = self.codes.take() else {
                return Err(Stop::Damaged("no table of codes"));
            };
            let result = self.block(&codes, &mut bits, block.spare_bits, size, window, out);
            self.codes = Some(codes);
            result?;
            if is_cut {
                return Err(Stop::Damaged("the stream is cut off"));
            }
            if block.is_last {
                return Ok(());
            }
            rest = after.get(block.end..).unwrap_or_default();
        }
        Ok(())
    }

    fn block(
        &mut self,
        [main, distances, low, repeated]: &[Codes; 4],
        bits: &mut MsbBits<'_>,
        spare_bits: u32,
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        while window.made() < size && bits.has_more_than(spare_bits) {
            let symbol = main.next(bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                window.push(byte, out)?;
                continue;
            }
            let (far, long) = match symbol {
                256 => {
                    out.read(0)?;
                    read_filter(bits, window)?;
                    continue;
                }
                257 => (self.old.youngest(), self.last_length),
                258..262 => {
                    let far = self.old.renew(symbol.wrapping_sub(258));
                    (far, length(repeated.next(bits)?, bits)?)
                }
                _ => {
                    let long = length(symbol.wrapping_sub(262), bits)?;
                    let far = distance(distances.next(bits)?, low, bits)?;
                    let more = [0x100, 0x2000, 0x40000].iter().filter(|step| far > **step).count();
                    self.old.insert(far);
                    (far, long.wrapping_add(more))
                }
            };
            self.last_length = long;
            if long > 0 {
                window.copy(far, long, out)?;
            }
        }
        Ok(())
    }
}

fn header(input: &[u8]) -> Result<(Block, &[u8]), Stop> {
    let cut_off = Stop::Damaged("a block's header is cut off");
    let (&[flags, check], rest) = input.split_first_chunk::<2>().ok_or(cut_off.clone())?;
    let count = usize::from(flags >> 3 & 3).wrapping_add(1);
    if count > 3 {
        return Err(Stop::Damaged("size of a block's size"));
    }
    let (size, rest) = rest.split_at_checked(count).ok_or(cut_off)?;
    if size.iter().fold(0x5a ^ flags, |sum, byte| sum ^ byte) != check {
        return Err(Stop::Damaged("checksum of a block's header"));
    }
    let end = size.iter().rev().fold(0_usize, |end, byte| end << 8 | usize::from(*byte));
    let spare_bits = 7_u32.wrapping_sub(u32::from(flags & 7));
    let (is_last, has_tables) = (flags & 0x40 != 0, flags & 0x80 != 0);
    Ok((Block { end, spare_bits, is_last, has_tables }, rest))
}

fn length(slot: usize, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
    Ok(super::length(slot, bits)?.wrapping_add(2))
}

fn distance(slot: usize, low: &Codes, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
    if slot < 4 {
        return Ok(slot.wrapping_add(1));
    }
    let more = u32::try_from(slot / 2).unwrap_or(0).wrapping_sub(1);
    let base = (2 | slot & 1).wrapping_shl(more);
    let far = if more < 4 {
        some(bits, more)?
    } else {
        let high = more.wrapping_sub(4);
        let upper = some(bits, high.min(32))?.wrapping_shl(high.saturating_sub(32));
        let upper = match high.checked_sub(32) {
            Some(later @ 1..) => upper | some(bits, later)?,
            _ => upper,
        };
        upper.wrapping_shl(4).wrapping_add(low.next(bits)?)
    };
    Ok(base.wrapping_add(far).wrapping_add(1))
}

fn read_filter(bits: &mut MsbBits<'_>, window: &mut Window) -> Result<(), Stop> {
    let ahead = filter_number(bits)?;
    let length = usize::try_from(filter_number(bits)?).unwrap_or(usize::MAX);
    let filter = match bits.take(3)? {
        0 => Filter::Delta { channels: some(bits, 5)?.wrapping_add(1) },
        1 => Filter::X86 { jumps: false, wraps: true },
        2 => Filter::X86 { jumps: true, wraps: true },
        3 => Filter::Arm,
        _ => return Err(Stop::Damaged("kind of a filter")),
    };
    if length > MAX_BLOCK {
        return Err(Stop::Damaged("size of a filter's block"));
    }
    window.filter(ahead, length, filter)
}

fn filter_number(bits: &mut MsbBits<'_>) -> Result<u64, Stop> {
    let count = bits.take(2)?.wrapping_add(1);
    let mut number = 0_u64;
    for index in 0..count {
        number |= u64::from(bits.take(8)?).wrapping_shl(index.wrapping_mul(8));
    }
    Ok(number)
}

/// Bytes that one filter works on, as UnRAR has it.
const MAX_BLOCK: usize = 4 << 20;
