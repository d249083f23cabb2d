//! Makes kernel calls safe to use.
//!
//! The one crate with `unsafe` in it: each block names what the call demands and why it holds.
#![allow(unsafe_code, reason = "this is the one crate that may; everyone else calls it")]

pub mod attempt;
pub mod image;
pub mod landlock;
pub mod mapping;
pub mod message_socket;
pub mod namespace;
pub mod packet_socket;
pub mod process;
pub mod ring;
pub mod seccomp;
pub mod separate;
pub mod tls_library;
pub mod trace;
pub mod transparent;
