//! Finite state entropy, section 4.1.

use super::DAMAGED;
use crate::decode::bits::LsbBits;
use crate::output::Stop;

/// A decoding table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) accuracy_log: u32,
    states: Vec<State>,
}

/// What a state says: its symbol, and which state follows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) symbol: u8,
    pub(super) bits: u8,
    pub(super) base: u16,
}

impl Table {
    /// A table of one state, which has `symbol`.
    pub(super) fn of_one(symbol: u8) -> Self {
        Self { accuracy_log: 0, states: vec![State { symbol, bits: 0, base: 0 }] }
    }

    /// Reads the description of a table of up to `symbols` symbols, section 4.1.1; gives the bytes
    /// that it takes as well.
    pub(super) fn read(
        bytes: &[u8],
        max_accuracy_log: u32,
        symbols: usize,
    ) -> Result<(Self, usize), Stop> {
        let mut bits = LsbBits::new(bytes);
        let accuracy_log = bits.take(4)?.saturating_add(5);
        if accuracy_log > max_accuracy_log {
            return Err(DAMAGED);
        }
        let mut counts: Vec<i16> = Vec::new();
        let mut remaining = 1_u32.wrapping_shl(accuracy_log);
        while remaining > 0 {
            let probability = read_probability(&mut bits, remaining)?;
            remaining = remaining.checked_sub(probability.unsigned_abs().into()).ok_or(DAMAGED)?;
            counts.push(probability);
            let mut more = probability == 0;
            while more {
                let zeros = bits.take(2)?;
                counts.extend((0..zeros).map(|_| 0));
                more = zeros == 3;
            }
            if counts.len() > symbols {
                return Err(DAMAGED);
            }
        }
        Ok((Self::of(&counts, accuracy_log)?, bits.used()))
    }

    /// The table of these probabilities; -1 is less than one.
    pub(super) fn of(counts: &[i16], accuracy_log: u32) -> Result<Self, Stop> {
        let size = 1_usize.wrapping_shl(accuracy_log);
        let mut states = vec![State::default(); size];
        let mut rare = size;
        for (symbol, _) in (0_u8..).zip(counts).filter(|(_, count)| **count == -1) {
            rare = rare.checked_sub(1).ok_or(DAMAGED)?;
            states.get_mut(rare).ok_or(DAMAGED)?.symbol = symbol;
        }
        let step = (size >> 1).saturating_add(size >> 3).saturating_add(3);
        let mask = size.wrapping_sub(1);
        let mut at = 0_usize;
        for (symbol, count) in (0_u8..).zip(counts).filter(|(_, count)| **count > 0) {
            for _ in 0..*count {
                states.get_mut(at).ok_or(DAMAGED)?.symbol = symbol;
                at = at.wrapping_add(step) & mask;
                // Every place is reached, and those of the rare symbols are fewer than all.
                while at >= rare && rare > 0 {
                    at = at.wrapping_add(step) & mask;
                }
            }
        }
        if at != 0 {
            return Err(DAMAGED);
        }
        let mut table = Self { accuracy_log, states };
        table.link(counts);
        Ok(table)
    }

    /// Fills in which state follows which.
    fn link(&mut self, counts: &[i16]) {
        let mut next: Vec<u16> = counts.iter().map(|count| count.unsigned_abs()).collect();
        for state in &mut self.states {
            let Some(next) = next.get_mut(usize::from(state.symbol)) else { continue };
            let bits = self.accuracy_log.saturating_sub(next.checked_ilog2().unwrap_or(0));
            let size = 1_u32.wrapping_shl(self.accuracy_log);
            let base = u32::from(*next).wrapping_shl(bits).saturating_sub(size);
            state.bits = u8::try_from(bits).unwrap_or(0);
            state.base = u16::try_from(base).unwrap_or(0);
            *next = next.wrapping_add(1);
        }
    }

    /// The state of a number, which is one of this table's.
    #[inline]
    pub(super) fn state(&self, number: usize) -> State {
        self.states.get(number).copied().unwrap_or_default()
    }
}

/// One probability, of as many bits as the rest allows.
fn read_probability(bits: &mut LsbBits<'_>, remaining: u32) -> Result<i16, Stop> {
    let most = remaining.saturating_add(1);
    let width = most.ilog2().saturating_add(1);
    let value = bits.peek(width);
    let low = value & 1_u32.wrapping_shl(width.wrapping_sub(1)).wrapping_sub(1);
    let threshold = 1_u32.wrapping_shl(width).wrapping_sub(1).saturating_sub(most);
    let value = if low < threshold {
        bits.skip(width.wrapping_sub(1))?;
        low
    } else {
        bits.skip(width)?;
        if value > low { value.saturating_sub(threshold) } else { value }
    };
    let value = i16::try_from(value).map_err(|_| DAMAGED)?;
    Ok(value.saturating_sub(1))
}
