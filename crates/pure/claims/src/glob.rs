//! Globs over absolute paths, with one exact meaning.
//!
//! | Written | Matches |
//! |---|---|
//! | `*` | any bytes within one segment, also none; hidden names too |
//! | `?` | one byte of a segment |
//! | `[abc]`, `[a-z]`, `[!a-z]` | one byte of a segment that is (not) in the set |
//! | `**` as a whole segment | any number of segments, also none: `/x/**` matches `/x` |
//! | `\xHH` | the byte with this hexadecimal number |
//! | `\` and another character | that character |
//! | anything else | itself, byte for byte, upper and lower case apart |
//!
//! Own code rather than `globset`: that one turns globs into regular expressions, knows
//! `{a,b}`, which a product file uses for placeholders, and has `/x/**` not match `/x`, although a
//! program that lists a folder opens the folder itself.

use thiserror::Error;

/// A pattern of absolute paths.
///
/// [`Glob::matches`] needs at most pattern length × path length steps and no memory beyond the
/// list of the path's segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    segments: Vec<Segment>,
}

impl Glob {
    /// Reads a pattern. Placeholders are to be filled in before.
    ///
    /// # Errors
    /// [`GlobError`] names what is wrong and how to write it.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.len() > MAX_GLOB_BYTES {
            return Err(GlobError::TooLong { bytes: text.len() });
        }
        let below_root = text.strip_prefix('/').ok_or(GlobError::NotAbsolute)?;
        if below_root.is_empty() {
            return Ok(Self { text: text.to_owned(), segments: Vec::new() });
        }
        let segments = below_root.split('/').map(Segment::parse);
        Ok(Self { text: text.to_owned(), segments: segments.collect::<Result<_, _>>()? })
    }

    /// Whether this path is meant. Paths are canonical, as the kernel resolves them: absolute,
    /// without empty, `.` and `..` segments. What is not canonical matches nothing.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        path_segments(path).is_some_and(|segments| self.matches_segments(&segments))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every path is meant: `/**`.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        !self.segments.is_empty() && self.segments.iter().all(Segment::is_any_depth)
    }

    fn matches_segments(&self, path: &[&[u8]]) -> bool {
        wildcard(&self.segments, path, Segment::is_any_depth, |segment, name| segment.matches(name))
    }
}

impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The globs of one claim, such as `reads` of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathClaims {
    globs: Vec<Glob>,
}

impl PathClaims {
    /// Reads the patterns of a claim whose placeholders are filled in.
    ///
    /// # Errors
    /// [`GlobError`] of the first pattern that is none.
    pub fn parse<Text: AsRef<str>>(
        patterns: impl IntoIterator<Item = Text>,
    ) -> Result<Self, GlobError> {
        let globs = patterns.into_iter().map(|pattern| Glob::parse(pattern.as_ref()));
        Ok(Self { globs: globs.collect::<Result<_, _>>()? })
    }

    /// The first glob that matches, if any: the claim that covers this path.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<&Glob> {
        let segments = path_segments(path)?;
        self.globs.iter().find(|glob| glob.matches_segments(&segments))
    }

    /// Whether any glob matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.find(path).is_some()
    }

    /// The globs in the order of the claim.
    #[must_use]
    pub fn globs(&self) -> &[Glob] {
        &self.globs
    }
}

/// Writes bytes so that [`Glob::parse`] takes them literally.
///
/// `/` stays as it is, so a path becomes the glob that matches this path alone.
#[must_use]
pub fn escape_glob(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_special(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        for byte in chunk.invalid() {
            escaped.push_str(&format!("\\x{byte:02x}"));
        }
    }
    escaped
}

