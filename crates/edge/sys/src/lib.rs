//! Makes kernel calls safe to use.

pub mod packet_socket;
pub mod separate;
pub mod trace;
pub mod transparent;
