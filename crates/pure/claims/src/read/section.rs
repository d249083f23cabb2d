//! One table of the file, and the typed ways to take values out of it.
//!
//! A value that cannot be taken is reported and replaced by a harmless one, so that reading goes on
//! and every mistake of the file is found at once. What was read is thrown away in the end if
//! anything was reported, so no replacement ever leaves this crate.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::schema::{Schema, TABLES};
use crate::problem::{Code, Problems, quoted};

/// A table of which every key is known to its schema, or was reported.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    schema: &'static Schema,
    table: &'a DeTable<'a>,
    span: Range<usize>,
}

/// A text of the file with its place.
#[derive(Clone, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) value: &'a str,
    pub(crate) span: Range<usize>,
}

impl<'a> Section<'a> {
    pub(crate) fn open(
        schema: &'static Schema,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        problems: &mut Problems,
    ) -> Self {
        for key in table.keys() {
            if !schema.keys.contains(&key.get_ref().as_ref()) {
                report_unknown_key(schema, key.get_ref(), &key.span(), problems);
            }
        }
        Self { schema, table, span }
    }

    pub(crate) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The value of a key, if it is there.
    pub(crate) fn find(&self, key: &str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.table.get(key).map(|value| (value.get_ref(), value.span()))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(
        &self,
        key: &str,
        problems: &mut Problems,
    ) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        let found = self.find(key);
        if found.is_none() {
            let message = format!("`{key}` is missing in {}", self.schema.header);
            problems.add(Code::MissingKey, &self.span, message);
        }
        found
    }

    pub(crate) fn text(&self, key: &str, problems: &mut Problems) -> Option<Text<'a>> {
        let (value, span) = self.find(key)?;
        as_text(key, value, span, MAX_TEXT_BYTES, problems)
    }

    pub(crate) fn long_text(&self, key: &str, problems: &mut Problems) -> Option<Text<'a>> {
        let (value, span) = self.require(key, problems)?;
        as_text(key, value, span, MAX_CONTENT_BYTES, problems)
    }

    pub(crate) fn required_text(&self, key: &str, problems: &mut Problems) -> Option<Text<'a>> {
        self.require(key, problems)?;
        self.text(key, problems)
    }

    /// A list of texts; empty where the key is not there.
    pub(crate) fn texts(&self, key: &str, problems: &mut Problems) -> Vec<Text<'a>> {
        let Some((value, span)) = self.find(key) else { return Vec::new() };
        as_texts(key, value, span, problems)
    }

    /// A list of anything; empty where the key is not there.
    pub(crate) fn list(
        &self,
        key: &str,
        problems: &mut Problems,
    ) -> Vec<(&'a DeValue<'a>, Range<usize>)> {
        let Some((value, span)) = self.find(key) else { return Vec::new() };
        as_list(key, value, span, problems)
    }

    pub(crate) fn boolean(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        match self.find(key)? {
            (DeValue::Boolean(value), _) => Some(*value),
            (other, span) => report_type(key, "`true` or `false`", other, &span, problems),
        }
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> Option<u64> {
        let (value, span) = self.find(key)?;
        as_number(key, value, &span, range, problems)
    }

    /// The tables under a key that is written `[[key]]` or `key = [{ … }]`.
    pub(crate) fn sections(
        &self,
        key: &str,
        schema: &'static Schema,
        problems: &mut Problems,
    ) -> Vec<Section<'a>> {
        let entries = self.list(key, problems);
        let sections = entries.into_iter().filter_map(|(value, span)| match value {
            DeValue::Table(table) => Some(Section::open(schema, table, span, problems)),
            other => report_type(key, "a list of tables", other, &span, problems),
        });
        sections.collect()
    }

    /// The table under a key.
    pub(crate) fn section(
        &self,
        key: &str,
        schema: &'static Schema,
        problems: &mut Problems,
    ) -> Option<Section<'a>> {
        let (table, span) = self.table(key, problems)?;
        Some(Section::open(schema, table, span, problems))
    }

    /// A table whose keys are names that the file chooses.
    pub(crate) fn table(
        &self,
        key: &str,
        problems: &mut Problems,
    ) -> Option<(&'a DeTable<'a>, Range<usize>)> {
        let (table, span) = match self.find(key)? {
            (DeValue::Table(table), span) => (table, span),
            (other, span) => return report_type(key, "a table", other, &span, problems),
        };
        check_count(key, table.len(), &span, problems);
        Some((table, span))
    }
}

