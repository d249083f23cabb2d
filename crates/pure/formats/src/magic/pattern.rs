//! Patterns of bytes with gaps and alternatives, in the syntax of `.ftm` and `.ndb`.

use memchr::memmem::Finder;
use thiserror::Error;

/// The most elements (bytes or alternatives) that a pattern may have: the longest in use has 60.
const MAX_ELEMENTS: usize = 512;
/// The most parts between gaps; each part more is a loop in a loop where gaps are open.
const MAX_PARTS: usize = 8;
/// How far an open gap (`*`, `{n-}`) reaches, in bytes, if it is not the pattern's first one. The
/// first is followed to the end of the file, once (`Memo`); loops within loops need a bound.
const LATER_OPEN_GAP: usize = 4096;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// Not hexadecimal, or a bracket that does not close.
    #[error("`{rest}` is no hexadecimal byte, `??`, gap or alternative")]
    Syntax {
        /// From where it cannot be read.
        rest: String,
    },
    /// An alternative of more than one byte.
    #[error("`({0})`: alternatives of more than one byte are not supported for file types")]
    LongAlternative(String),
    /// A gap at an end, or no byte at all.
    #[error("a gap needs bytes on both sides")]
    EmptyPart,
    /// Less than two bytes, for a pattern that is looked for.
    #[error("a pattern that is looked for needs two bytes at its start")]
    TooShort,
    /// Gaps or alternatives in what is compared at one place.
    #[error("gaps and alternatives need an entry of kind 1")]
    NotPlain,
    /// Too long.
    #[error("{found} {what}, limit {limit}")]
    OverLimit {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most that are accepted.
        limit: usize,
    },
}

/// A pattern that is ready to be compared.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Default)]
struct Part {
    /// Bytes between the part before and this one.
    gap: (usize, usize),
    elements: Vec<Element>,
    literal: Option<Literal>,
}

/// The longest plain bytes of a part, by which it is searched for.
#[derive(Clone, Debug)]
struct Literal {
    /// Elements before them.
    before: usize,
    finder: Finder<'static>,
}

#[derive(Clone, Debug)]
enum Element {
    Masked { value: u8, mask: u8 },
    OneOf(Vec<u8>),
}

impl Pattern {
    /// Reads hexadecimal with `??`, `a?`, `?a`, `(aa|bb)`, `*`, `{n}`, `{n-m}`, `{-m}`, `{n-}`.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts = vec![Part::default()];
        let (mut rest, mut elements) = (text, 0_usize);
        while let Some(next) = rest.chars().next() {
            let syntax = || PatternError::Syntax { rest: rest.to_owned() };
            let (token, after) = token(rest, next).ok_or_else(syntax)?;
            rest = after;
            if let Some(gap) = gap(token) {
                parts.push(Part { gap, ..Part::default() });
                continue;
            }
            let Some(part) = parts.last_mut() else { continue };
            part.elements.push(element(token)?);
            elements = elements.saturating_add(1);
        }
        within("elements", elements, MAX_ELEMENTS)?;
        within("parts", parts.len(), MAX_PARTS)?;
        if parts.iter().any(|part| part.elements.is_empty()) {
            return Err(PatternError::EmptyPart);
        }
        parts.iter_mut().for_each(|part| part.literal = Literal::of(&part.elements));
        Ok(Self { parts })
    }

    /// Whether the pattern stands at `offset`, which must not be less than when `memo` was last
    /// used. All calls together cost the length of `bytes` once, for what follows the first gap.
    pub(crate) fn is_at(&self, bytes: &[u8], offset: usize, memo: &mut Memo) -> bool {
        let Some((first, later)) = self.parts.split_first() else { return false };
        let Some(here) = bytes.get(offset..) else { return false };
        if !first.is_prefix_of(here) {
            return false;
        }
        let Some(next) = later.first() else { return true };
        let end = offset.saturating_add(first.elements.len());
        let (least, most) = next.gap;
        let (least, most) = (end.saturating_add(least), end.saturating_add(most));
        let most = most.min(bytes.len());
        let candidate = |from: usize| next.first_place(bytes, from, most);
        memo.first_from(least, most, candidate, |place| {
            bytes.get(place..).is_some_and(|rest| Self::starts_with(later, rest))
        })
    }

    /// Whether `bytes` start with these parts, the first one without its gap. Depth is bounded by
    /// `MAX_PARTS`.
    fn starts_with(parts: &[Part], bytes: &[u8]) -> bool {
        let Some((part, later)) = parts.split_first() else { return true };
        if !part.is_prefix_of(bytes) {
            return false;
        }
        let Some(next) = later.first() else { return true };
        let (least, most) = next.gap;
        let rest = bytes.get(part.elements.len()..).unwrap_or_default();
        let most = most.min(least.saturating_add(LATER_OPEN_GAP)).min(rest.len());
        (least..=most).any(|gap| rest.get(gap..).is_some_and(|r| Self::starts_with(later, r)))
    }

    /// Whether the first part is long enough to be looked for by two bytes.
    pub(crate) fn has_a_pair(&self) -> bool {
        self.parts.first().is_some_and(|part| part.elements.len() >= 2)
    }

    /// The bytes, for a pattern without gaps and alternatives.
    pub(crate) fn plain(&self) -> Option<Vec<u8>> {
        let [part] = &self.parts[..] else { return None };
        part.elements.iter().map(Element::plain).collect()
    }

    /// The bytes that may stand at `at` of the first part.
    pub(crate) fn first_bytes(&self, at: usize) -> Vec<u8> {
        let element = self.parts.first().and_then(|part| part.elements.get(at));
        (0..=0xff).filter(|byte| element.is_some_and(|element| element.fits(*byte))).collect()
    }
}

