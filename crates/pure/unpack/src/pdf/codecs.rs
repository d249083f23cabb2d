//! The filters that only PDF has, ISO 32000-2 sections 7.4.2 to 7.4.5, and its deflate.

use super::syntax::{digit, is_space};
use crate::decode::bits::MsbBits;
use crate::decode::{Decoded, deflate};
use crate::output::{Output, Stop};

/// FlateDecode: zlib (RFC 1950). Its checksum is not asked for, since readers do not; a header that
/// is missing or wrong is forgiven, and so is an end of line too many before it.
pub(super) fn flate(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let spaces = input.iter().take(MAX_SPACES).take_while(|&&byte| is_space(byte)).count();
    let known = [0, spaces].into_iter().find_map(|at| {
        let header = zlib_header(input.get(at..)?)?;
        Some(at.saturating_add(header))
    });
    let Some(start) = known else {
        let decoded = deflate::inflate(input, out);
        if decoded.result.is_ok() || out.len() > 0 {
            return decoded;
        }
        return flate_at(input, 2, out);
    };
    flate_at(input, start, out)
}

fn flate_at(input: &[u8], start: usize, out: &mut Output<'_>) -> Decoded {
    let decoded = deflate::inflate(input.get(start..).unwrap_or_default(), out);
    Decoded { used: decoded.used.saturating_add(start), ..decoded }
}

/// The length of the header, with the identifier of a dictionary if there is one.
fn zlib_header(input: &[u8]) -> Option<usize> {
    let (&[cmf, flags], _) = input.split_first_chunk::<2>()?;
    let is_header = cmf & 0xf == 8 && u16::from_be_bytes([cmf, flags]).is_multiple_of(31);
    is_header.then_some(if flags & 0x20 == 0 { 2 } else { 6 })
}

/// ASCIIHexDecode.
pub(super) fn ascii_hex(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let (mut high, mut is_good) = (None, true);
    ascii(input, b'>', out, |byte, out| {
        match (byte, high) {
            (None, Some(high)) => out.push(high)?,
            (None, None) => {}
            (Some(byte), _) => match (digit(byte), high.take()) {
                (None, before) => (is_good, high) = (false, before),
                (Some(low), Some(high)) => out.push(high | low)?,
                (Some(first), None) => high = Some(first.wrapping_shl(4)),
            },
        }
        if byte.is_none() && !is_good { Err(Stop::Damaged("not hexadecimal")) } else { Ok(()) }
    })
}

/// ASCII85Decode.
pub(super) fn ascii_85(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let spaces = input.iter().take(MAX_SPACES).take_while(|&&byte| is_space(byte)).count();
    let after = input.get(spaces..).and_then(|rest| rest.strip_prefix(b"<~"));
    let skipped = after.map_or(0, |_| spaces.saturating_add(2));
    let (mut group, mut count, mut is_good) = (0_u32, 0_usize, true);
    let input = input.get(skipped..).unwrap_or_default();
    let decoded = ascii(input, b'~', out, |byte, out| {
        match byte {
            Some(b'z') if count == 0 => return out.extend(&[0; 4]),
            Some(byte @ b'!'..=b'u') => {
                let digit = u32::from(byte.wrapping_sub(b'!'));
                group = group.wrapping_mul(85).wrapping_add(digit);
                count = count.wrapping_add(1);
            }
            Some(_) => is_good = false,
            None => {
                let made = count.saturating_sub(1);
                while count > 0 && count < 5 {
                    group = group.wrapping_mul(85).wrapping_add(84);
                    count = count.wrapping_add(1);
                }
                out.extend(group.to_be_bytes().get(..made).unwrap_or_default())?;
                return if is_good { Ok(()) } else { Err(Stop::Damaged("not base 85")) };
            }
        }
        if count == 5 {
            out.extend(&group.to_be_bytes())?;
            (group, count) = (0, 0);
        }
        Ok(())
    });
    Decoded { used: decoded.used.saturating_add(skipped), ..decoded }
}

