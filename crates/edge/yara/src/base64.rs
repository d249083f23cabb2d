//! How a text stands in base64.

/// The alphabet of RFC 4648, section 4.
pub(crate) const STANDARD: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The characters that depend on nothing but these bytes, for each of the three places in a group of
/// three at which they may begin.
pub(crate) fn spellings(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<Vec<u8>> {
    (0..3).map(|before| spelling(bytes, before, alphabet)).collect()
}

fn spelling(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bits = |of: usize| of.saturating_mul(8);
    let first = bits(before).div_ceil(6);
    let end = bits(before.saturating_add(bytes.len())) / 6;
    let all: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
    (first..end).map(|at| letter(&all, at, alphabet)).collect()
}

/// The character whose bits begin at six times a place.
fn letter(bytes: &[u8], at: usize, alphabet: &[u8; 64]) -> u8 {
    let bit = at.saturating_mul(6);
    let byte = |place: usize| bytes.get(place).copied().map_or(0, u16::from);
    let pair = byte(bit / 8) << 8 | byte(bit / 8 + 1);
    let value = pair >> (10 - bit % 8) & 0x3f;
    alphabet.get(usize::from(value)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_same_whatever_stands_around() {
        let spelled = spellings(b"This program cannot", STANDARD);
        assert_eq!(spelled[0], b"VGhpcyBwcm9ncmFtIGNhbm5vd".to_vec());
        assert_eq!(spelled[1], b"RoaXMgcHJvZ3JhbSBjYW5ub3".to_vec());
        assert_eq!(spelled[2], b"UaGlzIHByb2dyYW0gY2Fubm90".to_vec());
    }
}
