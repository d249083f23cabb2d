//! The methods of RAR 2.0, 2.9 (to 4) and 5 (to 7), as what they decode says it of itself.
//!
//! Our own: rars (0.12) is 117,000 lines with its writer and tests, and opens files by itself; the
//! code of UnRAR is not free.

mod filters;
pub(crate) mod v20;
pub(crate) mod v29;
pub(crate) mod v50;
mod window;

pub(crate) use window::Window;

use super::bits::MsbBits;
use super::prefix::Codes;
use crate::output::Stop;

/// Distances that a copy may name by their age.
#[derive(Clone, Copy, Debug, Default)]
struct OldDistances([usize; 4]);

impl OldDistances {
    fn insert(&mut self, distance: usize) {
        let [first, second, third, _] = self.0;
        self.0 = [distance, first, second, third];
    }

    /// The one of that age, which becomes the youngest.
    fn renew(&mut self, age: usize) -> usize {
        let [first, second, third, fourth] = self.0;
        self.0 = match age {
            0 => self.0,
            1 => [second, first, third, fourth],
            2 => [third, first, second, fourth],
            _ => [fourth, first, second, third],
        };
        self.youngest()
    }

    fn youngest(&self) -> usize {
        let [first, ..] = self.0;
        first
    }
}

/// `LDecode`, `LBits`: the length of a slot, without its least.
fn length(slot: usize, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
    if slot < 8 {
        return Ok(slot);
    }
    let extra = u32::try_from(slot / 4).unwrap_or(0).wrapping_sub(1).min(15);
    let base = (4 | slot & 3).wrapping_shl(extra);
    Ok(base.wrapping_add(some(bits, extra)?))
}

/// `SDDecode`, `SDBits`: the distances of copies of two bytes.
fn short_distance(slot: usize, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
    let base = [0_usize, 4, 8, 16, 32, 64, 128, 192];
    let extra = [2, 2, 3, 4, 5, 6, 6, 6];
    let (base, extra) = base.get(slot).zip(extra.get(slot)).ok_or(Stop::Damaged("a distance"))?;
    Ok(base.wrapping_add(some(bits, *extra)?).wrapping_add(1))
}

/// `DDecode`, `DBits`: the least distance of a slot, and how many bits it has more.
fn distance(slot: usize) -> (usize, u32) {
    match slot {
        0..4 => (slot, 0),
        4..34 => {
            let bits = u32::try_from(slot / 2).unwrap_or(1).wrapping_sub(1);
            ((2 | slot & 1).wrapping_shl(bits), bits)
        }
        34..48 => (slot.wrapping_sub(32).wrapping_shl(16), 16),
        _ => (slot.wrapping_sub(44).wrapping_shl(18), 18),
    }
}

/// Bits of a number, none of them included.
fn some(bits: &mut MsbBits<'_>, count: u32) -> Result<usize, Stop> {
    if count == 0 {
        return Ok(0);
    }
    Ok(usize::try_from(bits.take(count)?).unwrap_or(0))
}

/// The lengths of the code that the lengths of the others are packed with; a run of zeros where
/// `has_runs`.
fn level_codes(bits: &mut MsbBits<'_>, count: usize, has_runs: bool) -> Result<Codes, Stop> {
    let mut lengths = Vec::with_capacity(count);
    while lengths.len() < count {
        let length = u8::try_from(bits.take(4)?).unwrap_or(0);
        if length != 15 || !has_runs {
            lengths.push(length);
            continue;
        }
        match bits.take(4)? {
            0 => lengths.push(15),
            zeros => (0..zeros.wrapping_add(2)).for_each(|_| lengths.push(0)),
        }
    }
    lengths.truncate(count);
    Ok(Codes::new(&lengths))
}

/// Runs in a table of lengths: what is repeated, by its symbol from 16 on.
enum Run {
    Last(usize),
    Zeros(usize),
}

/// Reads `count` lengths; each is a difference to `old`, where there is one.
fn lengths(
    bits: &mut MsbBits<'_>,
    count: usize,
    codes: &Codes,
    old: &[u8],
    run: fn(usize, &mut MsbBits<'_>) -> Result<Run, Stop>,
) -> Result<Vec<u8>, Stop> {
    let mut table: Vec<u8> = Vec::with_capacity(count);
    while table.len() < count {
        let symbol = codes.next(bits)?;
        if symbol < 16 {
            let before = old.get(table.len()).copied().unwrap_or(0);
            let length = u8::try_from(symbol).unwrap_or(0).wrapping_add(before) & 0xf;
            table.push(length);
            continue;
        }
        let (length, times) = match run(symbol, bits)? {
            Run::Zeros(times) => (0, times),
            Run::Last(times) => {
                let last = table.last().copied();
                (last.ok_or(Stop::Damaged("a run before the first length"))?, times)
            }
        };
        let times = times.min(count.saturating_sub(table.len()));
        table.extend(std::iter::repeat_n(length, times));
    }
    Ok(table)
}

/// The runs of versions 2.9 and 5.
fn run(symbol: usize, bits: &mut MsbBits<'_>) -> Result<Run, Stop> {
    let times = match symbol & 1 {
        0 => some(bits, 3)?.wrapping_add(3),
        _ => some(bits, 7)?.wrapping_add(11),
    };
    Ok(if symbol < 18 { Run::Last(times) } else { Run::Zeros(times) })
}

/// Splits a table of lengths into the codes of the given sizes.
fn codes<const N: usize>(table: &[u8], sizes: [usize; N]) -> [Codes; N] {
    let mut rest = table;
    sizes.map(|size| {
        let (now, later) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = later;
        Codes::new(now)
    })
}
