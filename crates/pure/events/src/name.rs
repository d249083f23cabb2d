//! Bytes that the subject chose: paths, process names, hosts.

use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};

/// Bytes that the subject chose, such as a path. They need not be UTF-8.
///
/// `Display` and the JSON form are safe to print: control characters, bidirectional marks and
/// invalid UTF-8 are shown as codes (`\x1b`, `\u{202e}`), and the backslash is doubled, so that two
/// different names never look the same.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Name(#[cbor(with = "minicbor::bytes")] Vec<u8>);

impl Name {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as the subject wrote them: hostile.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                show(f, character)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn show(f: &mut std::fmt::Formatter<'_>, character: char) -> std::fmt::Result {
    match character {
        '\\' => f.write_str("\\\\"),
        _ if character.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(character)),
        _ if is_deceptive(character) => write!(f, "\\u{{{:x}}}", u32::from(character)),
        _ => std::fmt::Write::write_char(f, character),
    }
}

/// Text in which control characters and those that change how the text around them is shown stand as
/// codes, as in [`Name`]. The backslash stays as it is, so what was shown once is not changed again;
/// unlike names, two different texts can become the same.
#[must_use]
pub fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_ascii_control() => {
                shown.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            _ if is_deceptive(character) => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
            }
            _ => shown.push(character),
        }
    }
    shown.into()
}

/// Characters that change how the text around them is shown, or that are not shown at all.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_terminal_escapes_and_bidirectional_marks_as_codes() {
        let name = Name::new(&b"a\x1b[31m\xffb\n"[..]);
        assert_eq!(name.to_string(), "a\\x1b[31m\\xffb\\x0a");
        assert_eq!(Name::from("x\u{202e}gpj.exe").to_string(), "x\\u{202e}gpj.exe");
        assert_eq!(Name::from("back\\slash").to_string(), "back\\\\slash");
        assert_eq!(Name::from("Größe 日本").to_string(), "Größe 日本");
    }

    #[test]
    fn text_is_made_printable_once() {
        let shown = printable("a\x1b[31m\n\u{202e}gpj \\ ö");
        assert_eq!(shown, "a\\x1b[31m\\x0a\\u{202e}gpj \\ ö");
        assert_eq!(printable(&shown), shown);
    }
}
