//! How a pattern is read.

/// How a pattern is read; ClamAV's flags of the same letter. Its `g`, `r` and `e` say where to search
/// and how often, which is the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "PCRE2's options, each on its own")]
pub struct Options {
    /// `i`: letters match in either case.
    pub caseless: bool,
    /// `s`: a dot matches line feeds.
    pub dot_all: bool,
    /// `m`: `^` and `$` match at lines.
    pub multiline: bool,
    /// `x`: blanks and comments are no part of it.
    pub extended: bool,
    /// `A`: a match begins where the search begins.
    pub anchored: bool,
    /// `E`: `$` matches at the very end only; without meaning beside `m`.
    pub dollar_end_only: bool,
    /// `U`: quantifiers are lazy, and greedy with `?`.
    pub ungreedy: bool,
}
