//! What is wrong with a policy or a list of cases, said so that a person can mend it.

use std::ops::Range;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, safe to print.
    pub message: String,
}

/// All problems as text for people, one a line.
#[must_use]
pub fn render_problems(file: &str, problems: &[Problem]) -> String {
    let line = |one: &Problem| format!("{file}:{}:{}: {}\n", one.line, one.column, one.message);
    problems.iter().map(line).collect()
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<(Range<usize>, String)>);

impl Problems {
    pub(crate) fn add(&mut self, span: &Range<usize>, message: impl Into<String>) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push((span.clone(), message.into()));
        }
    }

    /// The value if nothing was found, else what was, in the order of the file.
    pub(crate) fn finish<T>(mut self, value: T, text: &str) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        Err(self.0.into_iter().map(|(span, message)| place(&span, message, text)).collect())
    }
}

/// A mistake at a place.
pub(crate) fn place(span: &Range<usize>, message: String, text: &str) -> Problem {
    let before = text.get(..text.floor_char_boundary(span.start)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let column = before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1);
    let line = before.matches('\n').count().saturating_add(1);
    Problem { line, column, message: watchglass_events::printable(&message).into_owned() }
}

/// Reads TOML of a given shape. A mistake of shape is told alone: what follows it is not read.
pub(crate) fn parse_toml<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
) -> Result<(T, &str), Vec<Problem>> {
    let one = |span, message, text| vec![place(&span, message, text)];
    if bytes.len() > crate::MAX_POLICY_BYTES {
        let message =
            format!("the file has {} bytes, limit {}", bytes.len(), crate::MAX_POLICY_BYTES);
        return Err(one(0..0, message, ""));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = std::str::from_utf8(valid).unwrap_or_default();
        one(valid.len()..valid.len(), "not UTF-8 from here on".to_owned(), valid)
    })?;
    let value = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        one(error.span().unwrap_or(0..0), shortened(&message), text)
    })?;
    Ok((value, text))
}

/// A text of a file as it may stand in a message.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(&watchglass_events::Name::from(text).to_string()))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// "did you mean": the nearest of the words possible, or all of them.
pub(crate) fn meant<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    let distance = |word: &&str| strsim::damerau_levenshtein(text, word);
    let near =
        |word: &&&str| text.len() <= MAX_COMPARED && distance(word) <= (word.len() / 3).max(1);
    match words.iter().filter(near).min_by_key(|word| distance(word)) {
        Some(word) => format!("did you mean `{word}`?"),
        None if words.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", shortened(&words.join(", "))),
    }
}

/// A file with more mistakes is not one that somebody mistyped.
const MAX_PROBLEMS: usize = 100;
/// Characters of a file that a message shows at most.
const MAX_SHOWN: usize = 240;
/// Longer words are not compared: the time grows with both lengths.
const MAX_COMPARED: usize = 64;
