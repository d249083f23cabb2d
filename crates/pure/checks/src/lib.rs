//! Holds events against claims.
//!
//! [`results::Results`] is the verdict document: everything that a reader is told, with the evidence
//! rows it rests on. It is derived from a bundle's parts alone, so anyone can derive it again.
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

mod bait;
mod case;
mod claimed;
mod clear_text;
mod clock;
mod contacts;
mod derive;
mod explained;
mod graph;
mod link;
mod observed;
mod processes;
pub mod results;
mod rules;
#[cfg(test)]
mod sample;
mod seen;
mod senders;
#[cfg(test)]
mod tests;
mod wire;

pub use bait::{SAMPLES_FOLDER, home_of, plant, values_of};
pub use case::{Case, CaseError, LAB_PROGRAM, MAX_BAIT_FILES};
pub use clock::{CLOCK_LIBRARY, CLOCK_MOMENT, CLOCK_RATE, CLOCK_SEMAPHORE};
pub use contacts::CANARY_DOMAIN;
pub use derive::{derive, grade};
pub use rules::rests_on;
