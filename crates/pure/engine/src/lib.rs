//! Turns the bytes of a file into detections.
//!
//! An [`Engine`] holds a database and the settings of a scan. [`Engine::scan`] looks at one file with
//! all that is inside of it, and gives a [`Report`]: what was found, and what was *not scanned* with
//! the reason. A file of which something was not scanned is never told to be clean.
//!
//! Names, switches and limits are those of ClamAV 1.4, so that what reads its output reads ours.
//!
//! ```
//! use watchglass_engine::{Engine, Settings};
//!
//! let mut engine = Engine::new(None, Settings::default());
//! let report = engine.scan(b"nothing in here", 15, &|| false);
//! assert!(report.findings.is_empty() && report.is_complete());
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

mod containers;
mod digests;
mod engine;
mod forms;
mod heuristic;
mod inside;
mod layer;
mod magic;
mod metadata;
mod passwords;
mod report;
mod rules;
mod scan;
mod seen;
mod settings;
mod signer;
mod test_signature;
#[cfg(test)]
mod tests;
mod views;

pub use containers::{Opening, opening};
pub use engine::Engine;
pub use heuristic::Heuristic;
pub use report::{
    Cost, Detection, Finding, MATCHING_STEPS, MAX_FINDINGS, MAX_MEMBER_NAME_BYTES, MAX_OMISSIONS,
    MemberPath, Omission, Reason, Report,
};
pub use rules::{NotRun, Ran, Rules};
pub use settings::{Alerts, Matches, Settings, Unpacking};
pub use watchglass_unpack::Limits;
