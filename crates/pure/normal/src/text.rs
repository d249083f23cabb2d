//! Text as signatures of target 7 see it.

use crate::{Limits, OverLimit};

/// How the form relates to what it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Byte for byte the same: whoever has looked at the text needs no second look.
    Same,
    /// Something was folded, mapped or dropped.
    Changed,
}

/// Writes the normal form of `text` over whatever `form` holds.
///
/// A run of white space (tab, line feed, vertical tab, form feed, carriage return, space) becomes one
/// space; `A`–`Z` become small; other bytes below 0x20 and all from 0x80 are dropped, which neither
/// start nor end a run. The form is never longer than the text, and its own normal form.
///
/// ClamAV makes it in blocks of 128 KiB (and the length of its longest pattern) and forgets at each
/// border that it has written a space, so that a run over a border leaves two there. This form has
/// one, as everywhere else.
///
/// One pass: eight bytes at once where none of them is dropped or a second space, about a nanosecond
/// for each, and one by one without a branch elsewhere. Source: what ClamAV 1.4 gives
/// (`text_normalize_buffer`, asked by experiment).
///
/// # Errors
/// [`OverLimit`] for more than [`Limits::text`]; `form` is empty then.
pub fn normalise(text: &[u8], limits: &Limits, form: &mut Vec<u8>) -> Result<Form, OverLimit> {
    form.clear();
    OverLimit::check(text, limits.text)?;
    form.reserve(text.len());
    let mut last = 0;
    for block in text.chunks(BLOCK) {
        let mut folded = Folded { bytes: [0; BLOCK], end: 0, last };
        let (eights, rest) = block.as_chunks::<8>();
        for eight in eights {
            folded.add_eight(*eight);
        }
        rest.iter().for_each(|byte| folded.add(*byte));
        last = folded.last;
        form.extend_from_slice(folded.bytes.get(..folded.end).unwrap_or_default());
    }
    Ok(if form == text { Form::Same } else { Form::Changed })
}

/// The form of one block.
struct Folded {
    bytes: [u8; BLOCK],
    end: usize,
    /// What was kept last, or was to be kept and became part of a run.
    last: u8,
}

impl Folded {
    fn add_eight(&mut self, eight: [u8; 8]) {
        let whole = whole_eight(u64::from_le_bytes(eight), self.last == SPACE);
        let room = self.bytes.get_mut(self.end..).and_then(|rest| rest.first_chunk_mut::<8>());
        let (Some(mapped), Some(room)) = (whole, room) else {
            eight.iter().for_each(|byte| self.add(*byte));
            return;
        };
        *room = mapped.to_le_bytes();
        [.., self.last] = *room;
        self.end = self.end.wrapping_add(8);
    }

    fn add(&mut self, byte: u8) {
        let mapped = MAP.get(usize::from(byte)).copied().unwrap_or(DROPPED);
        let is_kept = mapped != DROPPED && (mapped != SPACE || self.last != SPACE);
        // The slot is written in any case and counted only if kept: no branch to mispredict.
        if let Some(slot) = self.bytes.get_mut(self.end) {
            *slot = mapped;
        }
        self.end = self.end.wrapping_add(usize::from(is_kept));
        self.last = if mapped == DROPPED { self.last } else { mapped };
    }
}

/// Eight bytes mapped at once (the first is the lowest), if every one of them is kept.
///
/// Comparisons are additions that carry into the high bit of each byte, which is free while all are
/// ASCII: `at_least(n)` sets it where a byte is `n` or more. 980 against 570 MB/s of sources.
fn whole_eight(eight: u64, after_space: bool) -> Option<u64> {
    let at_least = |bytes: u64, least: u8| {
        bytes.wrapping_add(EACH.wrapping_mul(u64::from(0x80_u8.wrapping_sub(least))))
    };
    if eight & HIGH != 0 {
        return None;
    }
    let blank = at_least(eight, b'\t') & !at_least(eight, b'\r'.wrapping_add(1)) & HIGH;
    let blank = (blank >> 7).wrapping_mul(0xFF);
    let spaced = eight & !blank | EACH.wrapping_mul(u64::from(SPACE)) & blank;
    let has_control = at_least(spaced, SPACE) & HIGH != HIGH;
    let space = !at_least(spaced, SPACE.wrapping_add(1)) & HIGH;
    let is_run = space & (space << 8 | u64::from(after_space) << 7) != 0;
    if has_control || is_run {
        return None;
    }
    let capital = at_least(spaced, b'A') & !at_least(spaced, b'Z'.wrapping_add(1)) & HIGH;
    Some(spaced | capital >> 2)
}

