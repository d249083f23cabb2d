//! Bits that are read from the end of their bytes, section 4.1.

use super::DAMAGED;
use crate::output::Stop;

/// Bits that are read from the last to the first.
#[derive(Clone, Debug)]
pub(super) struct ReverseBits<'a> {
    /// The bytes, and what follows them in the block, so that eight bytes can be loaded at once.
    bytes: &'a [u8],
    /// Bits to come. Below 0, so many zeros were read beyond the first bit.
    left: isize,
}

impl<'a> ReverseBits<'a> {
    /// The first `length` bytes of `bytes`. The highest bit of the last of them marks the end.
    pub(super) fn new(bytes: &'a [u8], length: usize) -> Result<Self, Stop> {
        let last = length.checked_sub(1).and_then(|last| bytes.get(last)).ok_or(DAMAGED)?;
        let padding = last.leading_zeros().wrapping_add(1);
        if padding > 8 {
            return Err(DAMAGED);
        }
        let bits = length.saturating_mul(8).saturating_sub(usize::try_from(padding).unwrap_or(8));
        Ok(Self { bytes, left: isize::try_from(bits).map_err(|_| DAMAGED)? })
    }

    /// Whether exactly all was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.left == 0
    }

    /// Whether more was read than there is.
    pub(super) fn is_beyond(&self) -> bool {
        self.left < 0
    }

    /// The next bits, as many as `most` (up to 56), with zeros behind the first bit of all. They are
    /// not stepped over.
    #[inline]
    pub(super) fn peek(&self, most: u32) -> u64 {
        let below = self.left.wrapping_sub_unsigned(most as usize);
        let mask = 1_u64.wrapping_shl(most).wrapping_sub(1);
        if let Ok(below) = usize::try_from(below) {
            return self.load(below / 8).wrapping_shr(to_u32(below % 8)) & mask;
        }
        // Fewer than `most` are left: they come first.
        let Ok(left) = u32::try_from(self.left) else { return 0 };
        let held = self.load(0) & 1_u64.wrapping_shl(left).wrapping_sub(1);
        held.wrapping_shl(most.wrapping_sub(left)) & mask
    }

    /// Steps over bits.
    #[inline]
    pub(super) fn skip(&mut self, bits: u32) {
        self.left = self.left.wrapping_sub_unsigned(bits as usize);
    }

    /// The next bits (0 to 56).
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> u64 {
        let value = self.peek(bits);
        self.skip(bits);
        value
    }

    #[inline]
    fn load(&self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        if let Some(word) = rest.first_chunk() {
            return u64::from_le_bytes(*word);
        }
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        u64::from_le_bytes(word)
    }
}

fn to_u32(bits: usize) -> u32 {
    u32::try_from(bits).unwrap_or(0)
}
