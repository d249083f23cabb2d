//! Makes kernel calls safe to use.
