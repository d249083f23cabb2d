//! Numbers in a file.

use watchglass_database::signature::{ByteCompare, Encoding};

/// Whether the number at its distance from a place is as it must be.
pub(crate) fn holds(compare: &ByteCompare, bytes: &[u8], place: usize) -> bool {
    let Some(number) = number(compare, bytes, place) else {
        return false;
    };
    compare.tests.iter().flatten().all(|(relation, value)| relation.holds(number, *value))
}

fn number(compare: &ByteCompare, bytes: &[u8], place: usize) -> Option<i64> {
    let start = i64::try_from(place).ok()?.checked_add(compare.offset)?;
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(compare.length).ok()?)?;
    let held = bytes.get(start..end)?;
    match compare.encoding? {
        Encoding::Binary => binary(held, compare.little_endian),
        Encoding::Hexadecimal => text(held, 16, compare),
        Encoding::Decimal => text(held, 10, compare),
        Encoding::Automatic if has_prefix(held) => text(held, 16, compare),
        // ClamAV knows no decimal digits in this order.
        Encoding::Automatic if compare.little_endian => None,
        Encoding::Automatic => text(held, 10, compare),
    }
}

fn has_prefix(held: &[u8]) -> bool {
    held.starts_with(b"0x") || held.starts_with(b"0X")
}

/// A number of 1, 2, 4 or 8 bytes.
fn binary(held: &[u8], little_endian: bool) -> Option<i64> {
    let mut wide = [0; 8];
    let place = wide.get_mut(..held.len())?;
    if little_endian {
        place.copy_from_slice(held);
    } else {
        place.iter_mut().zip(held.iter().rev()).for_each(|(to, from)| *to = *from);
    }
    Some(i64::from_le_bytes(wide))
}

/// A number in digits, as `strtol` reads it: behind blanks, with a sign, as far as there are digits,
/// and 0 where there are none. What must be exact has no blanks and digits to its end.
fn text(held: &[u8], radix: u32, compare: &ByteCompare) -> Option<i64> {
    let digits = held.trim_ascii_start();
    if compare.exact && digits.len() != held.len() {
        return None;
    }
    if radix == 16 && compare.little_endian {
        return swapped(digits, compare.exact);
    }
    let (number, read) = leading(digits, radix);
    (!compare.exact || read == held.len()).then_some(number)
}

/// Pairs of digits are bytes, the least significant one first; the first that is none ends them.
fn swapped(digits: &[u8], exact: bool) -> Option<i64> {
    if exact && has_prefix(digits) {
        return None;
    }
    let digits = if has_prefix(digits) { digits.get(2..)? } else { digits };
    let (odd, pairs) = digits.split_at_checked(digits.len() & 1)?;
    let first = (!odd.is_empty()).then_some(odd);
    let value = |pair: &[u8]| {
        let digits = pair.iter().map(|digit| char::from(*digit).to_digit(16));
        digits.reduce(|high, low| Some(high? << 4 | low?)).flatten()
    };
    let bytes = first.into_iter().chain(pairs.chunks_exact(2)).map_while(value);
    let sum = bytes.take(8).zip((0_u32..).step_by(8));
    Some(sum.fold(0, |sum, (byte, shift)| sum | i64::from(byte).wrapping_shl(shift)))
}

/// The number at the beginning, and how many bytes it has.
fn leading(text: &[u8], radix: u32) -> (i64, usize) {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let prefix = if radix == 16 && has_prefix(digits) { 2 } else { 0 };
    let digits = digits.get(prefix..).unwrap_or_default();
    let values = digits.iter().map_while(|digit| char::from(*digit).to_digit(radix));
    let (mut number, mut count) = (0_i64, 0_usize);
    for value in values {
        number = number.saturating_mul(radix.into()).saturating_add(value.into());
        count = count.saturating_add(1);
    }
    if count == 0 {
        return (0, 0);
    }
    let sign = text.len().saturating_sub(digits.len()).saturating_sub(prefix);
    let read = count.saturating_add(prefix).saturating_add(sign);
    (if negative { number.saturating_neg() } else { number }, read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str, radix: u32, little_endian: bool, exact: bool) -> Option<i64> {
        let compare = ByteCompare {
            subsignature: 0,
            offset: 0,
            encoding: None,
            little_endian,
            exact,
            length: 4,
            tests: [None; 2],
        };
        super::text(text.as_bytes(), radix, &compare)
    }

    /// What clamscan 1.4.6 said of each.
    #[test]
    fn digits_are_read_as_by_clamscan() {
        let big =
            [("1234", 1234), ("12z4", 12), (" 123", 123), ("-123", -123), ("zzzz", 0), ("0x1f", 0)];
        big.iter().for_each(|(text, number)| {
            assert_eq!(text_of(text, 10, false, false), Some(*number), "{text}")
        });
        let hex =
            [("1f2e", 0x1f2e), ("0x1f", 31), (" 123", 0x123), ("-123", -0x123), ("12z4", 0x12)];
        hex.iter().for_each(|(text, number)| {
            assert_eq!(text_of(text, 16, false, false), Some(*number), "{text}")
        });
        let little = [("1234", 0x3412), ("12z4", 0x12), ("0x1f", 31), ("-123", 0), ("zzzz", 0)];
        little.iter().for_each(|(text, number)| {
            assert_eq!(text_of(text, 16, true, false), Some(*number), "{text}")
        });
        assert_eq!(text_of("12z4", 10, false, true), None);
        assert_eq!(text_of("-123", 10, false, true), Some(-123));
        assert_eq!(text_of(" 123", 10, false, true), None);
        assert_eq!(text_of("0x1f", 16, true, true), None);
        assert_eq!(text_of("12z4", 16, true, true), Some(0x12));
    }
}