/// A one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;
/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Bytes that are folded before they are copied out; they stay in the first cache.
const BLOCK: usize = 1024;
const DROPPED: u8 = 0;
const SPACE: u8 = b' ';

/// What each byte becomes.
static MAP: [u8; 256] = map();

const fn map() -> [u8; 256] {
    let mut map = [DROPPED; 256];
    let mut byte = 0_u8;
    loop {
        let mapped = match byte {
            b'\t'..=b'\r' | SPACE => SPACE,
            0x21..=0x7F => byte.to_ascii_lowercase(),
            _ => DROPPED,
        };
        #[expect(clippy::indexing_slicing, reason = "a byte is within 256, at compile time")]
        {
            map[byte as usize] = mapped;
        }
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => return map,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &[u8], expect: &[u8]) {
        let mut form = b"left over".to_vec();
        let told = normalise(text, &Limits::CLAMAV, &mut form);
        assert_eq!(form, expect, "{}", text.escape_ascii());
        assert_eq!(told, Ok(if text == expect { Form::Same } else { Form::Changed }));
    }

    #[test]
    fn folds_maps_and_drops() {
        check(b"", b"");
        check(b"abc {1} ~\x7F", b"abc {1} ~\x7F");
        check(b"\t\n\x0B\x0C\r  X", b" x");
        check(b"A \x00\x01 B\x0E\xC3\xA9C", b"a bc");
        check(b" \x80 \xFF ", b" ");
    }

    #[test]
    fn a_run_is_one_space_wherever_it_lies() {
        for before in [0, BLOCK - 2, BLOCK - 1, BLOCK, 131_070] {
            let text = [vec![b'A'; before], b" \n \n".to_vec(), vec![b'B'; 3]].concat();
            let form = [vec![b'a'; before], b" bbb".to_vec()].concat();
            check(&text, &form);
        }
    }

    #[test]
    fn too_long_a_text_is_refused_whole() {
        let limits = Limits { text: 3, ..Limits::CLAMAV };
        let mut form = b"left over".to_vec();
        let error = OverLimit { found: 4, limit: 3 };
        assert_eq!(normalise(b"abcd", &limits, &mut form), Err(error));
        assert!(form.is_empty());
        assert_eq!(normalise(b"abc", &limits, &mut form), Ok(Form::Same));
    }

    /// One byte after the other, as the definition says it.
    fn naive(text: &[u8]) -> Vec<u8> {
        let mut form: Vec<u8> = Vec::new();
        for byte in text {
            match byte {
                b'\t'..=b'\r' | b' ' if form.last() == Some(&b' ') => (),
                b'\t'..=b'\r' | b' ' => form.push(b' '),
                0x21..=0x7F => form.push(byte.to_ascii_lowercase()),
                _ => (),
            }
        }
        form
    }

    proptest! {
        #[test]
        fn fast_equals_naive(text in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let mut form = Vec::new();
            let told = normalise(&text, &Limits::CLAMAV, &mut form);
            prop_assert_eq!(&form, &naive(&text));
            prop_assert_eq!(told == Ok(Form::Same), form == text);
        }

        #[test]
        fn the_form_is_its_own_form(text in "[ \t\r\na-cA-C\u{0}\u{e9}]{0,2000}") {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            let _ = normalise(text.as_bytes(), &Limits::CLAMAV, &mut once);
            prop_assert_eq!(normalise(&once, &Limits::CLAMAV, &mut twice), Ok(Form::Same));
            prop_assert_eq!(once, twice);
        }
    }
}
