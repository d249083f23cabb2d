//! Finds the signatures of a database in the bytes of one object.
//!
//! A [`Matcher`] looks at each four bytes of an object by one access to a bitmap. Where the bitmap has
//! them they are held against the anchors of the signatures, then against the part of the signature
//! that the anchor stands in, and only then is the signature itself looked at: what must hold of the
//! file first, then what it looks for, each thing once. `docs/decisions/0013-matching.md` says why.
//!
//! Nothing is allocated for a signature or an object; what a scan notes down lies in a [`Scratch`] that
//! the caller keeps. Every step draws on a [`Work`], so that whatever object and database say, a scan
//! ends: with [`OutOfWork`] at worst, which is *not scanned* and never *clean*.
//!
//! ```
//! use watchglass_database::{Database};
//! use watchglass_formats::Facts;
//! use watchglass_matching::{Matcher, Object, Scratch, Work};
//! use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};
//! use std::ops::ControlFlow;
//!
//! let set = SignatureSet::named("a.ndb")?;
//! let source = Source { set, bytes: b"Test:0:*:68656c6c6f??776f726c64\n", maker: Maker::Official };
//! let (bytes, _) = compile(&[source], PotentiallyUnwanted::PassOver);
//! let database = Database::open(&bytes)?;
//!
//! let object = Object::new(b"so: hello world", 0, &Facts::Unknown);
//! let mut names = Vec::new();
//! Matcher::new(&database).scan(
//!     &object,
//!     &mut Scratch::default(),
//!     &mut Work::new(1_000_000, &|| false),
//!     &mut |hit| {
//!         names.extend(database.name(hit.name));
//!         ControlFlow::Continue(())
//!     },
//! )?;
//! assert_eq!(names, ["Test"]);
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
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

mod byte_compare;
mod class;
mod condition;
mod evaluate;
mod icon;
mod needle;
mod part;
mod probe;
mod regex;
mod scan;
mod scratch;
mod search;
mod starts;
mod work;

pub use scan::{Hit, Matcher, Object};
pub use scratch::Scratch;
pub use work::{OutOfWork, Work};