/// Why a text is no glob.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GlobError {
    /// It does not begin with `/`.
    #[error("a path glob begins with `/`")]
    NotAbsolute,
    /// Two slashes in a row, or one at the end.
    #[error("a segment of the path is empty: no `//`, and `/**` instead of `/` at the end")]
    EmptySegment,
    /// `.` or `..`, which no resolved path contains.
    #[error("`{0}` never matches, since the kernel resolves paths before they are compared")]
    DotSegment(String),
    /// `**` next to other characters.
    #[error("`**` stands alone between two slashes, as in `/x/**/y`")]
    DoubleStarInSegment,
    /// `[` without `]`, nothing between them, or a range that runs backwards.
    #[error("`[…]` holds at least one byte, ends with `]` and has ranges that run upwards")]
    BadSet,
    /// A backslash at the end, or `\x` without two hexadecimal digits.
    #[error("`\\` is followed by the character meant, or by `x` and two hexadecimal digits")]
    BadEscape,
    /// A brace that is no placeholder.
    #[error("`{{` and `}}` are kept for placeholders; write `\\{{` and `\\}}` for the characters")]
    Brace,
    /// A byte that no name holds.
    #[error("a path holds no zero byte, and a name no `/`")]
    ImpossibleByte,
    /// Longer than a path may be.
    #[error("{bytes} bytes, limit {MAX_GLOB_BYTES}")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    AnyDepth,
    Name(Vec<Token>),
}

impl Segment {
    fn parse(text: &str) -> Result<Self, GlobError> {
        match text {
            "**" => Ok(Self::AnyDepth),
            "" => Err(GlobError::EmptySegment),
            "." | ".." => Err(GlobError::DotSegment(text.to_owned())),
            _ => Ok(Self::Name(parse_tokens(text)?)),
        }
    }

    fn is_any_depth(&self) -> bool {
        matches!(self, Self::AnyDepth)
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::AnyDepth => false,
            Self::Name(tokens) => {
                wildcard(tokens, name, Token::is_any_run, |token, byte| token.matches(*byte))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyRun,
    Set { ranges: Vec<(u8, u8)>, membership: Membership },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    Inside,
    Outside,
}

impl Token {
    fn is_any_run(&self) -> bool {
        matches!(self, Self::AnyRun)
    }

    fn matches(&self, byte: u8) -> bool {
        match self {
            Self::Byte(wanted) => *wanted == byte,
            Self::AnyByte => true,
            Self::AnyRun => false,
            Self::Set { ranges, membership } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte));
                inside == (*membership == Membership::Inside)
            }
        }
    }
}

/// Matches with one place to come back to: the last wildcard. Going back further never helps,
/// because the last wildcard can take all that an earlier one could leave to it. So each pair of
/// pattern item and input item is compared at most once for each wildcard's stretch of pattern.
fn wildcard<Item, Input>(
    mut pattern: &[Item],
    mut input: &[Input],
    is_wild: impl Fn(&Item) -> bool,
    matches_one: impl Fn(&Item, &Input) -> bool,
) -> bool {
    let mut last_wild: Option<(&[Item], &[Input])> = None;
    loop {
        match (pattern.split_first(), input.split_first()) {
            (Some((item, rest)), _) if is_wild(item) => {
                last_wild = Some((rest, input));
                pattern = rest;
            }
            (Some((item, items)), Some((first, rest))) if matches_one(item, first) => {
                (pattern, input) = (items, rest);
            }
            (None, None) => return true,
            _ => {
                let Some((after_wild, from)) = last_wild else { return false };
                let Some((_, shorter)) = from.split_first() else { return false };
                last_wild = Some((after_wild, shorter));
                (pattern, input) = (after_wild, shorter);
            }
        }
    }
}

fn parse_tokens(text: &str) -> Result<Vec<Token>, GlobError> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.peek() == Some(&'*') => return Err(GlobError::DoubleStarInSegment),
            '*' => tokens.push(Token::AnyRun),
            '?' => tokens.push(Token::AnyByte),
            '[' => tokens.push(parse_set(&mut characters)?),
            '{' | '}' => return Err(GlobError::Brace),
            '\\' => push_literal(&mut tokens, escaped(&mut characters)?)?,
            _ => push_literal(&mut tokens, Literal::Character(character))?,
        }
    }
    Ok(tokens)
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

