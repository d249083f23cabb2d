//! Turns results into pages for people.
//!
//! The page is one HTML file: no script, no request, readable in light and dark, printable. Every
//! string in it may come from hostile software: `maud` escapes for HTML, and control and
//! bidirectional characters were turned into codes before they got into the results.
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
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

mod diff;
mod drawing;
mod page;
mod summary;
mod text;

pub use diff::{Difference, diff};
pub use page::page;
pub use summary::summary;
