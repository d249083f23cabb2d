//! Bits that are read from the start of their bytes, the least significant of each first.

use super::DAMAGED;
use crate::output::Stop;

/// Bits of the description of a table.
#[derive(Debug)]
pub(super) struct ForwardBits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ForwardBits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next bits (0 to 16), which need not all be there.
    pub(super) fn peek(&self, bits: u32) -> u32 {
        let mut word = [0; 4];
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        let shift = u32::try_from(self.at % 8).unwrap_or(0);
        u32::from_le_bytes(word).wrapping_shr(shift) & 1_u32.wrapping_shl(bits).wrapping_sub(1)
    }

    /// Steps over bits that are there.
    pub(super) fn skip(&mut self, bits: u32) -> Result<(), Stop> {
        let at = self.at.saturating_add(usize::try_from(bits).unwrap_or(usize::MAX));
        if at > self.bytes.len().saturating_mul(8) {
            return Err(DAMAGED);
        }
        self.at = at;
        Ok(())
    }

    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Stop> {
        let value = self.peek(bits);
        self.skip(bits)?;
        Ok(value)
    }

    /// Bytes of which at least one bit was read.
    pub(super) fn used(&self) -> usize {
        self.at.div_ceil(8)
    }
}
