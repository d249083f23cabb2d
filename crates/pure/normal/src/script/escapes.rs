//! Escapes within strings, and those of `unescape`.

/// Appends the inside of a string literal with its escapes resolved. A zero becomes 1, so that
/// strings never hold one.
pub(super) fn append_literal(out: &mut Vec<u8>, literal: &[u8]) {
    let mut at = 0_usize;
    while let Some(byte) = literal.get(at) {
        let escape = literal.get(at.saturating_add(1)).filter(|_| *byte == b'\\');
        let Some(escape) = escape else {
            out.push(nonzero(*byte));
            at = at.saturating_add(1);
            continue;
        };
        let digits = literal.get(at.saturating_add(2)..).unwrap_or_default();
        at = at.saturating_add(2);
        let byte = match escape {
            b'0' => 0,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0B,
            b'f' => 0x0C,
            b'r' => b'\r',
            b'x' => {
                at = at.saturating_add(2);
                digits.first_chunk::<2>().map_or(b'\\', |digits| pair(*digits))
            }
            b'u' => match digits.first_chunk::<4>() {
                Some(digits) => {
                    append_utf8(out, unit(*digits));
                    at = at.saturating_add(4);
                    continue;
                }
                None => b'\\',
            },
            other => *other,
        };
        out.push(nonzero(byte));
    }
}

/// JavaScript's `unescape`: `%41` and `%u0041`; what is neither stays.
pub(super) fn unescape(string: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(string.len());
    let mut rest = string;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            if let [b'u', digits @ ..] = after
                && let Some((digits, after)) = digits.split_first_chunk::<4>()
                && digits.iter().all(u8::is_ascii_hexdigit)
            {
                append_utf8(&mut out, unit(*digits));
                rest = after;
                continue;
            }
            if let Some((digits, after)) = after.split_first_chunk::<2>()
                && digits.iter().all(u8::is_ascii_hexdigit)
            {
                out.push(nonzero(pair(*digits)));
                rest = after;
                continue;
            }
        }
        out.push(nonzero(*byte));
    }
    out
}

fn nonzero(byte: u8) -> u8 {
    byte.max(1)
}

/// Two digits; a last one that is none counts as all bits set, any other as zero.
fn pair([high, low]: [u8; 2]) -> u8 {
    digit(high).unwrap_or(0) << 4 | digit(low).unwrap_or(0xFF)
}

fn unit([a, b, c, d]: [u8; 4]) -> u16 {
    let part = |sign, shift: u16| u16::from(digit(sign).unwrap_or(0)) << shift;
    part(a, 12) | part(b, 8) | part(c, 4) | digit(d).map_or(0xFFFF, u16::from)
}

fn digit(sign: u8) -> Option<u8> {
    (sign as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One unit of UTF-16, halves of pairs as well, as UTF-8 would write it.
fn append_utf8(out: &mut Vec<u8>, unit: u16) {
    let low = |shift: u16| {
        let [bits, _] = (unit >> shift & 0x3F).to_le_bytes();
        0x80 | bits
    };
    let head = |shift: u16, mark: u8| {
        let [bits, _] = (unit >> shift).to_le_bytes();
        mark | bits
    };
    match unit {
        0 => out.push(1),
        1..0x80 => out.push(head(0, 0)),
        0x80..0x800 => out.extend([head(6, 0xC0), low(0)]),
        _ => out.extend([head(12, 0xE0), low(6), low(0)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(literal: &[u8], expect: &[u8]) {
        let mut out = Vec::new();
        append_literal(&mut out, literal);
        assert_eq!(out, expect, "{}", literal.escape_ascii());
    }

    #[test]
    fn literals_lose_their_escapes() {
        check(br#"a\n\x41\u0042\u00e9\u20ac\q\'"#, b"a\nAB\xC3\xA9\xE2\x82\xACq'");
        check(br"\0\x00\", b"\x01\x01\\");
        check(br"\x4", b"\\");
        check(br"\u12", b"\\12");
        check(br"\x4g\ug12g.", b"\xFF\xEF\xBF\xBF.");
    }

    #[test]
    fn unescape_leaves_what_is_none() {
        assert_eq!(unescape(b"%41%u0042%u20ac%4%zz%u12%"), b"AB\xE2\x82\xAC%4%zz%u12%");
        assert_eq!(unescape(b"%00"), b"\x01");
    }
}
