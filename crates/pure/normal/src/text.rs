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
/// One pass, no branch for the data: about a nanosecond for each byte. Source: what ClamAV 1.4 gives
/// (`text_normalize_buffer`, asked by experiment).
///
/// # Errors
/// [`OverLimit`] for more than [`Limits::text`]; `form` is empty then.
pub fn normalise(text: &[u8], limits: &Limits, form: &mut Vec<u8>) -> Result<Form, OverLimit> {
    form.clear();
    OverLimit::check(text, limits.text)?;
    form.reserve(text.len());
    let mut last = 0;
    let mut changed = 0;
    for block in text.chunks(BLOCK) {
        let mut folded = [0; BLOCK];
        let mut end = 0_usize;
        for byte in block {
            let mapped = MAP.get(usize::from(*byte)).copied().unwrap_or(DROPPED);
            let is_kept = mapped != DROPPED && (mapped != SPACE || last != SPACE);
            // The slot is written in any case and counted only if kept: no branch to mispredict.
            if let Some(slot) = folded.get_mut(end % BLOCK) {
                *slot = mapped;
            }
            end = end.wrapping_add(usize::from(is_kept));
            last = if mapped == DROPPED { last } else { mapped };
            changed |= mapped ^ byte;
        }
        form.extend_from_slice(folded.get(..end).unwrap_or_default());
    }
    let is_same = changed == 0 && form.len() == text.len();
    Ok(if is_same { Form::Same } else { Form::Changed })
}

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
