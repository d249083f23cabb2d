//! Finds Perl-compatible expressions in bytes within a bound of steps.
//!
//! The syntax is that of PCRE2 10.42 over bytes (pcre2pattern(3)), as ClamAV's sub-signatures use it.
//! What an automaton can find is found by one, so that no input makes it slow; look-around,
//! back-references, atomic groups, `\K` and `\G` are found by trying, every try being counted. Recursion,
//! conditionals, callouts, verbs and Unicode properties are refused by name.
//!
//! ```
//! use watchglass_pcre::{Expression, Options};
//!
//! let mut expression = Expression::compile(br"(a|b)\1(?!c)", Options::default())?;
//! let mut steps = 1_000_000;
//! assert_eq!(expression.find(b"aac, bb", 0, &mut steps)?, Some(5..7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "tests, which ask PCRE2 itself"
    )
)]

mod backtrack;
mod error;
mod expression;
mod linear;
mod measure;
mod node;
mod options;
mod parse;
mod program;
mod set;

#[cfg(test)]
mod tests;

pub use error::ExpressionError;
pub use expression::{Expression, OutOfSteps};
pub use options::Options;
