//! What is wrong with a product file, said so that a person can mend it.

use std::fmt::Write;
use std::ops::Range;

use watchglass_events::Name;

/// One thing that is wrong with a product file.
///
/// The texts are safe to print: whatever they quote from the file shows control and bidirectional
/// characters as codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of mistake it is.
    pub code: Code,
    /// Where it stands, in bytes of the file.
    pub span: Range<usize>,
    /// Line of its first byte, from 1.
    pub line: usize,
    /// Column of its first byte in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Problem {
    /// The problem as text for people, without colour: the message, then the line it stands on with
    /// a mark below. `text` is the file that was read; bytes of it are shown defused.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let mut rendered = format!("{}:{}: {} ", self.line, self.column, self.code.as_str());
        rendered.push_str(&self.message);
        if let Some(help) = &self.help {
            let _infallible = write!(rendered, " (help: {help})");
        }
        rendered.push('\n');
        rendered.push_str(&self.excerpt(text));
        rendered
    }

    fn excerpt(&self, text: &str) -> String {
        let start = floor_boundary(text, self.span.start);
        let (before, after) = text.split_at_checked(start).unwrap_or((text, ""));
        let line_start = before.rfind('\n').map_or(0, |position| position.saturating_add(1));
        let before = last_characters(before.get(line_start..).unwrap_or_default());
        let after = after.split('\n').next().unwrap_or_default();
        let end = floor_boundary(after, self.span.end.saturating_sub(start));
        let (marked, after) = after.split_at_checked(end).unwrap_or((after, ""));

        let (before, marked) = (defused(before), defused(&first_characters(marked)));
        let after = defused(&first_characters(after));
        let margin = " ".repeat(self.line.to_string().len());
        let indent = " ".repeat(before.chars().count());
        let carets = "^".repeat(marked.chars().count().max(1));
        format!("{} | {before}{marked}{after}\n{margin} | {indent}{carets}\n", self.line)
    }
}

/// All problems as text for people, one after the other.
#[must_use]
pub fn render_problems(problems: &[Problem], text: &str) -> String {
    problems.iter().map(|problem| problem.render(text)).collect()
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kinds of mistakes, with stable codes; `docs/product-file.md` explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it is printed and documented.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The file is no TOML.
    Syntax = "WG0101",
    /// The file, a list or a text is larger than a product file may be.
    TooLarge = "WG0102",
    /// A key that does not exist.
    UnknownKey = "WG0103",
    /// A key that must be there is not.
    MissingKey = "WG0104",
    /// A value of another type.
    WrongType = "WG0105",
    /// A number or duration outside its range.
    OutOfRange = "WG0106",
    /// A word that is not one of those possible.
    UnknownWord = "WG0107",
    /// A placeholder that does not exist, or not there.
    Placeholder = "WG0108",
    /// No glob.
    Glob = "WG0109",
    /// No duration.
    Duration = "WG0110",
    /// No field class.
    FieldClass = "WG0111",
    /// No host.
    Host = "WG0112",
    /// No absolute path.
    Path = "WG0113",
    /// The same thing twice.
    Duplicate = "WG0114",
    /// A domain that the file does not have.
    UnknownDomain = "WG0115",
    /// Something is sent to a host that the domain does not contact.
    UnknownContact = "WG0116",
    /// Two keys that exclude each other, or one that means nothing without another.
    Contradiction = "WG0117",
    /// A name in a spelling that names may not have.
    Spelling = "WG0118",
    /// No address to listen on.
    Listen = "WG0119",
    /// More problems than are worth listing.
    TooManyProblems = "WG0120",
}

/// The problems found so far.
pub(crate) struct Problems {
    line_starts: Vec<usize>,
    found: Vec<Found>,
}

struct Found {
    code: Code,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Problems {
    pub(crate) fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts =
            std::iter::once(0).chain(breaks.map(|(position, _)| position.saturating_add(1)));
        Self { line_starts: line_starts.collect(), found: Vec::new() }
    }

