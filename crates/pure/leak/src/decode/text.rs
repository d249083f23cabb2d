//! Text that hides bytes: escapes, separators between pieces, wide characters.

use super::{Sink, Taken, is_text};
use crate::transform::Transform;

/// Undoes each of them over the whole of `stream`.
pub(super) fn decode(stream: &[u8], sink: &mut Sink<'_>) {
    unescape(stream, sink);
    strip_separators(stream, sink);
    narrow(stream, sink);
}

/// Fewest escapes in a passage that are worth a second look.
const MIN_ESCAPES: usize = 2;

/// Bytes without an escape that end a passage; as many are taken along before and after.
const PASSAGE_MARGIN: usize = 64;

/// Undoes escapes of URLs, JSON, C, quoted-printable and HTML in one pass, passage by passage: two
/// chance escapes far from each other do not make a copy of the whole stream. The kinds do not
/// collide: no escape of one is changed by another unless both are written out.
fn unescape(stream: &[u8], sink: &mut Sink<'_>) {
    let (mut taken, mut escapes, mut at, mut since) = (Taken::default(), 0_usize, 0_usize, 0_usize);
    while let Some(rest) = stream.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(Escape { bytes, length }) = escape(rest) else {
            since = since.saturating_add(1);
            if escapes > 0 {
                rest.first().iter().for_each(|&&byte| taken.push(byte, at));
                if since >= PASSAGE_MARGIN {
                    end_passage(&mut taken, &mut escapes, sink);
                    since = 0;
                }
            }
            at = at.saturating_add(1);
            continue;
        };
        if escapes == 0 {
            let from = at.saturating_sub(since.min(PASSAGE_MARGIN));
            let before = stream.get(from..at).unwrap_or_default();
            before.iter().zip(from..).for_each(|(&byte, at)| taken.push(byte, at));
        }
        bytes.iter().for_each(|&byte| taken.push(byte, at));
        escapes = escapes.saturating_add(1);
        since = 0;
        at = at.saturating_add(length);
    }
    end_passage(&mut taken, &mut escapes, sink);
}

fn end_passage(taken: &mut Taken, escapes: &mut usize, sink: &mut Sink<'_>) {
    let passage = std::mem::take(taken);
    if std::mem::take(escapes) >= MIN_ESCAPES {
        sink.push(Transform::Unescaped, passage);
    }
}

struct Escape {
    bytes: Vec<u8>,
    length: usize,
}

fn escape(rest: &[u8]) -> Option<Escape> {
    let byte = |digits: &[u8], length| Some(Escape { bytes: vec![hex_byte(digits)?], length });
    match rest {
        [b'%' | b'=', digits @ ..] if hex_byte(digits).is_some() => byte(digits, 3),
        [b'=', b'\r', b'\n', ..] => Some(Escape { bytes: Vec::new(), length: 3 }),
        [b'=', b'\n', ..] => Some(Escape { bytes: Vec::new(), length: 2 }),
        [b'\\', b'x', digits @ ..] | [b'0', b'x', digits @ ..] => byte(digits, 4),
        [b'\\', b'u', digits @ ..] => {
            let [high, low] = [hex_byte(digits)?, hex_byte(digits.get(2..)?)?];
            Some(Escape { bytes: utf8(u32::from(u16::from_be_bytes([high, low]))), length: 6 })
        }
        [b'\\', octal @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] => {
            let digits = [octal, middle, low].map(|digit| digit & 7);
            let value = digits.iter().fold(0_u8, |value, digit| (value << 3) | digit);
            Some(Escape { bytes: vec![value], length: 4 })
        }
        [b'\\', letter, ..] => {
            let bytes = match letter {
                b'n' => b"\n",
                b'r' => b"\r",
                b't' => b"\t",
                b'"' | b'\'' | b'/' | b'\\' => std::slice::from_ref(letter),
                _ => return None,
            };
            Some(Escape { bytes: bytes.to_vec(), length: 2 })
        }
        [b'&', ..] => entity(rest),
        _ => None,
    }
}

/// Longest character reference: `&#1114111;`.
const MAX_ENTITY_BYTES: usize = 10;

fn entity(rest: &[u8]) -> Option<Escape> {
    let end = rest.iter().take(MAX_ENTITY_BYTES).position(|&byte| byte == b';')?;
    let name = std::str::from_utf8(rest.get(1..end)?).ok()?;
    let bytes = match name {
        "amp" => b"&".to_vec(),
        "lt" => b"<".to_vec(),
        "gt" => b">".to_vec(),
        "quot" => b"\"".to_vec(),
        "apos" => b"'".to_vec(),
        _ => {
            let number = name.strip_prefix('#')?;
            let hexadecimal = number.strip_prefix(['x', 'X']);
            let parsed = hexadecimal
                .map_or_else(|| number.parse::<u32>(), |digits| u32::from_str_radix(digits, 16));
            utf8(parsed.ok()?)
        }
    };
    Some(Escape { bytes, length: end.saturating_add(1) })
}

/// A code below 256 is a byte: who escapes bytes writes them so.
fn utf8(code: u32) -> Vec<u8> {
    if let Ok(byte) = u8::try_from(code) {
        return vec![byte];
    }
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).to_string().into_bytes()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// Bytes that are looked at together when text is told from other data.
const TEXT_BLOCK_BYTES: usize = 256;

/// Takes out what stands between pieces: blanks, line ends, quotes, and the punctuation that no
/// common alphabet of digits has. Only text has separators; in other data they are values.
fn strip_separators(stream: &[u8], sink: &mut Sink<'_>) {
    let mut taken = Taken::default();
    let blocks = stream.chunks(TEXT_BLOCK_BYTES).zip((0_usize..).step_by(TEXT_BLOCK_BYTES));
    for (block, start) in blocks.filter(|(block, _)| is_text(block)) {
        for (&byte, at) in block.iter().zip(start..) {
            let separates = byte <= b' ' || b"\"',;:.|<>\\\x7f".contains(&byte);
            if !separates {
                taken.push(byte, at);
            }
        }
    }
    if taken.bytes.len() < stream.len() {
        sink.push(Transform::SeparatorsStripped, taken);
    }
}

/// Fewest wide characters in a row.
const MIN_WIDE: usize = 24;

/// Takes the zeros out of runs of characters of two bytes, in either order.
fn narrow(stream: &[u8], sink: &mut Sink<'_>) {
    let (mut taken, mut at) = (Taken::default(), 0_usize);
    while at < stream.len() {
        match stream.get(at..).and_then(<[u8]>::first_chunk) {
            Some(&[letter, 0]) if letter != 0 => {
                taken.push(letter, at);
                at = at.saturating_add(2);
            }
            _ => {
                end_wide(&mut taken, sink);
                at = at.saturating_add(1);
            }
        }
    }
    end_wide(&mut taken, sink);
}

fn end_wide(taken: &mut Taken, sink: &mut Sink<'_>) {
    let taken = std::mem::take(taken);
    if taken.bytes.len() >= MIN_WIDE {
        sink.push(Transform::EveryNth(2), taken);
    }
}