/// What is known of where the parts after a pattern's first gap stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo {
    /// Everything before was looked at.
    looked: usize,
    /// The last place before `looked` where they stand.
    hit: Option<usize>,
}

impl Memo {
    /// Whether one of the places `from..=to` fits; asked with growing places, each is tried once, and
    /// only those that `candidate` names: the first from a place on.
    fn first_from(
        &mut self,
        from: usize,
        to: usize,
        candidate: impl Fn(usize) -> Option<usize>,
        fits: impl Fn(usize) -> bool,
    ) -> bool {
        if self.hit.is_some_and(|hit| hit >= from) {
            return self.hit.is_some_and(|hit| hit <= to);
        }
        let mut start = self.looked.max(from);
        while start <= to
            && let Some(place) = candidate(start)
        {
            start = place.saturating_add(1);
            if fits(place) {
                self.hit = Some(place);
                self.looked = start;
                return true;
            }
        }
        self.looked = self.looked.max(to.saturating_add(1));
        false
    }
}

impl Part {
    /// The first place from `from` to `to` where it may start.
    fn first_place(&self, bytes: &[u8], from: usize, to: usize) -> Option<usize> {
        let Some(Literal { before, finder }) = &self.literal else {
            return (from <= to).then_some(from);
        };
        let reach = before.saturating_add(finder.needle().len());
        let end = to.saturating_add(reach).min(bytes.len());
        let found = finder.find(bytes.get(from.checked_add(*before)?..end)?)?;
        from.checked_add(found)
    }

    fn is_prefix_of(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.elements.len()
            && self.elements.iter().zip(bytes).all(|(element, &byte)| element.fits(byte))
    }
}

impl Literal {
    fn of(elements: &[Element]) -> Option<Self> {
        let mut runs = Vec::new();
        let mut at = 0_usize;
        for run in elements.chunk_by(|one, next| one.plain().is_some() && next.plain().is_some()) {
            let bytes: Option<Vec<u8>> = run.iter().map(Element::plain).collect();
            runs.extend(bytes.map(|bytes| (at, bytes)));
            at = at.saturating_add(run.len());
        }
        // The first of the longest.
        let (before, bytes) = runs.into_iter().rev().max_by_key(|(_, bytes)| bytes.len())?;
        Some(Self { before, finder: Finder::new(&bytes).into_owned() })
    }
}

impl Element {
    /// The one byte that it is, if it is one.
    fn plain(&self) -> Option<u8> {
        match self {
            Self::Masked { value, mask: 0xff } => Some(*value),
            Self::Masked { .. } | Self::OneOf(_) => None,
        }
    }

    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::Masked { value, mask } => byte & mask == *value,
            Self::OneOf(bytes) => bytes.contains(&byte),
        }
    }
}

