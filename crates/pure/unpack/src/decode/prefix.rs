//! Prefix codes that are given by the length of each symbol's code, most significant bit first.

use super::bits::MsbBits;
use crate::output::Stop;

/// A canonical code: shorter codes first, among equals smaller symbols.
#[derive(Clone, Debug, Default)]
pub(crate) struct Codes {
    /// By length from 1: the first code of 16 bits beyond those of that length, and how many
    /// symbols have shorter ones.
    limits: [u32; 16],
    before: [u32; 16],
    symbols: Vec<u16>,
    /// By the first bits: symbol and length, 0 where the code is longer.
    quick: Vec<(u16, u8)>,
}

impl Codes {
    /// Lengths are 0 (no code) to 16.
    pub(crate) fn new(lengths: &[u8]) -> Self {
        let mut codes = Self { quick: vec![(0, 0); 1 << QUICK], ..Self::default() };
        let mut limit = 0_u32;
        for ((length, end), before) in (1_u8..).zip(&mut codes.limits).zip(&mut codes.before) {
            *before = u32::try_from(codes.symbols.len()).unwrap_or(0);
            for (symbol, _) in (0_u16..).zip(lengths).filter(|(_, have)| **have == length) {
                let step = 1_u32.wrapping_shl(16_u32.wrapping_sub(length.into()));
                fill(&mut codes.quick, limit, step, symbol, length);
                limit = limit.saturating_add(step);
                codes.symbols.push(symbol);
            }
            *end = limit;
        }
        codes
    }

    /// A code of no bits.
    pub(crate) fn only(symbol: u16) -> Self {
        Self { symbols: vec![symbol], ..Self::default() }
    }

    pub(crate) fn next(&self, bits: &mut MsbBits<'_>) -> Result<usize, Stop> {
        if self.quick.is_empty() {
            return self.symbols.first().map(|symbol| usize::from(*symbol)).ok_or(NO_CODE);
        }
        let ahead = bits.peek(16);
        let quick = usize::try_from(ahead >> (16 - QUICK)).unwrap_or(0);
        if let Some((symbol, length @ 1..)) = self.quick.get(quick) {
            bits.skip((*length).into())?;
            return Ok(usize::from(*symbol));
        }
        let mut start = 0;
        for ((length, limit), before) in (1_u32..).zip(self.limits).zip(self.before) {
            if ahead < limit {
                bits.skip(length)?;
                let index = ahead.wrapping_sub(start) >> 16_u32.wrapping_sub(length);
                let index = usize::try_from(before.wrapping_add(index)).unwrap_or(usize::MAX);
                return self.symbols.get(index).map(|symbol| usize::from(*symbol)).ok_or(NO_CODE);
            }
            start = limit;
        }
        Err(NO_CODE)
    }
}

fn fill(quick: &mut [(u16, u8)], limit: u32, step: u32, symbol: u16, length: u8) {
    if u32::from(length) > QUICK {
        return;
    }
    let start = usize::try_from(limit >> (16 - QUICK)).unwrap_or(usize::MAX);
    let count = usize::try_from(step >> (16 - QUICK)).unwrap_or(0);
    let places = quick.get_mut(start..).unwrap_or_default().iter_mut().take(count);
    places.for_each(|place| *place = (symbol, length));
}

const NO_CODE: Stop = Stop::Damaged("bits that are no code");
/// Bits of the table that is looked at first.
const QUICK: u32 = 9;
