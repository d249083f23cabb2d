//! Texts as TOML writes them.

use std::fmt::Write;

use watchglass_events::Name;

/// A basic string of TOML. Characters that would deceive a reader of the file are escaped too.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        let shown = Name::from(character.encode_utf8(&mut [0; 4]) as &str).to_string();
        let _infallible = match character {
            '"' => write!(quoted, "\\\""),
            '\\' => write!(quoted, "\\\\"),
            _ if shown.starts_with('\\') => write!(quoted, "\\U{:08X}", u32::from(character)),
            _ => write!(quoted, "{character}"),
        };
    }
    quoted.push('"');
    quoted
}

/// A list of texts on one line.
pub(super) fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// Bytes as they may stand in a comment: on one line, defused and cut.
pub(super) fn comment(bytes: &[u8]) -> String {
    Name::new(bytes).to_string().chars().take(200).collect()
}