/// Calls `step` with each byte that is no space, then with None at `end` or where the input ends.
fn ascii(
    input: &[u8],
    end: u8,
    out: &mut Output<'_>,
    mut step: impl FnMut(Option<u8>, &mut Output<'_>) -> Result<(), Stop>,
) -> Decoded {
    let mut used = 0_usize;
    let mut run = || {
        for part in input.chunks(4096) {
            out.read(part.len())?;
            for &byte in part {
                used = used.saturating_add(1);
                match byte {
                    byte if byte == end => return step(None, out),
                    byte if is_space(byte) => {}
                    byte => step(Some(byte), out)?,
                }
            }
        }
        step(None, out)
    };
    let result = run();
    Decoded { used, result, faults: Vec::new() }
}

/// RunLengthDecode.
pub(super) fn run_length(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let mut rest = input;
    let mut run = || {
        let mut runs = 0_usize;
        while let Some((&length, after)) = rest.split_first() {
            runs = runs.wrapping_add(1);
            if runs.is_multiple_of(4096) {
                out.read(4096)?;
            }
            rest = after;
            match usize::from(length) {
                128 => return Ok(()),
                length @ ..128 => {
                    let (now, later) =
                        after.split_at_checked(length.saturating_add(1)).unwrap_or((after, &[]));
                    out.extend(now)?;
                    rest = later;
                }
                length => {
                    let (&byte, later) = after.split_first().ok_or(CUT_OFF)?;
                    out.repeat(byte, 257_usize.saturating_sub(length))?;
                    rest = later;
                }
            }
        }
        Ok(())
    };
    let result = run();
    Decoded { used: input.len().saturating_sub(rest.len()), result, faults: Vec::new() }
}

/// LZWDecode, the codes of TIFF: the most significant bit first, and wider by one code too early
/// unless the parameters say otherwise.
pub(super) fn lzw(input: &[u8], is_early: bool, out: &mut Output<'_>) -> Decoded {
    let mut bits = MsbBits::new(input);
    let result = lzw_codes(&mut bits, usize::from(is_early), out);
    Decoded { used: bits.used(), result, faults: Vec::new() }
}

fn lzw_codes(bits: &mut MsbBits<'_>, early: usize, out: &mut Output<'_>) -> Result<(), Stop> {
    /// Codes from here on are strings that were read before.
    const FIRST: usize = 258;
    // Where in the output the string of each code stands, and its length.
    let mut strings: Vec<(usize, usize)> = Vec::new();
    let mut previous: Option<(usize, usize)> = None;
    let mut codes = 0_usize;
    loop {
        codes = codes.wrapping_add(1);
        if codes.is_multiple_of(4096) {
            out.read(4096)?;
        }
        let width = match FIRST.saturating_add(strings.len()).saturating_add(early) {
            ..512 => 9,
            512..1024 => 10,
            1024..2048 => 11,
            _ => 12,
        };
        // Streams without the code of the end are many.
        let Ok(code) = bits.take(width) else { return Ok(()) };
        let code = usize::try_from(code).unwrap_or(usize::MAX);
        match code {
            256 => {
                strings.clear();
                previous = None;
                continue;
            }
            257 => return Ok(()),
            _ => {}
        }
        if let Some((at, length)) = previous.filter(|_| strings.len() < 4096 - FIRST) {
            // The string before and one byte more, which stand together in the output.
            strings.push((at, length.saturating_add(1)));
        }
        let start = out.len();
        let length = match code.checked_sub(FIRST) {
            None => {
                out.push(u8::try_from(code).unwrap_or(0))?;
                1
            }
            Some(index) => {
                let string = strings.get(index).copied();
                let (at, length) = string.ok_or(Stop::Damaged("an LZW code before its string"))?;
                out.copy_back(start.saturating_sub(at), length)?;
                length
            }
        };
        previous = Some((start, length));
    }
}

const CUT_OFF: Stop = Stop::Damaged("the stream is cut off");
/// Spaces before the data of a stream that are forgiven.
const MAX_SPACES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::limits::Limits;

    fn decode(decoder: impl FnOnce(&mut Output<'_>) -> Decoded) -> (Vec<u8>, usize, bool) {
        let budget = Budget::new(Limits::CLAMAV, 1, &|| false);
        let mut out = Output::new(&budget);
        let decoded = decoder(&mut out);
        (out.finish(), decoded.used, decoded.result.is_ok())
    }

    #[test]
    fn text_forms_end_at_their_marks_and_forgive() {
        let hex = |text: &[u8]| decode(|out| ascii_hex(text, out));
        assert_eq!(hex(b"61 6\n27>zz"), (b"abp".to_vec(), 8, true));
        assert_eq!(hex(b"6x1"), (b"a".to_vec(), 3, false));
        let base = |text: &[u8]| decode(|out| ascii_85(text, out));
        assert_eq!(base(b"<~87cUR\nDZ~>x"), (b"Hello".to_vec(), 11, true));
        assert_eq!(base(b"z!!"), (vec![0; 5], 3, true));
    }

    #[test]
    fn runs_as_the_specification_has_them() {
        let runs = |bytes: &[u8]| decode(|out| run_length(bytes, out));
        assert_eq!(runs(b"\x02abc\xfez\x80rest"), (b"abczzz".to_vec(), 7, true));
        assert_eq!(runs(b"\xfe"), (Vec::new(), 1, false));
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let codes = [0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c, 0x85, 0x01];
        let text = [45, 45, 45, 45, 45, 65, 45, 45, 45, 66];
        assert_eq!(decode(|out| lzw(&codes, true, out)), (text.to_vec(), 9, true));
    }
}
