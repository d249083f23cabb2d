//! Finds planted data under its transforms.
//!
//! A [`Needle`] is a value that nobody could send by chance: a mark planted in a file, the file's
//! name, its digest, an identifier of the machine. A [`Detector`] indexes many needles in many
//! spellings (base64 at every alignment, UTF-16, hexadecimal …) and searches a stream for all of
//! them in one pass, then again in everything that the stream decodes to, within a [`Budget`].
//!
//! What it cannot find, by design or until later, is listed in [`Transform`].
//!
//! ```
//! use watchglass_leak::{Budget, Detector, Needle, NeedleKind, Transform};
//!
//! let value = b"q7vd2mzk5xwhn3ytb4cs6jgrfp2ea7lo".to_vec();
//! let needle = Needle { id: 7, kind: NeedleKind::Mark, value, file: b"a.txt".to_vec(), place: "head".into() };
//! let detector = Detector::build([needle]);
//! let found = detector.search(b"id=1&d=cTd2ZDJtems1eHdobjN5dGI0Y3M2amdyZnAyZWE3bG8=", Budget::STANDARD);
//! assert_eq!(found.hits[0].needle, 7);
//! assert_eq!(found.hits[0].transforms, [Transform::Base64]);
//! assert!(found.exhausted.is_none());
//! ```
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod budget;
mod decode;
mod form;
mod index;
pub mod keywords;
mod names;
mod needle;
mod search;
mod transform;

pub use budget::{Budget, Exhausted};
pub use names::join_labels;
pub use needle::{MIN_BITS, Needle, NeedleKind, digests, spellings};
pub use search::{Detector, Hit, Search, Searcher};
pub use transform::Transform;
