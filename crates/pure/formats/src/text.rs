//! Whether bytes are text, by the rules that file(1) has had since its `ascmagic.c`.

use crate::FileType;
use crate::magic::HEAD;

/// The kind of text that the first bytes of a file are, or binary data. Looks at all of `head`.
pub(crate) fn text_type(head: &[u8]) -> FileType {
    // UTF-8 has no control characters that 8-bit text lacks, so what is UTF-8 was ASCII before the
    // question is asked: `TextUtf8` is a name that signature sets may use, and never a finding.
    if head.iter().all(|&byte| class(byte) != Class::Never) {
        FileType::TextAscii
    } else {
        utf16(head).unwrap_or(FileType::BinaryData)
    }
}

/// Whether a file begins as text, whatever its magic number says: ClamAV takes what begins with `MZ`,
/// `BM` or `MM` for a program or a picture.
#[must_use]
pub fn is_text(file: &[u8]) -> bool {
    let head = file.get(..HEAD).unwrap_or(file);
    !head.is_empty() && text_type(head) == FileType::TextAscii
}

#[derive(PartialEq, Eq)]
enum Class {
    /// In no text.
    Never,
    /// In plain ASCII text.
    Ascii,
    /// In some 8-bit extension of ASCII.
    Extended,
}

fn class(byte: u8) -> Class {
    match byte {
        // BEL, BS, HT, LF, FF, CR, ESC, what is printed, and NEL.
        0x07..=0x0a | 0x0c | 0x0d | 0x1b | 0x20..=0x7e | 0x85 => Class::Ascii,
        0x80.. => Class::Extended,
        _ => Class::Never,
    }
}

/// Big-endian is assumed without a mark, and then no control character may occur.
fn utf16(head: &[u8]) -> Option<FileType> {
    let mark = head.first_chunk::<2>()?;
    let little = *mark == [0xff, 0xfe];
    let marked = little || *mark == [0xfe, 0xff];
    let mut bad = 0_usize;
    for pair in head.chunks_exact(2).skip(1) {
        let pair = pair.first_chunk::<2>()?;
        let unit = if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
        match u8::try_from(unit) {
            _ if unit == 0xfffe => return None,
            Ok(byte) if byte < 0x80 && class(byte) != Class::Ascii => {
                if !marked {
                    return None;
                }
                bad = bad.saturating_add(1);
            }
            _ => {}
        }
    }
    let text = !marked || bad < head.len() / 2;
    text.then_some(if little { FileType::TextUtf16Le } else { FileType::TextUtf16Be })
}

/// The encoding of more than one byte that a byte order mark (or `<` or `<?` without one) shows,
/// XML 1.0, appendix F, then the text with each character's low byte alone, which is enough to see
/// a tag. Nothing for text of single bytes.
pub(crate) fn narrowed(head: &[u8]) -> Option<Vec<u8>> {
    let (width, place): (usize, usize) = match *head.first_chunk::<4>()? {
        [0, 0, 0xfe, 0xff] | [0, 0, 0, b'<'] => (4, 3),
        [0xff, 0xfe, 0, 0] | [b'<', 0, 0, 0] => (4, 0),
        [0xfe, 0xff, ..] | [0, b'<', 0, b'?'] => (2, 1),
        [0xff, 0xfe, ..] | [b'<', 0, b'?', 0] => (2, 0),
        _ => return None,
    };
    // Only what is a character below 256: elsewise letters would appear that nobody wrote.
    let narrow = |unit: &[u8]| {
        let low = *unit.get(place)?;
        let high = unit.iter().enumerate().filter(|(at, _)| *at != place);
        Some(if high.into_iter().all(|(_, byte)| *byte == 0) { low } else { 0xff })
    };
    let text = head.chunks_exact(width).filter_map(narrow);
    Some(text.filter(|byte| *byte != 0).collect())
}

/// UTF-16, little-endian, without asking for a mark: each unit's low byte plus its high byte times
/// sixteen, as ClamAV folds it.
pub(crate) fn folded_utf16(head: &[u8]) -> Vec<u8> {
    let fold = |pair: &[u8]| {
        let [low, high] = *pair.first_chunk::<2>()?;
        Some((high << 4).wrapping_add(low))
    };
    head.chunks_exact(2).filter_map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kinds_of_text() {
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        let cases: [(&[u8], FileType); 10] = [
            (b"", FileType::TextAscii),
            (b"plain\r\n\t\x1b[1m", FileType::TextAscii),
            (b"latin-1: \xe9", FileType::TextAscii),
            ("utf-8: \u{e9}".as_bytes(), FileType::TextAscii),
            (b"\x01", FileType::BinaryData),
            (b"\xff\xfe\x01\x00\x02\x00", FileType::TextUtf16Le),
            (&utf16("\u{feff}hi", u16::to_le_bytes), FileType::TextUtf16Le),
            (&utf16("\u{feff}hi", u16::to_be_bytes), FileType::TextUtf16Be),
            (&utf16("hi", u16::to_be_bytes), FileType::TextUtf16Be),
            (&utf16("hi", u16::to_le_bytes), FileType::TextUtf16Be),
        ];
        for (head, expected) in cases {
            assert_eq!(text_type(head), expected, "{head:?}");
        }
    }

    #[test]
    fn narrows_wide_text_without_inventing_letters() {
        assert_eq!(narrowed(b"\xfe\xff\0<\0a\x3c\x3c").unwrap(), b"\xff<a\xff");
        assert_eq!(narrowed(b"<\0\0\0a\0\0\0").unwrap(), b"<a");
        assert_eq!(narrowed(b"<a>b"), None);
    }
}
