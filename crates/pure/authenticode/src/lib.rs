//! Verifies the Authenticode signatures of programs.
//!
//! A program for Windows may end with a PKCS #7 structure that signs a digest of its other bytes
//! (*Windows Authenticode Portable Executable Signature Format*, 2008; RFC 2315). [`examine`] reads that
//! structure and says two things: which blocked certificates it carries, and whether its signature leads
//! to a trusted one. Certificates are those of a signature set (`.crb`), never those of the machine.
//!
//! What is believed is what ClamAV 1.4.6 believes, so that what one of them trusts is trusted by the
//! other:
//!
//! - RSA alone, with PKCS #1 v1.5; one signer; digests from MD5 to SHA-512.
//! - A certificate is trusted for being in the set, or for its signature by one that may sign
//!   certificates. It hands on no right that the one above does not have.
//! - A counter signature (PKCS #9) must hold if there is one; then the signer's certificate must have been
//!   valid at its time. Time stamps of RFC 3161 are not looked at. Without a counter signature the
//!   certificate must be valid now.
//! - Revocation, names and policies are not looked at: the set is what says whom to trust.
//!
//! Costs one exponentiation of RSA for each certificate of the chain, 64 at most.
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

mod algorithm;
mod attributes;
mod certificate;
mod chain;
mod der;
mod rsa;
mod signature;
mod time;

pub use algorithm::Algorithm;
pub use certificate::{KnownCertificate, Rights};
pub use chain::Known;
pub use signature::{Distrust, Outcome, examine};
