//! Content-Transfer-Encodings, RFC 2045, and encoded words, RFC 2047.

use crate::output::{Output, Stop};

/// As it stands.
pub(crate) const IDENTITY: u8 = 1;
pub(crate) const BASE64: u8 = 2;
pub(crate) const PRINTABLE: u8 = 4;

/// What a decoder of base64 does with padding that is not at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// It is the end of a piece, and another one begins.
    Joins,
    /// It is the end.
    Ends,
    /// It is the end where it fills up four digits, and nothing elsewhere, as in python's binascii.
    EndsWhereDue,
    /// It is nothing.
    IsNothing,
}

/// What a decoder of base64 met.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    /// Whether data follow padding.
    pub(crate) goes_on: bool,
    /// Where the first byte stands that is neither data nor white space, and how many there are.
    pub(crate) foreign: Option<(usize, u64)>,
}

/// Decodes base64. What does not belong to it is passed over (RFC 2045, 6.8); digits that make no
/// whole byte are dropped.
pub(crate) fn base64(
    text: &[u8],
    padding: Padding,
    out: &mut Output<'_>,
) -> (Base64, Result<(), Stop>) {
    let mut met = Base64::default();
    let result = decode64(text, padding, out, &mut met);
    (met, result)
}

fn decode64(
    text: &[u8],
    padding: Padding,
    out: &mut Output<'_>,
    met: &mut Base64,
) -> Result<(), Stop> {
    let mut quantum = Quantum::default();
    let (mut was_padding, mut fill) = (false, 0_u8);
    for (slice, offset) in text.chunks(SLICE).zip((0_usize..).step_by(SLICE)) {
        out.read(slice.len())?;
        let mut made = Vec::with_capacity(SLICE);
        for (&byte, place) in slice.iter().zip(offset..) {
            match digit(byte) {
                Digit::Value(value) => {
                    met.goes_on |= was_padding;
                    if was_padding && padding == Padding::Ends {
                        return out.extend(&made);
                    }
                    fill = 0;
                    quantum.push(value, &mut made);
                }
                Digit::Padding => {
                    was_padding = true;
                    fill = fill.saturating_add(1);
                    match padding {
                        Padding::Joins | Padding::Ends => quantum.flush(&mut made),
                        Padding::EndsWhereDue if quantum.is_due(fill) => {
                            quantum.flush(&mut made);
                            return out.extend(&made);
                        }
                        Padding::EndsWhereDue | Padding::IsNothing => {}
                    }
                }
                Digit::Space => {}
                Digit::Foreign => {
                    let (first, count) = met.foreign.unwrap_or((place, 0));
                    met.foreign = Some((first, count.saturating_add(1)));
                }
            }
        }
        out.extend(&made)?;
    }
    let mut made = Vec::new();
    quantum.flush(&mut made);
    out.extend(&made)
}

/// Up to four digits of six bits.
#[derive(Debug, Default)]
struct Quantum {
    bits: u32,
    digits: u8,
}

impl Quantum {
    fn push(&mut self, value: u8, made: &mut Vec<u8>) {
        self.bits = self.bits.wrapping_shl(6) | u32::from(value);
        self.digits = self.digits.saturating_add(1);
        if self.digits == 4 {
            let [_, bytes @ ..] = self.bits.to_be_bytes();
            made.extend_from_slice(&bytes);
            *self = Self::default();
        }
    }

    /// Whether `fill` digits of padding make it four.
    fn is_due(&self, fill: u8) -> bool {
        self.digits >= 2 && self.digits.saturating_add(fill) >= 4
    }

    fn flush(&mut self, made: &mut Vec<u8>) {
        let whole = match self.digits {
            2 => 1,
            3 => 2,
            _ => 0,
        };
        let missing = 4_u32.saturating_sub(self.digits.into());
        let [_, bytes @ ..] = self.bits.wrapping_shl(missing.saturating_mul(6)).to_be_bytes();
        made.extend(bytes.iter().take(whole));
        *self = Self::default();
    }
}

enum Digit {
    Value(u8),
    Padding,
    Space,
    Foreign,
}

fn digit(byte: u8) -> Digit {
    Digit::Value(match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        b'=' => return Digit::Padding,
        b' ' | b'\t' | b'\r' | b'\n' => return Digit::Space,
        _ => return Digit::Foreign,
    })
}

/// Whether a body is base64 and nothing else, whatever its header says: lines of digits without a
/// space. A word of text is not.
pub(crate) fn looks_like_base64(text: &[u8]) -> bool {
    let (mut digits, mut is_mixed) = (0_usize, false);
    let mut was_padding = false;
    for &byte in text {
        match digit(byte) {
            Digit::Value(value) => {
                if was_padding {
                    return false;
                }
                digits = digits.saturating_add(1);
                is_mixed |= value >= 26;
            }
            Digit::Padding => was_padding = true,
            Digit::Space if matches!(byte, b' ' | b'\t') => return false,
            Digit::Space => {}
            Digit::Foreign => return false,
        }
    }
    digits >= MIN_DIGITS && is_mixed
}