/// The next token of `text`, which starts with `next`, and what follows it.
fn token(text: &str, next: char) -> Option<(&str, &str)> {
    let length = match next {
        '*' => 1,
        '{' => text.find('}')?.checked_add(1)?,
        '(' => text.find(')')?.checked_add(1)?,
        _ => 2,
    };
    text.split_at_checked(length)
}

fn gap(token: &str) -> Option<(usize, usize)> {
    if token == "*" {
        return Some((0, usize::MAX));
    }
    let inner = token.strip_prefix('{')?.strip_suffix('}')?;
    let number = |text: &str| text.parse::<usize>().ok();
    let (least, most) = match inner.split_once('-') {
        None => (number(inner)?, number(inner)?),
        Some((least, "")) => (number(least)?, usize::MAX),
        Some(("", most)) => (0, number(most)?),
        Some((least, most)) => (number(least)?, number(most)?),
    };
    Some((least, most))
}

fn element(token: &str) -> Result<Element, PatternError> {
    let syntax = || PatternError::Syntax { rest: token.to_owned() };
    if let Some(inner) = token.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let byte = |text: &str| u8::from_str_radix(text, 16).ok().filter(|_| text.len() == 2);
        let bytes: Option<Vec<u8>> = inner.split('|').map(byte).collect();
        return bytes
            .map(Element::OneOf)
            .ok_or_else(|| PatternError::LongAlternative(inner.into()));
    }
    let nibble = |digit: char| match digit {
        '?' => Some((0, 0)),
        digit => Some((u8::try_from(digit.to_digit(16)?).ok()?, 0xf)),
    };
    let mut digits = token.chars().map(nibble);
    let (Some(Some(high)), Some(Some(low)), None) = (digits.next(), digits.next(), digits.next())
    else {
        return Err(syntax());
    };
    Ok(Element::Masked { value: (high.0 << 4) | low.0, mask: (high.1 << 4) | low.1 })
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), PatternError> {
    if found > limit { Err(PatternError::OverLimit { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_the_syntax_says() {
        let cases: &[(&str, &[u8], bool)] = &[
            ("4d5a", b"MZ", true),
            ("4d5a", b"M", false),
            ("4?5?", b"MZ", true),
            ("?d??", b"MZ", true),
            ("?c??", b"MZ", false),
            ("3c6120*(68|48)72", b"<a class=b Hr", true),
            ("3c6120*(68|48)72", b"<a class=b hr", true),
            ("3c6120*(68|48)72", b"<a class=b jr", false),
            ("41{2}42", b"A..B", true),
            ("41{2}42", b"A.B.", false),
            ("41{1-3}42", b"A...B", true),
            ("41{1-3}42", b"A....B", false),
            ("41{-1}42", b"AB", true),
            ("41{1-}42", b"AB", false),
            // The first end that fits is not the one that counts.
            ("41{0-4}42{1}43", b"AB.BxC", true),
        ];
        for (pattern, bytes, expected) in cases {
            assert_eq!(at_start(pattern, bytes), *expected, "{pattern}");
        }
    }

    fn at_start(pattern: &str, bytes: &[u8]) -> bool {
        Pattern::parse(pattern).unwrap().is_at(bytes, 0, &mut Memo::default())
    }

    #[test]
    fn what_was_looked_at_once_is_remembered_rightly() {
        let pattern = Pattern::parse("4d{1-4}50").unwrap();
        let bytes: Vec<u8> =
            (0..400_usize).map(|n| [b'M', b'P', b'.', b'.', b'M'][n * n % 7 % 5]).collect();
        let mut memo = Memo::default();
        let mut found = 0;
        for place in 0..bytes.len() {
            let fresh = pattern.is_at(&bytes, place, &mut Memo::default());
            assert_eq!(pattern.is_at(&bytes, place, &mut memo), fresh, "{place}");
            found += usize::from(fresh);
        }
        assert!(found > 10 && found < 390, "{found}");
    }

    #[test]
    fn says_what_it_cannot_read() {
        for bad in ["4", "4g", "{2}41", "41*", "", "41{a}42", "(4", "41**42", "é"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Pattern::parse("(4142|43)").unwrap_err(),
            PatternError::LongAlternative("4142|43".into())
        );
        assert!(Pattern::parse(&"41".repeat(MAX_ELEMENTS + 1)).is_err());
        assert!(Pattern::parse(&"41*".repeat(9)).is_err());
    }
}
