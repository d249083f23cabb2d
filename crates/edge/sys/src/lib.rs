//! Makes kernel calls safe to use.
#![expect(unsafe_code, reason = "this is the one crate that may; everyone else calls it")]

pub mod packet_socket;
pub mod separate;
pub mod transparent;