/// What a decoder of quoted-printable does with an escape that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// It stands for itself; white space before a soft break is passed over.
    Themselves,
    /// As in python's binascii: two signs are one, a lone carriage return passes over the line after
    /// it.
    Literal,
}

/// Decodes quoted-printable; whether escapes were met that readers take in different ways.
pub(crate) fn printable(
    text: &[u8],
    escapes: Escapes,
    out: &mut Output<'_>,
) -> (bool, Result<(), Stop>) {
    let mut is_ambiguous = false;
    let result = decode_printable(text, escapes, out, &mut is_ambiguous);
    (is_ambiguous, result)
}

fn decode_printable(
    text: &[u8],
    escapes: Escapes,
    out: &mut Output<'_>,
    is_ambiguous: &mut bool,
) -> Result<(), Stop> {
    // Soft breaks make nothing that would be paid for.
    out.read(text.len())?;
    let mut rest = text;
    while !rest.is_empty() {
        let at = memchr::memchr(b'=', rest).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at_checked(at).unwrap_or_default();
        out.extend(plain)?;
        let Some(after) = tail.strip_prefix(b"=") else { return Ok(()) };
        rest = match after {
            [] => after,
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
            [high, low, rest @ ..] if hexadecimal(*high, *low).is_some() => {
                out.push(hexadecimal(*high, *low).unwrap_or_default())?;
                rest
            }
            _ => {
                *is_ambiguous |= matches!(after, [b'=' | b'\r' | b' ' | b'\t', ..]);
                match broken_escape(after, escapes) {
                    Some(rest) => rest,
                    None => {
                        out.push(b'=')?;
                        let is_one = escapes == Escapes::Literal && after.starts_with(b"=");
                        after.get(usize::from(is_one)..).unwrap_or_default()
                    }
                }
            }
        };
    }
    Ok(())
}

/// What follows an escape that stands for nothing; None where it stands for itself.
fn broken_escape(after: &[u8], escapes: Escapes) -> Option<&[u8]> {
    match (escapes, after) {
        (Escapes::Themselves, _) => soft_break(after),
        (Escapes::Literal, [b'\r', ..]) => {
            let end = memchr::memchr(b'\n', after).map_or(after.len(), |at| at.saturating_add(1));
            after.get(end..)
        }
        (Escapes::Literal, _) => None,
    }
}

/// What follows the line break that white space leads to.
fn soft_break(text: &[u8]) -> Option<&[u8]> {
    let blanks = text.iter().take(MAX_BLANKS).take_while(|byte| matches!(byte, b' ' | b'\t'));
    let text = text.get(blanks.count()..)?;
    let text_after = text.strip_prefix(b"\r\n").or_else(|| text.strip_prefix(b"\n"));
    text_after.or_else(|| text.strip_prefix(b"\r")).or(text.is_empty().then_some(text))
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let value =
        |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(value(high)?.wrapping_shl(4) | value(low)?)
}

/// `%XX`, RFC 2231.
pub(crate) fn percent(text: &[u8]) -> Vec<u8> {
    escaped(text, b'%', |byte| byte)
}

fn escaped(text: &[u8], mark: u8, other: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut made = Vec::new();
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match tail {
            [high, low, after @ ..] if byte == mark => match hexadecimal(*high, *low) {
                Some(value) => {
                    made.push(value);
                    rest = after;
                }
                None => made.push(byte),
            },
            _ => made.push(other(byte)),
        }
    }
    made
}

/// Encoded words in a name, `=?charset?B?…?=`; the characters stay as they are encoded.
pub(crate) fn decode_words(text: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or_default();
        // White space between two words is none.
        if made.is_empty() || !plain.trim_ascii().is_empty() {
            made.extend_from_slice(plain);
        }
        match encoded_word(tail) {
            Some((word, after)) => {
                made.extend(word);
                rest = after;
            }
            None => {
                made.extend_from_slice(b"=?");
                rest = tail.get(2..).unwrap_or_default();
            }
        }
    }
    made.extend_from_slice(rest);
    made
}

fn encoded_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let near = text.get(..MAX_WORD).unwrap_or(text);
    let mut fields = near.strip_prefix(b"=?")?.splitn(3, |byte| *byte == b'?');
    let (charset, kind, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let length = memchr::memmem::find(rest, b"?=")?;
    let word = rest.get(..length)?;
    let used = charset.len().saturating_add(kind.len()).saturating_add(length).saturating_add(6);
    let word = match kind {
        b"B" | b"b" => {
            let mut made = Vec::new();
            let mut quantum = Quantum::default();
            for &byte in word {
                if let Digit::Value(value) = digit(byte) {
                    quantum.push(value, &mut made);
                }
            }
            quantum.flush(&mut made);
            made
        }
        b"Q" | b"q" => escaped(word, b'=', |byte| if byte == b'_' { b' ' } else { byte }),
        _ => return None,
    };
    Some((word, text.get(used..)?))
}

/// Bytes decoded between two payments.
const SLICE: usize = 4096;
/// Digits from which on a body is taken for base64 without being told.
const MIN_DIGITS: usize = 24;
/// White space before a soft break.
const MAX_BLANKS: usize = 1000;
/// Bytes of an encoded word; RFC 2047 allows 75.
const MAX_WORD: usize = 1024;
