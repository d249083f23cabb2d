//! Keywords and operators, as ECMAScript 3 has them.

use super::token::{Kind, Payload, Token};

/// The keyword that `name` is.
pub(super) fn keyword(name: &[u8]) -> Option<Token> {
    let at = KEYWORDS.binary_search_by(|known| known.as_bytes().cmp(name)).ok()?;
    let word = KEYWORDS.get(at)?.as_bytes();
    let kind = match word {
        b"function" => Kind::Function,
        b"var" => Kind::Var,
        _ => Kind::Other,
    };
    Some(Token { kind, payload: Payload::Static(word) })
}

/// The longest operator that `rest` begins with.
pub(super) fn operator(rest: &[u8]) -> Option<Token> {
    let word = OPERATORS.iter().find(|known| rest.starts_with(known.as_bytes()))?.as_bytes();
    let kind = if word == b"+" { Kind::Plus } else { Kind::Other };
    Some(Token { kind, payload: Payload::Static(word) })
}

#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "abstract", "boolean", "break", "byte", "case", "catch", "char", "class", "const", "continue",
    "debugger", "default", "delete", "do", "double", "else", "enum", "export", "extends", "false",
    "final", "finally", "float", "for", "function", "goto", "if", "implements", "import", "in",
    "instanceof", "int", "interface", "long", "native", "new", "null", "package", "private",
    "protected", "public", "return", "short", "static", "super", "switch", "synchronized", "this",
    "throw", "throws", "transient", "true", "try", "typeof", "var", "void", "volatile", "while",
    "with",
];

/// Longest first.
#[rustfmt::skip]
const OPERATORS: &[&str] = &[
    ">>>=", ">>>", ">>=", "<<=", "===", "!==", ">>", "<<", ">=", "<=", "==", "!=", "&&", "||", "++",
    "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", ">", "<", "=", "!", "+", "-", "*", "/",
    "%", "&", "|", "^", "~", "?", ":",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found() {
        assert!(KEYWORDS.is_sorted());
        for word in KEYWORDS {
            assert_eq!(keyword(word.as_bytes()).unwrap().payload, Payload::Static(word.as_bytes()));
        }
        for word in OPERATORS {
            assert_eq!(
                operator(word.as_bytes()).unwrap().payload,
                Payload::Static(word.as_bytes())
            );
        }
        assert_eq!((KEYWORDS.len(), OPERATORS.len()), (59, 39));
        assert_eq!((keyword(b"let"), operator(b".")), (None, None));
    }
}
