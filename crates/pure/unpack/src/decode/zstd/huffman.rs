//! Huffman codes of literals, section 4.2.

use super::DAMAGED;
use super::fse::Table;
use super::reverse::ReverseBits;
use crate::output::Stop;

/// A code, looked up by [`MAX_BITS`] bits.
#[derive(Debug)]
pub(super) struct Code {
    entries: Box<[Entry; 1 << MAX_BITS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    symbol: u8,
    bits: u8,
}

impl Code {
    /// Reads the description of a code, section 4.2.1; gives the bytes that it takes as well.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Stop> {
        let (first, rest) = bytes.split_first().ok_or(DAMAGED)?;
        let mut weights = Vec::with_capacity(256);
        let used = match first.checked_sub(127) {
            Some(count) if count > 0 => {
                let count = usize::from(count);
                let packed = rest.get(..count.div_ceil(2)).ok_or(DAMAGED)?;
                weights.extend(packed.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(count));
                packed.len()
            }
            _ => {
                let packed = rest.get(..usize::from(*first)).ok_or(DAMAGED)?;
                read_weights(packed, &mut weights)?;
                packed.len()
            }
        };
        Ok((Self::of(&weights)?, used.saturating_add(1)))
    }

    /// The code of these weights, of which the last is left out because it follows from the others.
    fn of(weights: &[u8]) -> Result<Self, Stop> {
        if weights.len() > 255 || weights.iter().any(|weight| u32::from(*weight) > MAX_BITS) {
            return Err(DAMAGED);
        }
        let size = |weight: &u8| {
            weight.checked_sub(1).map_or(0, |bits| 1_u32.wrapping_shl(u32::from(bits)))
        };
        let sum = weights.iter().map(size).fold(0_u32, u32::saturating_add);
        let longest = sum.checked_ilog2().ok_or(DAMAGED)?.saturating_add(1);
        let left = 1_u32.wrapping_shl(longest).saturating_sub(sum);
        if longest > MAX_BITS || !left.is_power_of_two() {
            return Err(DAMAGED);
        }
        let last = u8::try_from(left.ilog2().saturating_add(1)).map_err(|_| DAMAGED)?;
        let all = || (0_u8..=255).zip(weights.iter().copied().chain([last]));
        let mut entries = Box::new([Entry::default(); 1 << MAX_BITS]);
        // A code of fewer bits than the index stands for all that follow it.
        let scale = MAX_BITS.saturating_sub(longest);
        let mut at = 0_usize;
        for weight in 1..=longest {
            let bits = u8::try_from(longest.saturating_add(1).saturating_sub(weight));
            let bits = bits.map_err(|_| DAMAGED)?;
            let span = 1_usize.wrapping_shl(weight.saturating_sub(1).saturating_add(scale));
            for (symbol, _) in all().filter(|(_, of)| u32::from(*of) == weight) {
                let end = at.saturating_add(span);
                entries.get_mut(at..end).ok_or(DAMAGED)?.fill(Entry { symbol, bits });
                at = end;
            }
        }
        if at == 1 << MAX_BITS { Ok(Self { entries }) } else { Err(DAMAGED) }
    }

    /// Decodes the stream that is the first `length` bytes of `bytes`, `count` symbols of it.
    pub(super) fn decode(&self, bytes: &[u8], length: usize, out: &mut [u8]) -> Result<(), Stop> {
        let mut bits = ReverseBits::new(bytes, length)?;
        let mut rounds = out.chunks_exact_mut(A_ROUND);
        for round in &mut rounds {
            // 55 bits hold five symbols.
            let held = bits.peek(A_ROUND_BITS);
            let mut used = 0_u32;
            for place in round {
                let entry = self.entry(held.wrapping_shr(LAST_OF_A_ROUND.wrapping_sub(used)));
                *place = entry.symbol;
                used = used.wrapping_add(u32::from(entry.bits));
            }
            bits.skip(used);
        }
        for place in rounds.into_remainder() {
            let entry = self.entry(bits.peek(MAX_BITS));
            *place = entry.symbol;
            bits.skip(u32::from(entry.bits));
        }
        if bits.is_at_end() { Ok(()) } else { Err(DAMAGED) }
    }

    #[inline]
    fn entry(&self, bits: u64) -> Entry {
        let [low, high, ..] = bits.to_le_bytes();
        let index = usize::from(u16::from_le_bytes([low, high])) & ((1 << MAX_BITS) - 1);
        self.entries.get(index).copied().unwrap_or_default()
    }
}

/// Weights that two states take turns to give, section 4.2.1.2.
fn read_weights(bytes: &[u8], weights: &mut Vec<u8>) -> Result<(), Stop> {
    let (table, used) = Table::read(bytes, 6, 256)?;
    let rest = bytes.get(used..).unwrap_or_default();
    let mut bits = ReverseBits::new(rest, rest.len())?;
    let number = |bits: &mut ReverseBits<'_>, count: u32| {
        usize::try_from(bits.take(count)).unwrap_or(usize::MAX)
    };
    let mut now = table.state(number(&mut bits, table.accuracy_log));
    let mut then = table.state(number(&mut bits, table.accuracy_log));
    if bits.is_beyond() {
        return Err(DAMAGED);
    }
    while weights.len() < 255 {
        weights.push(now.symbol);
        let follows = number(&mut bits, u32::from(now.bits));
        if bits.is_beyond() {
            weights.push(then.symbol);
            return Ok(());
        }
        now = table.state(usize::from(now.base).saturating_add(follows));
        std::mem::swap(&mut now, &mut then);
    }
    Err(DAMAGED)
}

/// Bits of the longest code.
const MAX_BITS: u32 = 11;
/// Symbols that one look at the bits gives.
const A_ROUND: usize = 5;
const A_ROUND_BITS: u32 = 55;
/// Where the first symbol's bits stand among those of a round.
const LAST_OF_A_ROUND: u32 = A_ROUND_BITS - MAX_BITS;
