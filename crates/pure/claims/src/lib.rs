//! Holds what a product says about itself.
//!
//! A product file says how to install and drive a product, and what it claims. The lab tests it,
//! the guard enforces it, the policy cites its digest. What is not claimed is forbidden.
//!
//! [`Product::parse`] reads a file or lists every mistake in it; [`Product::fill`] puts the lab's
//! paths in place of placeholders; [`PathClaims`], [`Host`], [`Listen`] and [`Product::domain_of`]
//! say whether something that was seen is claimed. `docs/product-file.md` is the reference.
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
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

mod class;
mod draft;
mod fill;
mod framing;
mod glob;
mod host;
mod permits;
mod problem;
mod product;
mod programs;
mod read;

pub use draft::{Observed, ObservedContact, ObservedField, ObservedPhase, ObservedProgram, draft};
pub use fill::{FillError, LOADER, TEMPORARY, TRUST, Values};
pub use framing::is_framing;
pub use glob::{Glob, GlobError, PathClaims, escape_glob};
pub use host::{Listen, Question};
pub use permits::{Capacity, Permit, PermitKind, Vacuous, permits};
pub use problem::{Code, Problem, render_problems};
pub use product::{
    Command, Contact, ContentFunction, DigestAlgorithm, Domain, Field, FieldClass, Host, Identity,
    Install, InstalledFile, LaidFile, Phase, Privileges, Product, Ready, Rotation, Scope, Sends,
    Signal, Trigger,
};
pub use programs::{PROGRAM_FOLDERS, SINKS};
pub use read::{MAX_FILE_BYTES, accepted_keys};
