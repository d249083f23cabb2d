//! Tells what a file is from its bytes, with the facts that signatures ask for.
//!
//! [`Magic`] identifies a file by a table of magic numbers and finds what stands inside of it;
//! [`pe`], [`elf`] and [`macho`] read programs, and
//! [`Facts`] is what an engine asks of any of them.
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

pub mod elf;
mod facts;
mod file_type;
pub mod macho;
mod magic;
mod ordered;
mod partition;
pub mod pe;
mod tar;
mod text;
mod zip;

pub use facts::{Facts, Span};
pub use file_type::{FileType, UnknownFileType};
pub use magic::{Entry, EntryError, Kind, Magic, Offset, PatternError, Place, Refined};
pub use text::is_text;
