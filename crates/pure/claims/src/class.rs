//! The words for what a field depends on.
//!
//! ```text
//! class    = "constant" | "clock" | "counter" | "echo" | id | content
//! id       = "id(" scope "," rotation ")"
//! scope    = "installation" | "machine" | "user" | "session"
//! rotation = "never" | "install" | "day" | "session" | "message"
//! content  = "f(content:" function [ "when" trigger ] ")"
//! function = digest [ "[" bytes "]" ] | "size" | "type" | "name" | "path" | "contents"
//! digest   = "md5" | "sha1" | "sha256"
//! trigger  = "detection" | "consent"
//! ```
//!
//! Spaces may stand around each word and sign. The lists are closed, since the lab has to compute
//! each function again.

use std::fmt::{Display, Formatter};

use crate::product::{ContentFunction, DigestAlgorithm, FieldClass, Rotation, Scope, Trigger};

impl FieldClass {
    /// Reads a class in the grammar of `docs/product-file.md`; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "constant" => Some(Self::Constant),
            "clock" => Some(Self::Clock),
            "counter" => Some(Self::Counter),
            "echo" => Some(Self::Echo),
            other => parse_id(other).or_else(|| parse_content(other)),
        }
    }
}

impl Display for FieldClass {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Clock => f.write_str("clock"),
            Self::Counter => f.write_str("counter"),
            Self::Echo => f.write_str("echo"),
            Self::Id(scope, rotation) => {
                write!(f, "id({}, {})", word_of(SCOPES, *scope), word_of(ROTATIONS, *rotation))
            }
            Self::Function { function, trigger: Trigger::Always } => {
                write!(f, "f(content: {function})")
            }
            Self::Function { function, trigger } => {
                write!(f, "f(content: {function} when {})", word_of(TRIGGERS, *trigger))
            }
        }
    }
}

impl Display for ContentFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self::Digest { algorithm, prefix_bytes } = self else {
            return f.write_str(word_of(FUNCTIONS, *self));
        };
        f.write_str(word_of(DIGESTS, *algorithm))?;
        if *prefix_bytes == algorithm.bytes() { Ok(()) } else { write!(f, "[{prefix_bytes}]") }
    }
}

impl DigestAlgorithm {
    /// Length of the digest in bytes.
    #[must_use]
    pub fn bytes(self) -> u8 {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

fn parse_id(text: &str) -> Option<FieldClass> {
    let (scope, rotation) = in_brackets(text.strip_prefix("id")?, '(', ')')?.split_once(',')?;
    Some(FieldClass::Id(meaning_of(SCOPES, scope)?, meaning_of(ROTATIONS, rotation)?))
}

fn parse_content(text: &str) -> Option<FieldClass> {
    let inner = in_brackets(text.strip_prefix('f')?, '(', ')')?;
    let wanted = inner.trim_start().strip_prefix("content")?.trim_start().strip_prefix(':')?;
    let (function, trigger) = match wanted.split_once(" when ") {
        Some((function, trigger)) => (function, meaning_of(TRIGGERS, trigger)?),
        None => (wanted, Trigger::Always),
    };
    let function = meaning_of(FUNCTIONS, function).or_else(|| parse_digest(function.trim()))?;
    Some(FieldClass::Function { function, trigger })
}

fn parse_digest(text: &str) -> Option<ContentFunction> {
    let Some(bracket) = text.find('[') else {
        let algorithm = meaning_of(DIGESTS, text)?;
        return Some(ContentFunction::Digest { algorithm, prefix_bytes: algorithm.bytes() });
    };
    let (name, prefix) = text.split_at_checked(bracket)?;
    let algorithm = meaning_of(DIGESTS, name)?;
    let digits = in_brackets(prefix, '[', ']')?.trim();
    let prefix_bytes: u8 = digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()?;
    let possible = (1..=algorithm.bytes()).contains(&prefix_bytes);
    possible.then_some(ContentFunction::Digest { algorithm, prefix_bytes })
}

fn in_brackets(text: &str, open: char, close: char) -> Option<&str> {
    text.trim().strip_prefix(open)?.strip_suffix(close)
}

fn meaning_of<Meaning: Copy>(words: &[(&str, Meaning)], text: &str) -> Option<Meaning> {
    words.iter().find(|(word, _)| *word == text.trim()).map(|(_, meaning)| *meaning)
}

fn word_of<Meaning: Copy + PartialEq>(
    words: &[(&'static str, Meaning)],
    wanted: Meaning,
) -> &'static str {
    words.iter().find(|(_, meaning)| *meaning == wanted).map_or("", |(word, _)| word)
}

const SCOPES: &[(&str, Scope)] = &[
    ("installation", Scope::Installation),
    ("machine", Scope::Machine),
    ("user", Scope::User),
    ("session", Scope::Session),
];

const ROTATIONS: &[(&str, Rotation)] = &[
    ("never", Rotation::Never),
    ("install", Rotation::Install),
    ("day", Rotation::Day),
    ("session", Rotation::Session),
    ("message", Rotation::Message),
];

const FUNCTIONS: &[(&str, ContentFunction)] = &[
    ("size", ContentFunction::Size),
    ("type", ContentFunction::Type),
    ("name", ContentFunction::Name),
    ("path", ContentFunction::Path),
    ("contents", ContentFunction::Contents),
];

const DIGESTS: &[(&str, DigestAlgorithm)] = &[
    ("md5", DigestAlgorithm::Md5),
    ("sha1", DigestAlgorithm::Sha1),
    ("sha256", DigestAlgorithm::Sha256),
];

const TRIGGERS: &[(&str, Trigger)] =
    &[("detection", Trigger::Detection), ("consent", Trigger::Consent)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "constant",
            "clock",
            "counter",
            "echo",
            "id(installation, never)",
            "id(session, message)",
            "f(content: sha256)",
            "f(content: sha256[4])",
            "f(content: md5[1] when detection)",
            "f(content: contents when consent)",
            "f(content: size)",
        ] {
            assert_eq!(FieldClass::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn spaces_do_not_matter() {
        let spaced = FieldClass::parse(" f( content : sha1 [ 3 ]  when  consent ) ");
        assert_eq!(spaced.expect("a class").to_string(), "f(content: sha1[3] when consent)");
        assert_eq!(
            FieldClass::parse("id( user ,day)").expect("a class").to_string(),
            "id(user, day)"
        );
    }

    #[test]
    fn refuses_what_the_lab_could_not_compute_again() {
        for text in [
            "",
            "Constant",
            "id",
            "id()",
            "id(installation)",
            "id(installation, weekly)",
            "id(installation, never, twice)",
            "f(content)",
            "f(content:)",
            "f(content: rot13)",
            "f(content: sha256[0])",
            "f(content: sha256[33])",
            "f(content: sha256[+4])",
            "f(content: sha256[])",
            "f(content: size when always)",
            "f(content: size) ) ",
        ] {
            assert_eq!(FieldClass::parse(text), None, "{text}");
        }
    }
}
