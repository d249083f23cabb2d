//! Whether bytes may begin a deflate stream (RFC 1951).
//!
//! Of random bytes about one in a hundred passes, at some ten nanoseconds each, so that every byte
//! of a stream can be tried as the start of one.

/// Fewest bytes that a stream with a match in it takes.
const MIN_BYTES: usize = 6;

/// Looks at the first block's header and at some of its body.
///
/// Text is no deflate stream: four of ten compressed bytes are printable, and 15 of 16 of them once
/// in a million streams. Without this, text of few different letters would decode from every byte
/// on, because the fixed code gives a meaning to each of them.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    if bytes.len() < MIN_BYTES {
        return false;
    }
    let mut bits = Bits::of(bytes);
    let _is_last = bits.take(1);
    let is_block = match bits.take(2) {
        0 => is_stored(bytes),
        1 => is_fixed(bits),
        2 => is_dynamic(bits),
        _ => false,
    };
    is_block && !begins_as_text(bytes)
}

fn begins_as_text(bytes: &[u8]) -> bool {
    let first = bytes.get(..16).unwrap_or(bytes);
    let printable = first.iter().filter(|byte| matches!(byte, b'\t'..=b'\r' | b' '..=b'~'));
    printable.count() >= first.len().saturating_sub(1)
}

/// Whether the first block uses the code that needs no header.
pub(super) fn has_fixed_code(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 6 == 2)
}

/// §3.2.4: the length stands beside its complement.
fn is_stored(bytes: &[u8]) -> bool {
    let Some(&[_, low, high, not_low, not_high]) = bytes.first_chunk() else { return false };
    let length = u16::from_le_bytes([low, high]);
    length > 0 && length == !u16::from_le_bytes([not_low, not_high])
}

/// §3.2.7: the code of the code lengths leaves no bit pattern without a meaning.
fn is_dynamic(mut bits: Bits<'_>) -> bool {
    let (literals, distances, lengths) = (bits.take(5), bits.take(5), bits.take(4));
    if literals > 29 || distances > 29 {
        return false;
    }
    let mut used = 0_u32;
    for _ in 0..lengths.saturating_add(4) {
        let length = bits.take(3);
        if length > 0 {
            used = used.saturating_add(128 >> length.min(7));
        }
    }
    used == 128
}

/// Fewest bytes that a block of the fixed code must hold to be worth decoding.
const MIN_WRITTEN: u32 = 16;

/// Symbols that are looked at: of random bytes, one place in a thousand holds out so long.
const MAX_SYMBOLS: u32 = 96;

/// §3.2.6: every match points to something that was there before.
fn is_fixed(mut bits: Bits<'_>) -> bool {
    let mut written = 0_u32;
    for _ in 0..MAX_SYMBOLS {
        if !bits.has(9) {
            break;
        }
        let symbol = fixed_symbol(&mut bits);
        match symbol {
            0..=255 => written = written.saturating_add(1),
            256 => return written >= MIN_WRITTEN,
            257..=285 => {
                let Some(length) = match_length(&mut bits, symbol) else { return true };
                let Some(distance) = match_distance(&mut bits) else { return true };
                if distance > written {
                    return false;
                }
                written = written.saturating_add(length);
            }
            _ => return false,
        }
    }
    true
}

fn fixed_symbol(bits: &mut Bits<'_>) -> u32 {
    let seven = bits.take_reversed(7);
    if seven < 24 {
        return seven.saturating_add(256);
    }
    let eight = (seven << 1) | bits.take(1);
    match eight {
        48..192 => eight.saturating_sub(48),
        192..200 => eight.saturating_add(88),
        _ => ((eight << 1) | bits.take(1)).saturating_sub(256),
    }
}

/// The length of a match; `None` when its bits are not here.
fn match_length(bits: &mut Bits<'_>, symbol: u32) -> Option<u32> {
    let code = symbol.checked_sub(257)?;
    if code < 8 {
        return code.checked_add(3);
    }
    if code == 28 {
        return Some(258);
    }
    let extra = (code >> 2).checked_sub(1)?;
    let base = (4_u32.checked_add(code & 3)?).checked_shl(extra)?.checked_add(3)?;
    base.checked_add(bits.take_if_there(extra)?)
}

/// The distance of a match; `None` when its bits are not here, `u32::MAX` for a code without one.
fn match_distance(bits: &mut Bits<'_>) -> Option<u32> {
    if !bits.has(5) {
        return None;
    }
    let code = bits.take_reversed(5);
    if code > 29 {
        return Some(u32::MAX);
    }
    if code < 4 {
        return code.checked_add(1);
    }
    let extra = (code >> 1).checked_sub(1)?;
    let base = (2_u32 | (code & 1)).checked_shl(extra)?.checked_add(1)?;
    base.checked_add(bits.take_if_there(extra)?)
}

/// Bytes as bits, least significant first.
#[derive(Clone, Copy)]
struct Bits<'a> {
    held: u64,
    count: u32,
    rest: &'a [u8],
}

impl<'a> Bits<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { held: 0, count: 0, rest: bytes }
    }

    /// Whether `count` bits are there; at most 32.
    fn has(&mut self, count: u32) -> bool {
        while self.count < count {
            let Some((byte, rest)) = self.rest.split_first() else { return false };
            self.held |= u64::from(*byte).wrapping_shl(self.count);
            self.count = self.count.saturating_add(8);
            self.rest = rest;
        }
        true
    }

    /// The next `count` bits, at most 16; zeros past the end.
    fn take(&mut self, count: u32) -> u32 {
        self.has(count);
        let mask = (1_u64.wrapping_shl(count)).wrapping_sub(1);
        let value = u32::try_from(self.held & mask).unwrap_or(0);
        self.held = self.held.wrapping_shr(count);
        self.count = self.count.saturating_sub(count);
        value
    }

    fn take_if_there(&mut self, count: u32) -> Option<u32> {
        self.has(count).then(|| self.take(count))
    }

    /// The next `count` bits, most significant first, as Huffman codes stand.
    fn take_reversed(&mut self, count: u32) -> u32 {
        self.take(count).reverse_bits().wrapping_shr(32_u32.saturating_sub(count))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_an_encoder_writes_is_plausible() {
        let texts: [&[u8]; 3] =
            [b"mark mark mark mark mark", &[0; 3000], include_bytes!("deflate.rs")];
        for text in texts {
            for level in 0..=9 {
                let level = flate2::Compression::new(level);
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                let encoded = encoder.finish().unwrap();
                assert!(is_plausible(&encoded), "{} bytes at {level:?}", text.len());
            }
        }
    }

    #[test]
    fn most_places_of_random_bytes_are_not() {
        let mut state = 1_u64;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(100_000)
        .collect();
        let plausible = bytes.windows(64).filter(|window| is_plausible(window)).count();
        assert!(plausible < 4_000, "{plausible} of 100,000");
    }
}