#[derive(Clone, Copy)]
enum Literal {
    Character(char),
    Byte(u8),
}

fn escaped(characters: &mut Characters<'_>) -> Result<Literal, GlobError> {
    match characters.next() {
        Some('x') => hexadecimal_byte(characters).map(Literal::Byte),
        Some(character) => Ok(Literal::Character(character)),
        None => Err(GlobError::BadEscape),
    }
}

fn hexadecimal_byte(characters: &mut Characters<'_>) -> Result<u8, GlobError> {
    let digits: String = characters.by_ref().take(2).collect();
    let all_digits = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let parsed = all_digits.then(|| u8::from_str_radix(&digits, 16).ok()).flatten();
    parsed.ok_or(GlobError::BadEscape)
}

fn push_literal(tokens: &mut Vec<Token>, literal: Literal) -> Result<(), GlobError> {
    let mut buffer = [0; 4];
    match literal {
        Literal::Byte(byte) => tokens.push(Token::Byte(possible(byte)?)),
        Literal::Character(character) => {
            for byte in character.encode_utf8(&mut buffer).bytes() {
                tokens.push(Token::Byte(possible(byte)?));
            }
        }
    }
    Ok(())
}

fn possible(byte: u8) -> Result<u8, GlobError> {
    if byte == 0 || byte == b'/' { Err(GlobError::ImpossibleByte) } else { Ok(byte) }
}

fn parse_set(characters: &mut Characters<'_>) -> Result<Token, GlobError> {
    let membership = match characters.next_if_eq(&'!') {
        Some(_) => Membership::Outside,
        None => Membership::Inside,
    };
    let mut ranges = Vec::new();
    while let Some(low) = set_byte(characters)? {
        let high = match characters.next_if_eq(&'-') {
            Some(_) => set_byte(characters)?.ok_or(GlobError::BadSet)?,
            None => low,
        };
        if high < low {
            return Err(GlobError::BadSet);
        }
        ranges.push((low, high));
    }
    if ranges.is_empty() { Err(GlobError::BadSet) } else { Ok(Token::Set { ranges, membership }) }
}

/// The next byte of a set; `None` at its `]`. Sets are of bytes, so only ASCII stands in them.
fn set_byte(characters: &mut Characters<'_>) -> Result<Option<u8>, GlobError> {
    let literal = match characters.next() {
        None | Some('-' | '[' | '{' | '}') => return Err(GlobError::BadSet),
        Some(']') => return Ok(None),
        Some('\\') => escaped(characters)?,
        Some(character) => Literal::Character(character),
    };
    let byte = match literal {
        Literal::Byte(byte) => byte,
        Literal::Character(character) if character.is_ascii() => {
            u8::try_from(character).map_err(|_| GlobError::BadSet)?
        }
        Literal::Character(_) => return Err(GlobError::BadSet),
    };
    possible(byte).map(Some)
}

/// The segments of a canonical absolute path; `None` where it is not canonical.
fn path_segments(path: &[u8]) -> Option<Vec<&[u8]>> {
    let below_root = path.strip_prefix(b"/")?;
    if below_root.is_empty() {
        return Some(Vec::new());
    }
    let segments: Vec<&[u8]> = below_root.split(|byte| *byte == b'/').collect();
    let canonical = segments.iter().all(|segment| !matches!(*segment, b"" | b"." | b".."));
    canonical.then_some(segments)
}

fn is_special(character: char) -> bool {
    matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\')
}

/// Longest pattern: the longest path that Linux takes in one call (`PATH_MAX`).
pub(crate) const MAX_GLOB_BYTES: usize = 4096;

#[cfg(test)]
#[path = "glob_tests.rs"]
mod tests;
