//! Bits of bytes, in both orders.

use crate::output::Stop;

/// Bits, the most significant of each byte first.
#[derive(Debug)]
pub(crate) struct MsbBits<'a> {
    bytes: &'a [u8],
    next: usize,
    /// The bits to come, from the top; below `count` of them, zeros.
    hold: u64,
    count: u32,
}

impl<'a> MsbBits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, hold: 0, count: 0 }
    }

    /// Bytes of which at least one bit was used.
    pub(crate) fn used(&self) -> usize {
        self.next.saturating_sub(usize::try_from(self.count / 8).unwrap_or(0))
    }

    /// Bytes in all.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether more than `bits` (0 to 7) are left.
    pub(crate) fn has_more_than(&mut self, bits: u32) -> bool {
        self.peek(bits.wrapping_add(1));
        self.count > bits
    }

    /// Whole bytes of which no bit was used.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.used()..).unwrap_or_default()
    }

    /// The next `bits` (1 to 32), zeros beyond the end.
    pub(crate) fn peek(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.refill();
        }
        // Never more than 32 bits, so nothing is lost.
        u32::try_from(self.hold.wrapping_shr(64_u32.wrapping_sub(bits))).unwrap_or(0)
    }

    /// Steps over bits that were looked at.
    pub(crate) fn skip(&mut self, bits: u32) -> Result<(), Stop> {
        self.count = self.count.checked_sub(bits).ok_or(CUT_OFF)?;
        self.hold = self.hold.wrapping_shl(bits);
        Ok(())
    }

    /// The next `bits` (1 to 32).
    pub(crate) fn take(&mut self, bits: u32) -> Result<u32, Stop> {
        let value = self.peek(bits);
        self.skip(bits)?;
        Ok(value)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Stop> {
        Ok(self.take(1)? == 1)
    }

    /// Steps to the next byte.
    pub(crate) fn align(&mut self) {
        let bits = self.count % 8;
        self.hold = self.hold.wrapping_shl(bits);
        self.count = self.count.saturating_sub(bits);
    }

    fn refill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.next) else { return };
            self.hold |= u64::from(byte).wrapping_shl(56_u32.wrapping_sub(self.count));
            self.count = self.count.wrapping_add(8);
            self.next = self.next.wrapping_add(1);
        }
    }
}

/// Bits, the least significant of each byte first.
#[derive(Debug)]
pub(crate) struct LsbBits<'a> {
    bytes: &'a [u8],
    next: usize,
    /// The bits to come, from the bottom; above `count` of them, zeros.
    hold: u64,
    count: u32,
}

impl<'a> LsbBits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, hold: 0, count: 0 }
    }

    /// Bytes of which at least one bit was used.
    pub(crate) fn used(&self) -> usize {
        self.next.saturating_sub(usize::try_from(self.count / 8).unwrap_or(0))
    }

    /// The next `bits` (1 to 32), zeros beyond the end.
    pub(crate) fn peek(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.refill();
        }
        let mask = 1_u64.wrapping_shl(bits).wrapping_sub(1);
        u32::try_from(self.hold & mask).unwrap_or(0)
    }

    /// Steps over bits that were looked at.
    pub(crate) fn skip(&mut self, bits: u32) -> Result<(), Stop> {
        self.count = self.count.checked_sub(bits).ok_or(CUT_OFF)?;
        self.hold = self.hold.wrapping_shr(bits);
        Ok(())
    }

    /// The next `bits` (0 to 32).
    pub(crate) fn take(&mut self, bits: u32) -> Result<u32, Stop> {
        let value = self.peek(bits);
        self.skip(bits)?;
        Ok(value)
    }

    /// Whether fewer than `bits` (1 to 32) are left.
    pub(crate) fn has_fewer_than(&mut self, bits: u32) -> bool {
        self.peek(bits);
        self.count < bits
    }

    fn refill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.next) else { return };
            self.hold |= u64::from(byte).wrapping_shl(self.count);
            self.count = self.count.wrapping_add(8);
            self.next = self.next.wrapping_add(1);
        }
    }
}

const CUT_OFF: Stop = Stop::Damaged("the stream is cut off");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_read_the_same_byte() {
        let mut bits = MsbBits::new(&[0b1011_0001, 0xff]);
        assert_eq!((bits.take(1), bits.take(3), bits.used()), (Ok(1), Ok(0b011), 1));
        bits.align();
        assert_eq!((bits.take(8), bits.take(1)), (Ok(0xff), Err(CUT_OFF)));
        let mut bits = LsbBits::new(&[0b1011_0001, 0xff]);
        assert_eq!((bits.take(1), bits.take(3), bits.used()), (Ok(1), Ok(0), 1));
        assert_eq!((bits.take(12), bits.take(1)), (Ok(0xffb), Err(CUT_OFF)));
    }
}
