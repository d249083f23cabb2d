//! Bits of the input, the least significant of each byte first.

use crate::output::Stop;

/// The bits that are still to come.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The first byte of which not all bits count as held.
    next: usize,
    /// The bits to come from the bottom. Those above `count` are either zero or what comes next, so
    /// they may be filled in twice.
    pub(super) hold: u64,
    pub(super) count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, hold: 0, count: 0 }
    }

    /// Bytes of which at least one bit was taken.
    pub(super) fn used(&self) -> usize {
        self.next.saturating_sub(usize::try_from(self.count / 8).unwrap_or(0))
    }

    /// Whether [`Bits::refill_whole`] can be called twice, with [`LEAST_HELD`] bits taken between.
    #[inline]
    pub(super) fn is_far_from_the_end(&self) -> bool {
        self.bytes.len().saturating_sub(self.next) >= 16
    }

    /// Holds [`LEAST_HELD`] bits at least, if eight bytes are left.
    #[inline]
    pub(super) fn refill_whole(&mut self) {
        if let Some(word) = self.bytes.get(self.next..).and_then(|rest| rest.first_chunk()) {
            self.hold |= u64::from_le_bytes(*word).wrapping_shl(self.count);
            // As many whole bytes as fit: (63 - count) / 8 of them.
            let bytes = 63_u32.wrapping_sub(self.count) >> 3;
            self.next = self.next.wrapping_add(bytes as usize);
            self.count |= LEAST_HELD;
        }
    }

    /// Steps over bits that are held.
    #[inline]
    pub(super) fn drop_held(&mut self, bits: u32) {
        self.hold = self.hold.wrapping_shr(bits);
        self.count = self.count.wrapping_sub(bits);
    }

    /// The next `bits` (0 to 16), which are held.
    #[inline]
    pub(super) fn take_held(&mut self, bits: u32) -> usize {
        let value = self.hold & 1_u64.wrapping_shl(bits).wrapping_sub(1);
        self.drop_held(bits);
        usize::try_from(value).unwrap_or(0)
    }

    /// Holds all that is left, or [`LEAST_HELD`] bits.
    pub(super) fn refill(&mut self) {
        while self.count < LEAST_HELD {
            let Some(byte) = self.bytes.get(self.next) else { return };
            self.hold |= u64::from(*byte).wrapping_shl(self.count);
            self.count = self.count.wrapping_add(8);
            self.next = self.next.wrapping_add(1);
        }
    }

    /// Steps over bits, if there are as many.
    pub(super) fn skip(&mut self, bits: u32) -> Result<(), Stop> {
        if bits > self.count {
            return Err(CUT_OFF);
        }
        self.drop_held(bits);
        Ok(())
    }

    /// The next `bits` (0 to 16).
    pub(super) fn take(&mut self, bits: u32) -> Result<usize, Stop> {
        self.refill();
        if bits > self.count { Err(CUT_OFF) } else { Ok(self.take_held(bits)) }
    }

    /// The length in front of a stored block, 3.2.4.
    pub(super) fn stored_length(&mut self) -> Result<usize, Stop> {
        self.drop_held(self.count % 8);
        let (length, complement) = (self.take(16)?, self.take(16)?);
        if length ^ complement == 0xffff {
            Ok(length)
        } else {
            Err(Stop::Damaged("the length of a stored block"))
        }
    }

    /// The next `most` bytes or what is left of them. Bits of a byte that was begun are lost.
    pub(super) fn take_bytes(&mut self, most: usize) -> &'a [u8] {
        let rest = self.bytes.get(self.used()..).unwrap_or_default();
        let taken = rest.get(..most).unwrap_or(rest);
        self.next = self.used().saturating_add(taken.len());
        (self.hold, self.count) = (0, 0);
        taken
    }
}

/// Bits that are held behind a refill.
pub(super) const LEAST_HELD: u32 = 56;
pub(super) const CUT_OFF: Stop = Stop::Damaged("the deflate stream does not end");
