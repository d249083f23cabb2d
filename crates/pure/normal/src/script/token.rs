//! What scripts are made of.

/// What a token is, as far as anything depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keywords and operators that nothing depends on.
    Other,
    Identifier,
    /// The name behind a dot, which keeps its name.
    Member,
    String,
    Integer,
    Float,
    /// The keyword, or with no scope the end of a function, which is not written.
    Function,
    Var,
    Plus,
    Dot,
    Comma,
    Semicolon,
    BracketOpen,
    BracketClose,
    CurlyOpen,
    CurlyClose,
    ParenthesisOpen,
    ParenthesisClose,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Payload {
    Static(&'static [u8]),
    /// Vectors, because strings are joined at their ends.
    Owned(Vec<u8>),
    Symbol(u32),
    Integer(i32),
    Float(f64),
    Scope(Option<u32>),
    /// The string was taken to be read as a script.
    Taken,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) payload: Payload,
}

impl Token {
    pub(super) fn string(&self) -> Option<&Vec<u8>> {
        match &self.payload {
            Payload::Owned(string) => Some(string),
            _ => None,
        }
    }
}
