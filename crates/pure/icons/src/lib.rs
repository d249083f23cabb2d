//! Tells whether the icons of programs look alike.
//!
//! Malware dresses up as a folder, a document or a known program. A signature set holds icons in a form
//! that small changes leave alone (`.idb`): where an icon is most and least coloured, brightest and
//! darkest, where its edges are strongest and where it has none, and how its colours are spread.
//! [`Metrics::of`] makes that form of a bitmap as it lies in a program, [`Metrics::looks_like`] compares
//! two.
//!
//! The arithmetic is that of ClamAV 1.4.6, its roundings and slips included, since the sets were made
//! with it: what differs in one step is another form.
//!
//! Total in its input: an icon has 256 pixels a side at most. One costs a fifth of a millisecond.
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

mod areas;
mod bitmap;
mod colour;
mod compare;
mod edges;
mod image;
mod metrics;

pub use metrics::{Metrics, Spot};
