//! Holds what a product says about itself.
//!
//! A product file says how to install and drive a product, and what it claims. The lab tests it,
//! the guard enforces it, the policy cites its digest. What is not claimed is forbidden.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod product;

pub use product::{
    Command, Contact, Domain, Field, FieldClass, Host, Identity, Install, InstalledFile, LaidFile,
    Phase, Privileges, Product, Ready, Rotation, Scope, Sends, Signal,
};
