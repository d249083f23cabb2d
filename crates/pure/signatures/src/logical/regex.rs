//! Sub-signatures that are regular expressions.

use super::logic::Logic;
use super::outside_of_regexes;
use crate::error::LineError;
use crate::offset::Offset;
use crate::target::Target;

/// A regular expression in the syntax of PCRE2, `[Offset:]Trigger/Pattern/[Flags]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    /// Where its match may begin.
    pub offset: Offset,
    /// What must hold of the sub-signatures before it.
    pub trigger: Logic,
    /// The pattern as it is written, slashes behind backslashes. Not empty; whether it compiles is
    /// not known.
    pub pattern: Box<[u8]>,
    /// Its flags.
    pub flags: RegexFlags,
}

/// A flag of a regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum RegexFlag {
    /// `g`: all matches count, not the first alone.
    Global = 1,
    /// `r`: with an offset, the match may begin anywhere behind it.
    Rolling = 1 << 1,
    /// `e`: with an offset, the match must lie between it and the largest shift.
    Encompass = 1 << 2,
    /// `i`: letters match in either case.
    Caseless = 1 << 3,
    /// `s`: a dot matches line ends.
    DotAll = 1 << 4,
    /// `m`: `^` and `$` match at line ends.
    Multiline = 1 << 5,
    /// `x`: blanks and comments are no part of it.
    Extended = 1 << 6,
    /// `A`: it matches where the search begins only.
    Anchored = 1 << 7,
    /// `E`: `$` matches at the very end only.
    DollarEndOnly = 1 << 8,
    /// `U`: quantifiers are lazy, and greedy with `?`.
    Ungreedy = 1 << 9,
}

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegexFlags(u16);

impl RegexFlags {
    /// Whether a flag is among them.
    #[must_use]
    pub fn has(self, flag: RegexFlag) -> bool {
        self.0 & flag as u16 != 0
    }

    fn parse(letters: &[u8]) -> Result<Self, LineError> {
        letters.iter().try_fold(Self::default(), |flags, letter| {
            let flag = RegexFlag::of(*letter);
            let flag = flag
                .ok_or_else(|| LineError::field("Flags", letters, "some of `g r e i s m x A E U`"));
            flag.map(|flag| Self(flags.0 | flag as u16))
        })
    }
}

impl RegexFlag {
    fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'g' => Self::Global,
            b'r' => Self::Rolling,
            b'e' => Self::Encompass,
            b'i' => Self::Caseless,
            b's' => Self::DotAll,
            b'm' => Self::Multiline,
            b'x' => Self::Extended,
            b'A' => Self::Anchored,
            b'E' => Self::DollarEndOnly,
            b'U' => Self::Ungreedy,
            _ => return None,
        })
    }
}

impl Regex {
    /// Parses the sub-signature `index`.
    ///
    /// # Errors
    /// [`LineError`] for what ClamAV refuses, a trigger that is not of sub-signatures before it
    /// among it.
    pub(crate) fn parse(text: &[u8], index: u8, target: Target) -> Result<Self, LineError> {
        let fields = outside_of_regexes(text, b':', MAX_FIELDS, 0);
        let (offset, regex) = match fields[..] {
            [offset, regex] => (offset, regex),
            [regex, ..] => (&b"*"[..], regex),
            [] => (&b"*"[..], text),
        };
        let wrong = || LineError::field("PCRE", text, "`trigger/pattern/flags`");
        let (trigger, pattern, flags) = halves(regex).ok_or_else(wrong)?;
        if text.starts_with(b"/") || trigger.is_empty() || pattern.is_empty() {
            return Err(wrong());
        }
        let trigger = Logic::parse(trigger)?;
        if trigger.last() >= index {
            return Err(LineError::field("Trigger", text, "of sub-signatures before it"));
        }
        let flags = RegexFlags::parse(flags)?;
        Ok(Self { offset: Offset::parse(offset, target)?, trigger, pattern: pattern.into(), flags })
    }
}

/// What stands before, between and behind the first and the last slash.
fn halves(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let first = text.iter().position(|byte| *byte == b'/')?;
    let last = text.iter().rposition(|byte| *byte == b'/')?;
    let pattern = text.get(first.checked_add(1)?..last)?;
    Some((text.get(..first)?, pattern, text.get(last.checked_add(1)?..)?))
}

/// ClamAV looks at no more.
const MAX_FIELDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Regex, LineError> {
        Regex::parse(text.as_bytes(), 2, Target::Pe)
    }

    #[test]
    fn reads_trigger_pattern_flags_and_offset() {
        let read = parse(r"EP+0,100:0&1/(a:b)\/[^/]c/gri").unwrap();
        assert_eq!(*read.pattern, *br"(a:b)\/[^/]c");
        assert!(read.flags.has(RegexFlag::Global) && read.flags.has(RegexFlag::Caseless));
        assert!(!read.flags.has(RegexFlag::Encompass));
        assert!(matches!(read.offset, Offset::At { max_shift: 100, .. }));
    }

    #[test]
    fn refuses_what_clamav_refuses() {
        for text in ["/a/", "0/a", "0//", "2/a/", "0&3/a/", "0/a/z", "x/a/", "1:2:0/a/"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
