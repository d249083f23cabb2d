//! Makes kernel calls safe to use.

pub mod trace;
