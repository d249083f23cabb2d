//! Turns captured packets into flows.
//!
//! The gate of the fake internet captures every frame on its side of the subject's link with
//! [`pcapng::CaptureWriter`]. [`pcapng::parse`] reads such a file back, [`flows`] joins its frames
//! into flows that compare with the records of the gate and of the sensors by their
//! [`watchglass_events::Flow`]. [`hello`] and [`dns`] read what a flow says about names.
//!
//! All of it reads hostile bytes: every parser here is total, and what does not fit its [`Budget`]
//! is counted, never silently dropped.
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
        clippy::print_stderr,
        clippy::disallowed_methods,
        reason = "tests"
    )
)]

pub mod dns;
mod flows;
mod frame;
pub mod hello;
pub mod pcapng;
mod stream;

pub use flows::{
    Budget, Cut, Datagram, FlowRecord, Flows, FrameError, LinkFrame, Side, TcpFlags, flows,
};
pub use frame::LinkKind;
pub use stream::{Island, Stream};
