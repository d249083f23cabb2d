//! The fields of a line: split, counted and turned into numbers, names and bytes.

use std::fmt;

use crate::error::LineError;

/// The name of a signature as its set gives it: not empty, no control characters.
///
/// ClamAV takes names of any bytes; a name that could steer a terminal is refused here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// Takes a name, without ` (Clam)` and what follows it, as ClamAV does.
    ///
    /// # Errors
    /// A [`LineError::Field`] when it is empty, not UTF-8, or holds control characters.
    pub(crate) fn parse(field: &[u8]) -> Result<Self, LineError> {
        let wrong = || LineError::field("MalwareName", field, "a name");
        let text = std::str::from_utf8(field).map_err(|_| wrong())?;
        let name = if field.ends_with(b")") || text.contains(CLAM) {
            text.split_once(CLAM).map_or(text, |(head, _)| head)
        } else {
            text
        };
        if name.is_empty() || name.chars().any(steers) {
            Err(wrong())
        } else {
            Ok(Self(name.into()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters, and the ones that turn the direction of text.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Numbers from one to another, both included. None are in it if the first is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub min: u32,
    /// The last.
    pub max: u32,
}

/// Up to `N` fields of a line.
#[derive(Debug)]
pub(crate) struct Fields<'a, const N: usize> {
    fields: [&'a [u8]; N],
    found: usize,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Splits a line at each `delimiter`.
    ///
    /// # Errors
    /// [`LineError::Fields`] when there are fewer than `least` or more than `N`.
    pub(crate) fn split(line: &'a [u8], delimiter: u8, least: usize) -> Result<Self, LineError> {
        let mut fields = [&[][..]; N];
        let mut found = 0_usize;
        for field in line.split(|byte| *byte == delimiter) {
            if let Some(place) = fields.get_mut(found) {
                *place = field;
            }
            found = found.saturating_add(1);
        }
        if (least..=N).contains(&found) {
            Ok(Self { fields, found })
        } else {
            Err(LineError::Fields { found, least, most: N })
        }
    }

    /// The field at `index` from 0; empty when it is absent.
    pub(crate) fn at(&self, index: usize) -> &'a [u8] {
        self.fields.get(index).copied().unwrap_or_default()
    }

    /// The field at `index` from 0, if the line has it.
    pub(crate) fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.found).then(|| self.at(index))
    }

    /// How many fields the line has.
    pub(crate) fn found(&self) -> usize {
        self.found
    }
}

/// A decimal number; nothing is 0, as ClamAV takes it.
///
/// # Errors
/// A [`LineError::Field`] on other characters and on what 32 bits do not hold.
pub(crate) fn number(field: &'static str, text: &[u8]) -> Result<u32, LineError> {
    let wrong = || LineError::field(field, text, "a number below 2^32");
    text.iter().try_fold(0_u32, |sum, byte| {
        let digit = char::from(*byte).to_digit(10).ok_or_else(wrong)?;
        sum.checked_mul(10).and_then(|sum| sum.checked_add(digit)).ok_or_else(wrong)
    })
}

/// The number that a text begins with behind blanks and a plus, as `sscanf` reads it, and what stands behind.
pub(crate) fn leading_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    Some((number("", digits).ok()?, rest))
}

/// Decodes exactly `N` bytes of hexadecimal digits in either case.
pub(crate) fn hex_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = hex_pair(*pair)?;
    }
    rest.is_empty().then_some(bytes)
}

/// Decodes hexadecimal digits in either case.
pub(crate) fn hex(text: &[u8]) -> Option<Box<[u8]>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if rest.is_empty() { pairs.iter().map(|pair| hex_pair(*pair)).collect() } else { None }
}

/// The byte of two hexadecimal digits.
pub(crate) fn hex_pair([high, low]: [u8; 2]) -> Option<u8> {
    Some(nibble(high)?.wrapping_shl(4) | nibble(low)?)
}

/// The number of one hexadecimal digit.
pub(crate) fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a' - 10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A' - 10)),
        _ => None,
    }
}

/// What ClamAV cuts off a name, with all that follows.
const CLAM: &str = " (Clam)";
