//! From the text of a product file to a [`Product`], or to every mistake in it.

mod domain;
mod duration;
mod install;
mod phase;
mod schema;
mod section;

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::fill::{FillError, GLOB_PLACEHOLDERS, Place, Values, fill_glob, fill_text};
use crate::glob::Glob;
use crate::problem::{Code, Problem, Problems, quoted};
use crate::product::{Identity, Product};
use schema::{PRODUCT, ROOT};
use section::{Section, Text, suggestion};

pub(crate) use duration::show_duration;
pub use schema::accepted_keys;
pub(crate) use section::MAX_ENTRIES;

/// Largest product file in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

impl Product {
    /// Reads a product file. `docs/product-file.md` is its reference.
    ///
    /// # Errors
    /// Every mistake of the file in the order of its lines, at least one and at most about a
    /// hundred. If the file is no TOML, the mistakes are those of TOML alone.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(text);
        if text.len() > MAX_FILE_BYTES {
            let message = format!("the file has {} bytes, limit {MAX_FILE_BYTES}", text.len());
            problems.add(Code::TooLarge, &(0..0), message);
            return Err(problems.finish(text));
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.add(Code::Syntax, &span, format!("no TOML: {}", first_line(error.message())));
        }
        if !problems.is_empty() {
            return Err(problems.finish(text));
        }
        // The root has no place of its own: what it lacks is reported at the beginning.
        let product = read_root(root.get_ref(), &mut problems);
        if problems.is_empty() { Ok(product) } else { Err(problems.finish(text)) }
    }

    /// Reads the bytes of a product file; bytes that are no UTF-8 are a mistake like any other.
    ///
    /// # Errors
    /// As [`Product::parse`].
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let valid = std::str::from_utf8(valid).unwrap_or_default();
                let mut problems = Problems::new(valid);
                problems.add(
                    Code::Syntax,
                    &(valid.len()..valid.len()),
                    "no TOML: not UTF-8 from here on",
                );
                Err(problems.finish(valid))
            }
        }
    }
}

fn read_root<'a>(table: &'a DeTable<'a>, problems: &mut Problems) -> Product {
    let root = Section::open(&ROOT, table, 0..0, problems);
    read_schema(&root, problems);
    let product = read_identity(&root, problems);
    let install = install::read_install(&root, problems);
    let configuration = install::read_configuration(&root, problems);
    let privileges = install::read_privileges(&root, problems);
    let domains = domain::read_domains(&root, problems);
    let phases = phase::read_phases(&root, &domains, problems);
    let product = Product { product, install, configuration, privileges, phases, domains };
    phase::check_programs(&root, &product, problems);
    product
}

fn read_schema(root: &Section<'_>, problems: &mut Problems) {
    let Some((value, span)) = root.require("schema", problems) else { return };
    let is_known = matches!(value, DeValue::Integer(number) if number.to_string() == "1");
    if !is_known {
        let help = "it is the only version of product files so far";
        problems.add_with_help(Code::OutOfRange, &span, "`schema` is to be 1", help);
    }
}

fn read_identity(root: &Section<'_>, problems: &mut Problems) -> Identity {
    let empty =
        Identity { name: String::new(), vendor: String::new(), jurisdiction: String::new() };
    if root.require("product", problems).is_none() {
        return empty;
    }
    let Some(section) = root.section("product", &PRODUCT, problems) else { return empty };
    Identity {
        name: read_words(&section, "name", problems),
        vendor: read_words(&section, "vendor", problems),
        jurisdiction: read_jurisdiction(&section, problems),
    }
}

/// A text for people: something must be in it, on one line.
fn read_words(section: &Section<'_>, key: &str, problems: &mut Problems) -> String {
    let Some(text) = section.required_text(key, problems) else { return String::new() };
    let fitting = !text.value.trim().is_empty() && !text.value.chars().any(char::is_control);
    if !fitting || text.value.len() > MAX_WORDS_BYTES {
        let message = format!("`{key}` is one line of 1 to {MAX_WORDS_BYTES} bytes");
        problems.add(Code::Spelling, &text.span, message);
    }
    text.value.to_owned()
}

