//! Holds events against claims.
//!
//! [`results::Results`] is the verdict document: everything that a reader is told, with the evidence
//! rows it rests on. It is derived from a bundle's parts alone, so anyone can derive it again.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

pub mod results;
