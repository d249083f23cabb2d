//! Makes a home folder that looks lived in.
//!
//! Everything follows from a [`Seed`]: the same seed and [`Profile`] give the same bytes, so the bait
//! of a recorded run can be made again by whoever checks it. Files are made one at a time, so that a
//! home of thousands need not be held in memory.
//!
//! What nobody can send by chance is planted in it as [`Mark`]s, unguessable and different for every
//! file and place; the rest is written in words that no dictionary has, so that shared vocabulary
//! cannot look like a copy.
//!
//! ```
//! use watchglass_bait::{Bait, Identity, Profile, Seed, Size};
//!
//! let seed = Seed([7; 32]);
//! let bait = Bait::generate(&seed, &Profile::of(&Identity::generate(&seed), Size::Small));
//! let file = bait.files().next().expect("a home has files");
//! assert_eq!(file.path, ".bash_history");
//! assert!(String::from_utf8_lossy(&file.bytes).contains(&file.marks[0].text));
//! ```
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod draw;
mod format;
mod home;
mod identity;
mod mark;
mod page;
mod plan;
mod sample;
mod words;

pub use draw::Seed;
pub use home::{Bait, BaitFile};
pub use identity::{Identity, Profile, Size};
pub use mark::{MARK_BYTES, Mark, MarkKind, NAME_MARK_BYTES, Place, is_fragment};
pub use plan::{Kind, Planned};
pub use sample::{Expected, Sample, eicar};

/// The version of everything that decides which bytes a seed gives. It changes with any change of
/// them, and a bundle that was made with another version cannot be checked with this one.
pub const GENERATOR_VERSION: u32 = 2;