fn read_jurisdiction(section: &Section<'_>, problems: &mut Problems) -> String {
    let Some(text) = section.required_text("jurisdiction", problems) else { return String::new() };
    let fitting = text.value.len() == 2 && text.value.bytes().all(|byte| byte.is_ascii_uppercase());
    if !fitting {
        problems.add_with_help(
            Code::Spelling,
            &text.span,
            format!("{} is no country code", quoted(text.value)),
            "two capital letters of ISO 3166-1, such as `US`",
        );
    }
    text.value.to_owned()
}

/// A lower-case name of a phase or domain.
fn check_name(text: &str, span: &Range<usize>, problems: &mut Problems) {
    let fitting = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = text.starts_with(|first: char| first.is_ascii_lowercase());
    if !starts || text.len() > MAX_NAME_BYTES || !text.bytes().all(fitting) {
        problems.add_with_help(
            Code::Spelling,
            span,
            format!("{} is no name of a phase or domain", quoted(text)),
            format!("1 to {MAX_NAME_BYTES} of `a-z`, `0-9` and `-`, beginning with a letter"),
        );
    }
}

/// Reports each text that was there before.
fn check_no_duplicates<'a>(
    what: &str,
    texts: impl IntoIterator<Item = &'a Text<'a>>,
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    for text in texts {
        if !seen.insert(text.value) {
            problems.add(
                Code::Duplicate,
                &text.span,
                format!("{what} {} is there twice", quoted(text.value)),
            );
        }
    }
}

/// Checks the placeholders of a text other than a glob.
fn check_placeholders(text: &Text<'_>, place: Place, problems: &mut Problems) {
    if let Err(error) = fill_text(text.value, place, &Values::example()) {
        report_placeholder(&error, place.names(), &text.span, problems);
    }
}

/// Checks globs and returns them with their placeholders still in place.
fn check_globs(globs: &[Text<'_>], problems: &mut Problems) -> Vec<String> {
    check_no_duplicates("the glob", globs, problems);
    for text in globs {
        match fill_glob(text.value, &Values::example()) {
            Err(error) => report_placeholder(&error, GLOB_PLACEHOLDERS, &text.span, problems),
            Ok(filled) => {
                let wrong = filled.iter().find_map(|glob| Glob::parse(glob).err());
                if let Some(error) = wrong {
                    let message = format!("{} is no glob", quoted(text.value));
                    problems.add_with_help(Code::Glob, &text.span, message, error.to_string());
                }
            }
        }
    }
    globs.iter().map(|text| text.value.to_owned()).collect()
}

/// Checks a path of the world: absolute, canonical, without placeholders.
fn check_path(text: &Text<'_>, problems: &mut Problems) {
    if !crate::host::is_plain_path(text.value) {
        problems.add_with_help(
            Code::Path,
            &text.span,
            format!("{} is no path in the world", quoted(text.value)),
            "it begins with `/`, has no `.`, `..` or empty segment, and does not end in `/`",
        );
    }
}

fn report_placeholder(
    error: &FillError,
    possible: &str,
    span: &Range<usize>,
    problems: &mut Problems,
) {
    let FillError::Unknown { name } = error else { return };
    let meant = suggestion(name, PLACEHOLDERS.iter().copied()).filter(|meant| *meant != name);
    let help = match meant {
        Some(meant) => format!("did you mean `{{{meant}}}`? possible here: {possible}"),
        None => format!("possible here: {possible}"),
    };
    let message = format!("the placeholder {} cannot stand here", quoted(&format!("{{{name}}}")));
    problems.add_with_help(Code::Placeholder, span, message, help);
}

fn first_line(text: &str) -> String {
    watchglass_events::Name::from(text.lines().next().unwrap_or_default()).to_string()
}

const PLACEHOLDERS: &[&str] = &["bait", "samples", "product", "tmp", "loader", "trust"];

/// Longest name of a phase or domain: it becomes part of file names and table columns.
const MAX_NAME_BYTES: usize = 32;

/// Longest text for people on one line.
const MAX_WORDS_BYTES: usize = 200;