pub(crate) fn as_text<'a>(
    key: &str,
    value: &'a DeValue<'a>,
    span: Range<usize>,
    max_bytes: usize,
    problems: &mut Problems,
) -> Option<Text<'a>> {
    let DeValue::String(text) = value else {
        return report_type(key, "a text in quotes", value, &span, problems);
    };
    if text.len() > max_bytes {
        let message = format!("{} has {} bytes, limit {max_bytes}", quoted(key), text.len());
        problems.add(Code::TooLarge, &span, message);
        return None;
    }
    if text.contains('\0') {
        problems.add(Code::Spelling, &span, format!("{} holds a zero byte", quoted(key)));
        return None;
    }
    Some(Text { value: text, span })
}

pub(crate) fn as_texts<'a>(
    key: &str,
    value: &'a DeValue<'a>,
    span: Range<usize>,
    problems: &mut Problems,
) -> Vec<Text<'a>> {
    let entries = as_list(key, value, span, problems);
    let texts = entries
        .into_iter()
        .filter_map(|(value, span)| as_text(key, value, span, MAX_TEXT_BYTES, problems));
    texts.collect()
}

pub(crate) fn as_list<'a>(
    key: &str,
    value: &'a DeValue<'a>,
    span: Range<usize>,
    problems: &mut Problems,
) -> Vec<(&'a DeValue<'a>, Range<usize>)> {
    let DeValue::Array(array) = value else {
        let _none: Option<()> = report_type(key, "a list in `[…]`", value, &span, problems);
        return Vec::new();
    };
    check_count(key, array.len(), &span, problems);
    entries(array).take(MAX_ENTRIES).collect()
}

pub(crate) fn as_number(
    key: &str,
    value: &DeValue<'_>,
    span: &Range<usize>,
    range: std::ops::RangeInclusive<u64>,
    problems: &mut Problems,
) -> Option<u64> {
    let DeValue::Integer(integer) = value else {
        return report_type(key, "a whole number", value, span, problems);
    };
    let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
    let within = number.filter(|number| range.contains(number));
    if within.is_none() {
        let message =
            format!("{} is a number from {} to {}", quoted(key), range.start(), range.end());
        problems.add(Code::OutOfRange, span, message);
    }
    within
}

pub(crate) fn report_type<T>(
    key: &str,
    wanted: &str,
    found: &DeValue<'_>,
    span: &Range<usize>,
    problems: &mut Problems,
) -> Option<T> {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    problems.add(
        Code::WrongType,
        span,
        format!("{} is to be {wanted}, found {found}", quoted(key)),
    );
    None
}

/// The word of a list that was most likely meant.
pub(crate) fn suggestion<'w>(
    text: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    if text.len() > MAX_SUGGESTED_BYTES {
        return None;
    }
    let nearest = words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&text.to_lowercase(), &word.to_lowercase()), word))
        .min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, word)| *distance <= (word.len() / 3).max(1)).map(|(_, word)| word)
}

fn report_unknown_key(schema: &Schema, key: &str, span: &Range<usize>, problems: &mut Problems) {
    let message = format!("{} is no key of {}", quoted(key), schema.header);
    let elsewhere = TABLES.iter().find(|other| other.keys.contains(&key));
    // A key that another table has is more likely misplaced than misspelt.
    let help = match (elsewhere, suggestion(key, schema.keys.iter().copied())) {
        (Some(other), _) => format!("`{key}` belongs in {}", other.header),
        (None, Some(meant)) => format!("did you mean `{meant}`?"),
        (None, None) => format!("possible: {}", schema.keys.join(", ")),
    };
    problems.add_with_help(Code::UnknownKey, span, message, help);
}

fn check_count(key: &str, count: usize, span: &Range<usize>, problems: &mut Problems) {
    if count > MAX_ENTRIES {
        let message = format!("{} has {count} entries, limit {MAX_ENTRIES}", quoted(key));
        problems.add(Code::TooLarge, span, message);
    }
}

fn entries<'a>(array: &'a DeArray<'a>) -> impl Iterator<Item = (&'a DeValue<'a>, Range<usize>)> {
    array.iter().map(|value: &Spanned<DeValue<'a>>| (value.get_ref(), value.span()))
}

/// Most phases, domains, claims of one kind, words of a command and other entries of one list.
pub(crate) const MAX_ENTRIES: usize = 256;

/// Longest text other than the content of a configuration file: as long as a path may be.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// Longest content of one configuration file.
pub(crate) const MAX_CONTENT_BYTES: usize = 256 * 1024;

/// Longer words are not compared with the words possible: the time grows with both lengths.
const MAX_SUGGESTED_BYTES: usize = 64;
