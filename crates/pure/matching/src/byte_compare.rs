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
        Encoding::Automatic if held.starts_with(b"0x") || held.starts_with(b"0X") => {
            text(held, 16, compare)
        }
        Encoding::Automatic => text(held, 10, compare),
    }
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

/// A number in digits: those at the beginning, or all of them where it must be exact.
fn text(held: &[u8], radix: u32, compare: &ByteCompare) -> Option<i64> {
    let prefixed = held.strip_prefix(b"0x").or_else(|| held.strip_prefix(b"0X"));
    let digits = if radix == 16 { prefixed.unwrap_or(held) } else { held };
    let reversed: Vec<u8>;
    let digits = if radix == 16 && compare.little_endian {
        // Pairs of digits are bytes, the least significant one first.
        reversed = digits.rchunks(2).flatten().copied().collect();
        &reversed[..]
    } else {
        digits
    };
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let count = digits.iter().take_while(|byte| is_digit(byte)).count();
    let read = digits.get(..count).filter(|read| !read.is_empty())?;
    if compare.exact && count != digits.len() {
        return None;
    }
    i64::from_str_radix(std::str::from_utf8(read).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use watchglass_database::logic::Relation;

    use super::*;

    fn compare(encoding: Encoding, length: u32) -> ByteCompare {
        ByteCompare {
            subsignature: 0,
            offset: 0,
            encoding: Some(encoding),
            little_endian: false,
            exact: false,
            length,
            tests: [Some((Relation::Equal, 0x1f2e)), None],
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        assert!(holds(&compare(Encoding::Binary, 2), b"\x1f\x2e", 0));
        let little = ByteCompare { little_endian: true, ..compare(Encoding::Binary, 4) };
        assert!(holds(&little, b"\x2e\x1f\0\0", 0));
        assert!(holds(&compare(Encoding::Hexadecimal, 4), b"1f2E", 0));
        assert!(holds(&compare(Encoding::Automatic, 6), b"0x1f2e", 0));
        assert!(holds(&compare(Encoding::Decimal, 5), b"7982x", 0));
        let exact = ByteCompare { exact: true, ..compare(Encoding::Decimal, 5) };
        assert!(!holds(&exact, b"7982x", 0));
    }

    #[test]
    fn a_number_that_is_not_in_the_file_is_none() {
        let before = ByteCompare { offset: -1, ..compare(Encoding::Binary, 2) };
        assert!(!holds(&before, b"\x1f\x2e", 0));
        assert!(holds(&before, b"\x1f\x2e", 1));
        assert!(!holds(&compare(Encoding::Binary, 2), b"\x1f", 0));
        assert!(!holds(&compare(Encoding::Binary, 9), &[0; 9], 0));
    }
}
