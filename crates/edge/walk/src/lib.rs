//! Opens users' files.
//!
//! A [`Walk`] goes through trees by descriptors: below the path that a person gave, each name is
//! looked up in the folder that was opened before it, so that nobody who moves folders meanwhile
//! leads it elsewhere. What it comes upon is an [`Item`], whatever it is: files open for reading,
//! and with a reason all that was not opened. Nothing but regular files and folders is opened, so no
//! FIFO blocks and no device acts, whoever changes names meanwhile. That needs a mounted `/proc`.
//!
//! Memory: one open folder for each level that it is deep, [`MAX_DEPTH`] at most, whatever the tree.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")
)]

mod policy;
mod walk;

pub use policy::{CrossFilesystems, FollowLinks, HardLinks, MAX_DEPTH, Places, Policy, Recursion};
pub use walk::{All, Choice, Item, PassedOver, Place, Regular, Trouble, Walk};
