//! Verifies that a bundle is what its signer signed.
//!
//! A bundle is a folder of evidence (`docs/decisions/0002-bundle-layout.md`). Whoever reads it from
//! disk hands the bytes over as an [`UnverifiedBundle`]; [`UnverifiedBundle::verify`] consumes the
//! allegation and returns the fact, a [`Bundle`].
//!
//! Holding a [`Bundle`] proves that its parts, its results and its report are the bytes that the
//! named key signed. It does not prove that what they say is true: see the README on independent
//! assayers.
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

mod bundle;
mod document;
mod envelope;
mod part;

pub use bundle::{
    Bundle, BundleError, ENVELOPE, MANIFEST, REPORT, RESULTS, SignedResults, UnverifiedBundle,
};
pub use document::{
    Attribute, Campaign, Choice, DocumentError, Environment, InventoryFile, Manifest, Network,
    Package, Part, PlannedRun, Statement, Subject, Tool, WorldKind, parse_document, parse_lines,
    to_canonical, to_lines,
};
pub use envelope::{Envelope, EnvelopeError, PublicKey, SignedBy};
pub use part::{MAX_PARTS, MAX_TOTAL_BYTES, PartName, PartNameError};
