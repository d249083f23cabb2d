//! Names that attackers chose, for people.

use std::fmt::Write as _;

/// The name with control and bidirectional characters shown as codes, and bytes that are no UTF-8 as
/// `\xNN`: no name can move the cursor, hide its end or forge a line.
pub(crate) fn name(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for one in chunk.valid().chars() {
            if one.is_control() || is_bidirectional(one) {
                // Writing to a string cannot fail.
                let _ = write!(out, "{}", one.escape_default());
            } else {
                out.push(one);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Line and paragraph separators, and the marks, embeddings, overrides and isolates of direction.
fn is_bidirectional(one: char) -> bool {
    matches!(one, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Names of members from the file inwards. Of those that have none, such as what a gzip stream holds
/// or a program carries, only that something was inside.
pub(crate) fn member(names: &[Box<[u8]>]) -> String {
    let named: Vec<String> =
        names.iter().filter(|one| !one.is_empty()).map(|one| name(one)).collect();
    if named.is_empty() { "inside".to_owned() } else { named.join("!") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_without_a_name_are_told_as_such() {
        let names =
            |names: &[&str]| names.iter().map(|one| one.as_bytes().into()).collect::<Vec<_>>();
        assert_eq!(member(&names(&[""])), "inside");
        assert_eq!(member(&names(&["", "a", "", "b"])), "a!b");
    }

    #[test]
    fn nothing_in_a_name_moves_the_cursor() {
        assert_eq!(name(b"a\nb\x1b[2J\xff\xe2\x80\xae"), "a\\nb\\u{1b}[2J\\xff\\u{202e}");
        assert_eq!(name("tür.txt".as_bytes()), "tür.txt");
    }
}
