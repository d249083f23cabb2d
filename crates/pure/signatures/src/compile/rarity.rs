//! How rare four bytes are in clean files.
//!
//! `pairs.bin` has for each pair of bytes, and behind them for each byte, how many bits of surprise it
//! is in clean files, in eighths. Four bytes are as rare as their pairs say, each given the byte that
//! it shares with the one before. `bench/matching` makes the table; its page says from what.

/// How often four bytes are expected in 2^40 bytes of clean files, 1 at least.
pub(super) fn weight(gram: [u8; 4]) -> u64 {
    let [a, b, c, d] = gram;
    let pairs = pair(a, b).saturating_add(pair(b, c)).saturating_add(pair(c, d));
    let eighths = pairs.saturating_sub(single(b)).saturating_sub(single(c));
    let whole = WEIGHT_BITS.saturating_sub(eighths / 8);
    let part = EIGHTHS.get(usize::try_from(eighths % 8).unwrap_or_default());
    let weight = part.map_or(1, |part| part.checked_shl(whole).unwrap_or(u64::MAX) >> 16);
    weight.max(1)
}

fn pair(first: u8, second: u8) -> u32 {
    surprise(usize::from(first) << 8 | usize::from(second))
}

fn single(byte: u8) -> u32 {
    surprise(PAIRS.saturating_add(usize::from(byte)))
}

fn surprise(at: usize) -> u32 {
    TABLE.get(at).map_or(u32::from(u8::MAX), |eighths| u32::from(*eighths))
}

const TABLE: &[u8] = include_bytes!("pairs.bin");
const PAIRS: usize = 1 << 16;
/// Weights are counted in 2^40 bytes.
const WEIGHT_BITS: u32 = 40;
/// 2^16 divided by 2^(n/8).
const EIGHTHS: [u64; 8] = [65_536, 60_097, 55_109, 50_535, 46_341, 42_495, 38_968, 35_734];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_the_common_from_the_rare() {
        assert_eq!(TABLE.len(), PAIRS + 256);
        assert!(weight([0; 4]) > weight(*b"the ") && weight(*b"the ") > weight(*b"qZx7"));
        assert!(weight([0xc7, 0x3f, 0x9a, 0x5d]) < weight([0x48, 0x8b, 0x45, 0xf8]));
    }
}
