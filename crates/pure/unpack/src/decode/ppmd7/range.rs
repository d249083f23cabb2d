//! The two range coders that variant H is used with.

use std::io::{Error, Read};

/// Gives intervals, as wide as their frequency.
pub(crate) trait RangeDecoder {
    /// Where the stream stands among `total`.
    fn threshold(&mut self, total: u32) -> u32;
    /// Takes the interval of `size` from `start`, of the total that was asked for last.
    fn decode(&mut self, start: u32, size: u32) -> Result<(), Error>;
    /// One bit, zero with `size` of 2^14.
    fn bit(&mut self, size: u32) -> Result<bool, Error>;
}

/// The range coder of LZMA.
#[derive(Debug)]
pub(crate) struct SevenZRange<R> {
    input: R,
    range: u32,
    code: u32,
}

impl<R: Read> SevenZRange<R> {
    pub(crate) fn new(mut input: R) -> Result<Self, Error> {
        let [_, code @ ..] = read::<5>(&mut input)?;
        Ok(Self { input, range: u32::MAX, code: u32::from_be_bytes(code) })
    }

    fn normalize(&mut self) -> Result<(), Error> {
        while self.range < TOP && self.range != 0 {
            let [byte] = read::<1>(&mut self.input)?;
            self.code = self.code.wrapping_shl(8) | u32::from(byte);
            self.range = self.range.wrapping_shl(8);
        }
        Ok(())
    }
}

impl<R: Read> RangeDecoder for SevenZRange<R> {
    fn threshold(&mut self, total: u32) -> u32 {
        self.range = self.range.checked_div(total).unwrap_or(0);
        self.code.checked_div(self.range).unwrap_or(u32::MAX)
    }

    fn decode(&mut self, start: u32, size: u32) -> Result<(), Error> {
        self.code = self.code.wrapping_sub(start.wrapping_mul(self.range));
        self.range = self.range.wrapping_mul(size);
        self.normalize()
    }

    fn bit(&mut self, size: u32) -> Result<bool, Error> {
        let bound = (self.range >> 14).wrapping_mul(size);
        let bit = self.code >= bound;
        if bit {
            self.code = self.code.wrapping_sub(bound);
            self.range = self.range.wrapping_sub(bound);
        } else {
            self.range = bound;
        }
        self.normalize()?;
        Ok(bit)
    }
}

/// Subbotin's range coder without carry, as RAR 3 has it.
#[derive(Debug)]
pub(crate) struct RarRange<R> {
    input: R,
    low: u32,
    range: u32,
    code: u32,
}

impl<R: Read> RarRange<R> {
    pub(crate) fn new(mut input: R) -> Result<Self, Error> {
        let code = u32::from_be_bytes(read::<4>(&mut input)?);
        Ok(Self { input, low: 0, range: u32::MAX, code })
    }

    pub(crate) fn into_inner(self) -> R {
        self.input
    }

    fn normalize(&mut self) -> Result<(), Error> {
        loop {
            if self.low ^ self.low.wrapping_add(self.range) >= TOP {
                if self.range >= BOTTOM {
                    return Ok(());
                }
                self.range = self.low.wrapping_neg() & (BOTTOM - 1);
            }
            let [byte] = read::<1>(&mut self.input)?;
            self.code = self.code.wrapping_shl(8) | u32::from(byte);
            self.range = self.range.wrapping_shl(8);
            self.low = self.low.wrapping_shl(8);
        }
    }
}

impl<R: Read> RangeDecoder for RarRange<R> {
    fn threshold(&mut self, total: u32) -> u32 {
        self.range = self.range.checked_div(total).unwrap_or(0);
        self.code.checked_div(self.range).unwrap_or(u32::MAX)
    }

    fn decode(&mut self, start: u32, size: u32) -> Result<(), Error> {
        let start = start.wrapping_mul(self.range);
        self.low = self.low.wrapping_add(start);
        self.code = self.code.wrapping_sub(start);
        self.range = self.range.wrapping_mul(size);
        self.normalize()
    }

    fn bit(&mut self, size: u32) -> Result<bool, Error> {
        let bit = self.threshold(1 << 14) >= size;
        let (start, size) = if bit { (size, (1_u32 << 14).wrapping_sub(size)) } else { (0, size) };
        self.decode(start, size)?;
        Ok(bit)
    }
}

fn read<const N: usize>(input: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

const TOP: u32 = 1 << 24;
const BOTTOM: u32 = 1 << 15;
