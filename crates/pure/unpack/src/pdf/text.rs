//! Text strings, ISO 32000-2 section 7.9.2.2, as UTF-8.

/// Text as UTF-8 where it says that it is UTF-16 or UTF-8; other bytes as they are, since
/// PDFDocEncoding is ASCII in all that scripts are written with.
pub(super) fn decode(bytes: Vec<u8>) -> Vec<u8> {
    utf_16(&bytes).unwrap_or_else(|| match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(text) => text.to_vec(),
        None => bytes,
    })
}

/// UTF-16 as UTF-8, if `bytes` begin as it does. Halves of surrogates become U+FFFD. Little-endian
/// is not in the specification; readers take it.
pub(super) fn utf_16(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mark, text) = bytes.split_first_chunk::<2>()?;
    let unit = match mark {
        b"\xfe\xff" => u16::from_be_bytes,
        b"\xff\xfe" => u16::from_le_bytes,
        _ => return None,
    };
    let units = text.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    let text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_text_is_read() {
        for text in
            [&b"\xfe\xff\0a\x20\xac"[..], b"\xff\xfea\0\xac\x20", b"\xef\xbb\xbfa\xe2\x82\xac"]
        {
            assert_eq!(decode(text.to_vec()), "a€".as_bytes());
        }
        assert_eq!(decode(b"a\x80".to_vec()), b"a\x80");
        assert_eq!(decode(b"\xfe\xff\xd8\0\0a".to_vec()), "\u{fffd}a".as_bytes());
    }
}
