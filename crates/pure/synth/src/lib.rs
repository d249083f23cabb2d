//! Makes files that satisfy signatures.
//!
//! For tests and measurements alone: a scanner is held against another one on files in which each of
//! many thousand signatures holds, and on files in which it just does not. [`make`] puts what a
//! signature looks for into a file of the kind that it is meant for: a program with its headers, a
//! document, a page, a mail, at the places that it asks for. The same signature and the same [`Dice`]
//! give the same bytes on every machine.
//!
//! A file that was made satisfies its signature mostly, not always: whether it does is for a scanner
//! to say.
//!
//! ```
//! use watchglass_signatures::SignatureSet;
//! use watchglass_synth::{Dice, make};
//!
//! let set = SignatureSet::named("a.ndb")?;
//! let signature = set.signatures(b"A:1:EP+2:c0ffee??c0de").next().unwrap()?;
//! let file = make(&signature, &[], None, &mut Dice(7))?;
//! assert!(file.starts_with(b"MZ"));
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
        reason = "tests"
    )
)]

mod dice;
mod frame;
mod layout;
mod make;
mod plan;
mod random;
mod regex;
mod sheet;
mod spell;
mod value;
mod wrap;

pub use dice::{Dice, Palette};
pub use frame::program;
pub use make::{Group, Miss, NotMade, make};
