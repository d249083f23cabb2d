//! Sub-signatures that are bytes, and their modifiers.

use super::outside_of_regexes;
use crate::body::{Body, BodyError, BodyFault, Choices, Rules};
use crate::error::LineError;
use crate::offset::Offset;
use crate::target::Target;

/// Bytes at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The place.
    pub offset: Offset,
    /// Whether letters match in either case.
    pub case: Case,
    /// The bytes, one way of writing each: two with the modifiers `wide` and `ascii` together, else
    /// one. Wide and full-word are worked into them, as ClamAV does it.
    pub bodies: Vec<Body>,
}

/// Whether letters match in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// As they are written.
    Exact,
    /// Bytes that are ASCII letters match in both cases, `::i`.
    Folded,
}

impl Content {
    /// Parses `[Offset:]Body[::Modifiers]`.
    ///
    /// # Errors
    /// [`LineError`] for what ClamAV refuses.
    pub(crate) fn parse(text: &[u8], target: Target) -> Result<Self, LineError> {
        let fields = outside_of_regexes(text, b':', MAX_FIELDS, 0);
        let (offset, body, modifiers) = match fields[..] {
            [offset, body] => (offset, body, &[][..]),
            [body, _, modifiers] => (&b"*"[..], body, modifiers),
            [offset, body, _, modifiers] => (offset, body, modifiers),
            // ClamAV looks at the first only.
            [body, ..] => (&b"*"[..], body, &[][..]),
            [] => (&b"*"[..], text, &[][..]),
        };
        let modifiers = Modifiers::parse(modifiers)?;
        let rules = Rules { choices: modifiers.choices(), prefilter: target.prefilter() };
        let texts = modifiers.spellings(body)?;
        let bodies = texts.iter().map(|text| Body::parse(text, rules)).collect::<Result<_, _>>()?;
        let case = if modifiers.folded { Case::Folded } else { Case::Exact };
        Ok(Self { offset: Offset::parse(offset, target)?, case, bodies })
    }
}

/// What stands behind the second colon.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Modifiers {
    /// `i`
    folded: bool,
    /// `f`
    full_word: bool,
    /// `w`
    wide: bool,
    /// `a`
    ascii: bool,
}

impl Modifiers {
    fn parse(letters: &[u8]) -> Result<Self, LineError> {
        let mut modifiers = Self::default();
        for letter in letters {
            let modifier = match letter {
                b'i' => &mut modifiers.folded,
                b'f' => &mut modifiers.full_word,
                b'w' => &mut modifiers.wide,
                b'a' => &mut modifiers.ascii,
                _ => return Err(LineError::field("Modifiers", letters, "some of `i w f a`")),
            };
            *modifier = true;
        }
        Ok(modifiers)
    }

    fn choices(self) -> Choices {
        if self == Self::default() { Choices::Plain } else { Choices::Expanded }
    }

    /// The texts that a body stands for. ClamAV works on the text as well: between the classes that
    /// full-word puts at the ends, a class that stood there becomes a position.
    fn spellings(self, body: &[u8]) -> Result<Vec<Vec<u8>>, BodyError> {
        let narrow = if self.full_word { full_word(body)? } else { body.to_vec() };
        Ok(match (self.wide, self.ascii) {
            (false, _) => vec![narrow],
            (true, false) => vec![wide(&narrow)?],
            (true, true) => vec![wide(&narrow)?, narrow],
        })
    }
}

/// Puts `(W)` at both ends. Distances in brackets become gaps, since their byte is not alone now.
fn full_word(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut text = [b"(W)", body, b"(W)"].concat();
    let mut open = false;
    for byte in &mut text {
        match byte {
            b'[' if !open => (*byte, open) = (b'{', true),
            b']' if open => (*byte, open) = (b'}', false),
            _ => {}
        }
    }
    if open { Err(BodyError { at: body.len(), fault: BodyFault::Near }) } else { Ok(text) }
}

/// Puts a zero byte behind each position.
fn wide(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let fault = |left: &[u8], fault| BodyError { at: body.len().saturating_sub(left.len()), fault };
    let mut text = Vec::with_capacity(body.len().saturating_mul(2));
    let mut left = body;
    loop {
        left = match left {
            [] => return Ok(text),
            [byte @ (b'*' | b'|' | b')'), rest @ ..] => {
                text.push(*byte);
                rest
            }
            [b'[', rest @ ..] => copy_gap(rest, b']', &mut text),
            [b'{', rest @ ..] => copy_gap(rest, b'}', &mut text),
            [b'!', b'(', letter @ (b'B' | b'L' | b'W'), b')', rest @ ..] => {
                text.extend([b'!', b'(', *letter, b')']);
                rest
            }
            [b'(', letter @ (b'B' | b'L' | b'W'), b')', rest @ ..] => {
                text.extend([b'(', *letter, b')']);
                rest
            }
            [b'!', b'(', rest @ ..] => {
                text.extend(b"!(");
                rest
            }
            [b'(', rest @ ..] => {
                text.push(b'(');
                rest
            }
            [high, low, rest @ ..] => {
                text.extend([*high, *low, b'0', b'0']);
                rest
            }
            [_] => return Err(fault(left, BodyFault::Pair)),
        };
    }
}

/// Copies a distance up to `close` as a gap; its number of bytes stays.
fn copy_gap<'a>(text: &'a [u8], close: u8, into: &mut Vec<u8>) -> &'a [u8] {
    let length = text.iter().position(|byte| *byte == close).unwrap_or(text.len());
    into.push(b'{');
    into.extend(text.iter().take(length));
    into.push(b'}');
    text.get(length.saturating_add(1)..).unwrap_or_default()
}

/// ClamAV looks at no more.
const MAX_FIELDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        let read = Content::parse(text.as_bytes(), Target::Generic).unwrap();
        read.bodies.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn modifiers_are_worked_into_the_bodies() {
        assert_eq!(spelled("4142::w"), ["41004200"]);
        assert_eq!(spelled("4142::wa"), ["41004200", "4142"]);
        assert_eq!(spelled("4142::f"), ["(W)4142(W)"]);
        assert_eq!(spelled("41(42|4344)??::wf"), ["(W)4100(4200|43004400)??00(W)"]);
        assert_eq!(spelled("(B)4142{2-3}4344::f"), ["(W)(B)4142{2-3}4344(W)"]);
    }

    #[test]
    fn an_offset_stands_before_the_body() {
        let read = Content::parse(b"EOF-7,2:4142::i", Target::Generic).unwrap();
        assert_eq!(read.case, Case::Folded);
        assert!(matches!(read.offset, Offset::At { max_shift: 2, .. }));
    }

    #[test]
    fn a_modified_choice_cannot_be_negated() {
        assert!(Content::parse(b"4142!(43|44)", Target::Generic).is_ok());
        assert!(Content::parse(b"4142!(43|44)::i", Target::Generic).is_err());
        assert!(Content::parse(b"4142::x", Target::Generic).is_err());
    }
}
