//! Keeps the lab's own state on disk.
