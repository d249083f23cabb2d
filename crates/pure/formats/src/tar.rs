//! tar without a magic number: the checksum of the first header tells.

use crate::FileType;

/// POSIX.1-1988 `tar.h`: a header is one record of 512 bytes; `chksum` is at 148, `magic` at 257.
const RECORD: usize = 512;
const CHKSUM: std::ops::Range<usize> = 148..156;
const MAGIC: std::ops::Range<usize> = 257..263;

/// The kind of tar that starts with `head`.
pub(crate) fn kind(head: &[u8]) -> Option<FileType> {
    let record = head.get(..RECORD)?;
    let chksum = record.get(CHKSUM)?;
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    // The sum is taken with blanks in place of itself.
    let blanks = sum(&[b' '; 8]);
    let expected = sum(record).checked_sub(sum(chksum))?.checked_add(blanks)?;
    if octal(chksum) != Some(expected) {
        return None;
    }
    let posix = record.get(MAGIC) == Some(b"ustar\0");
    Some(if posix { FileType::PosixTar } else { FileType::OldTar })
}

/// Octal digits between blanks, the last field of which ends with a blank or a zero byte.
fn octal(field: &[u8]) -> Option<u32> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| !(b'0'..=b'7').contains(byte));
    let (digits, after) = digits.split_at_checked(end.unwrap_or(digits.len()))?;
    if field.iter().all(u8::is_ascii_whitespace)
        || after.first().is_some_and(|byte| *byte != 0 && !byte.is_ascii_whitespace())
    {
        return None;
    }
    let add = |value: u32, digit: &u8| (value << 3) | u32::from(digit & 7);
    Some(digits.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_octal_with_blanks_around() {
        assert_eq!(octal(b"  1234\0 "), Some(0o1234));
        assert_eq!(octal(b"012345\0 "), Some(0o12345));
        assert_eq!(octal(b"        "), None);
        assert_eq!(octal(b"12x     "), None);
        assert_eq!(octal(b"\0       "), Some(0));
    }

    #[test]
    fn a_record_of_zeros_is_no_tar() {
        assert_eq!(kind(&[0; 512]), None);
        assert_eq!(kind(&[0; 511]), None);
    }
}
