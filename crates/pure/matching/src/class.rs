//! Classes of bytes, as ClamAV 1.4.6 has them: each was asked of it with all 256 bytes.

use watchglass_database::body::{Class, Edge};

/// Whether the byte before a place, or the start of the file, is of a class.
pub(crate) fn is_left_of(bytes: &[u8], at: usize, class: Class) -> bool {
    let Some(byte) = at.checked_sub(1).and_then(|before| bytes.get(before)) else {
        return true;
    };
    match class {
        Class::Boundary => LEFT_BOUNDARIES.contains(byte),
        Class::Line => *byte == b'\n',
        Class::NoWord => !byte.is_ascii_alphanumeric(),
    }
}

/// Whether the byte at a place, or the end of the file, is of a class or of none.
pub(crate) fn is_right_of(bytes: &[u8], at: usize, edge: Edge) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let is_of = match (edge.class, rest) {
        (_, []) => true,
        (Class::Boundary, [byte, ..]) => RIGHT_BOUNDARIES.contains(byte),
        (Class::Line, rest) => line_end(rest).is_some(),
        (Class::NoWord, [byte, ..]) => !byte.is_ascii_alphanumeric(),
    };
    is_of != edge.negated
}

/// How many bytes of a class, or of none, stand at a place. The end of the file is none here.
pub(crate) fn length(bytes: &[u8], at: usize, edge: Edge) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let byte = rest.first()?;
    let length = match edge.class {
        Class::Boundary if LEFT_BOUNDARIES.contains(byte) || RIGHT_BOUNDARIES.contains(byte) => {
            Some(1)
        }
        Class::Line => line_end(rest),
        Class::NoWord if !byte.is_ascii_alphanumeric() => Some(1),
        Class::Boundary | Class::NoWord => None,
    };
    match (length, edge.negated) {
        (length, false) => length,
        (None, true) => Some(1),
        (Some(_), true) => None,
    }
}

fn line_end(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

const LEFT_BOUNDARIES: &[u8] = b" -./<@_";
const RIGHT_BOUNDARIES: &[u8] = b"\n\r \"'-/=>_";

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(class: Class, negated: bool) -> Edge {
        Edge { class, negated }
    }

    #[test]
    fn a_carriage_return_ends_a_line_before_a_line_feed_alone() {
        let line = edge(Class::Line, false);
        assert_eq!(length(b"a\r\nb", 1, line), Some(2));
        assert_eq!(length(b"a\rb", 1, line), None);
        assert_eq!(length(b"a\rb", 1, edge(Class::Line, true)), Some(1));
        assert!(is_right_of(b"a\r\n", 1, line) && !is_right_of(b"a\rb", 1, line));
        assert!(is_left_of(b"\nb", 1, Class::Line) && !is_left_of(b"\rb", 1, Class::Line));
    }

    #[test]
    fn the_ends_of_a_file_are_of_every_class() {
        for class in [Class::Boundary, Class::Line, Class::NoWord] {
            assert!(is_left_of(b"a", 0, class));
            assert!(is_right_of(b"a", 1, edge(class, false)));
            assert!(!is_right_of(b"a", 1, edge(class, true)));
            assert_eq!(length(b"a", 1, edge(class, false)), None);
        }
    }

    #[test]
    fn boundaries_differ_by_side() {
        let boundary = edge(Class::Boundary, false);
        assert!(is_left_of(b".b", 1, Class::Boundary) && !is_right_of(b"a.", 1, boundary));
        assert!(is_right_of(b"a=", 1, boundary) && !is_left_of(b"=b", 1, Class::Boundary));
        assert!([b".", b"="].iter().all(|byte| length(*byte, 0, boundary) == Some(1)));
    }
}