    pub(crate) fn add(&mut self, code: Code, span: &Range<usize>, message: impl Into<String>) {
        self.push(code, span, message.into(), None);
    }

    pub(crate) fn add_with_help(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, span, message.into(), Some(help.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The problems in the order of the file.
    pub(crate) fn finish(mut self, text: &str) -> Vec<Problem> {
        self.found.sort_by_key(|found| (found.span.start, found.span.end));
        let line_starts = self.line_starts;
        self.found.into_iter().map(|found| found.place(&line_starts, text)).collect()
    }

    fn push(&mut self, code: Code, span: &Range<usize>, message: String, help: Option<String>) {
        if self.found.len() > MAX_PROBLEMS {
            return;
        }
        let (code, message) = if self.found.len() == MAX_PROBLEMS {
            (
                Code::TooManyProblems,
                format!("more than {MAX_PROBLEMS} problems; the rest is not listed"),
            )
        } else {
            (code, message)
        };
        self.found.push(Found { code, span: span.clone(), message, help });
    }
}

impl Found {
    fn place(self, line_starts: &[usize], text: &str) -> Problem {
        let start = floor_boundary(text, self.span.start);
        let line = line_starts.partition_point(|line_start| *line_start <= start).max(1);
        let line_start = line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = text.get(line_start..start).unwrap_or_default();
        Problem {
            code: self.code,
            span: self.span,
            line,
            column: before.chars().count().saturating_add(1),
            message: self.message,
            help: self.help,
        }
    }
}

/// A text of the file as it may stand in a message: defused, in backticks, cut if long.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", defused(&first_characters(text)))
}

fn defused(text: &str) -> String {
    // Backslashes stay single here: the excerpt is to look like the file.
    text.split('\\').map(|part| Name::from(part).to_string()).collect::<Vec<_>>().join("\\")
}

fn first_characters(text: &str) -> String {
    let mut characters = text.chars();
    let mut kept: String = characters.by_ref().take(MAX_SHOWN).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}

fn last_characters(text: &str) -> &str {
    let start = text.char_indices().rev().nth(MAX_SHOWN.saturating_sub(1));
    start.and_then(|(position, _)| text.get(position..)).unwrap_or(text)
}

fn floor_boundary(text: &str, position: usize) -> usize {
    text.floor_char_boundary(position)
}

/// Characters of the file that a message or one part of an excerpt shows at most.
const MAX_SHOWN: usize = 80;

/// A file with more mistakes is not a product file that someone mistyped.
const MAX_PROBLEMS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, span: Range<usize>) -> Problem {
        let mut problems = Problems::new(text);
        problems.add_with_help(Code::Glob, &span, "wrong", "right");
        problems.finish(text).remove(0)
    }

    #[test]
    fn counts_lines_and_columns_from_one_and_columns_in_characters() {
        let text = "a = 1\n\"é\" = 2\n";
        let found = problem(text, 13..14);
        assert_eq!((found.line, found.column), (2, 7));
        assert_eq!(
            found.render(text),
            "2:7: WG0109 wrong (help: right)\n2 | \"é\" = 2\n  |       ^\n"
        );
    }

    #[test]
    fn shows_terminal_escapes_as_codes_and_points_past_them() {
        let text = "\x1b]52;x\x07 = 1\r";
        let found = problem(text, 9..10);
        assert_eq!(
            found.render(text),
            "1:10: WG0109 wrong (help: right)\n1 | \\x1b]52;x\\x07 = 1\\x0d\n  |                ^\n"
        );
    }

    #[test]
    fn renders_spans_that_lie_outside_the_text() {
        for (start, end) in [(0, 0), (3, 900), (900, 901), (2, 1), (1, 2)] {
            assert!(problem("é", start..end).render("é").starts_with("1:"));
        }
    }
}
