//! Takes found files out of the way.
//!
//! A file is found by its descriptor and taken away by its name, and between the two anybody may have
//! put something else there. So every act goes by descriptors of folders, no path is looked up and no
//! symbolic link followed; and what bears the name is first renamed, to where nobody looks for it, and
//! only then looked at: if it is another file than the one that was found, it gets its name back. What
//! was not found is never removed.
//!
//! No byte of a file passes through this process: the kernel copies (copy_file_range(2), sendfile(2)).
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")
)]

mod copy;
mod name;
mod take;

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, Stat, fstat};
use rustix::io::Errno;
use thiserror::Error;

/// A file that was found, with the place where its name was looked up.
#[derive(Clone, Copy, Debug)]
pub struct Found<'f> {
    /// Open for reading.
    pub file: BorrowedFd<'f>,
    /// The folder that holds its name.
    pub folder: BorrowedFd<'f>,
    /// Its name there.
    pub name: &'f CStr,
}

/// A folder that files are brought to.
#[derive(Debug)]
pub struct Destination {
    folder: OwnedFd,
    path: Vec<u8>,
    identity: Identity,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Its name is gone.
    Removed(OtherNames),
    /// It stands at this path now, and not where it was.
    Moved(Vec<u8>, OtherNames),
    /// A copy stands at this path.
    Copied(Vec<u8>),
    /// It was in that folder already, and stays.
    AlreadyThere,
}

/// Names that the file has left elsewhere (hard links).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherNames(pub u64);

/// Why a file stays where it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DisposeError {
    /// A call failed.
    #[error("{call}")]
    Io {
        /// Which.
        call: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Somebody put something else there, or took it away.
    #[error("its name belongs to another file by now, or to none")]
    Changed,
    /// Something else was there; its name was taken meanwhile, and so it stays under this one.
    #[error("another file had its name, stands as `{name}` now and did not get it back")]
    LeftAside {
        /// The name, control characters shown as codes.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// All names are taken that it could have.
    #[error("a thousand files of this name are there")]
    NoName,
}

impl DisposeError {
    pub(crate) fn io(call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |error| Self::Io { call, source: error.into() }
    }
}

impl Destination {
    /// Opens a folder that is there.
    ///
    /// # Errors
    /// When it is not there, or is no folder.
    pub fn open(path: &[u8]) -> Result<Self, DisposeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(path, flags, Mode::empty()).map_err(DisposeError::io("open"))?;
        let identity = Identity::of(&fstat(&folder).map_err(DisposeError::io("fstat"))?);
        Ok(Self { folder, path: path.to_vec(), identity })
    }

    fn path_of(&self, name: &CStr) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        path
    }
}

impl Found<'_> {
    /// Takes its name away; the content goes with its last name.
    ///
    /// Where the disk is so full that nothing can be renamed, the name is compared and then removed:
    /// between the two, another file that somebody renames to it would be removed.
    ///
    /// # Errors
    /// [`DisposeError`]; the file is then where it was.
    pub fn remove(&self) -> Result<Done, DisposeError> {
        take::remove(self).map(Done::Removed)
    }

    /// Brings it to a folder, under its name or, when that is taken, with `.001` to `.999` behind it.
    /// To another filesystem it is copied, seen to the disk, and then removed.
    ///
    /// # Errors
    /// [`DisposeError`]; the file is then where it was, and nothing new in the folder.
    pub fn move_to(&self, destination: &Destination) -> Result<Done, DisposeError> {
        take::move_to(self, destination)
    }

    /// Leaves it where it is and puts a copy into a folder, named as [`Found::move_to`] has it. Only
    /// this user may read the copy, and nobody run it.
    ///
    /// # Errors
    /// [`DisposeError`]; nothing new is then in the folder.
    pub fn copy_to(&self, destination: &Destination) -> Result<Done, DisposeError> {
        if self.is_in(destination)? {
            return Ok(Done::AlreadyThere);
        }
        copy::copy_to(self, destination).map(|name| Done::Copied(destination.path_of(&name)))
    }

    fn is_in(&self, destination: &Destination) -> Result<bool, DisposeError> {
        let folder = fstat(self.folder).map_err(DisposeError::io("fstat"))?;
        Ok(Identity::of(&folder) == destination.identity)
    }

    fn stat(&self) -> Result<Stat, DisposeError> {
        fstat(self.file).map_err(DisposeError::io("fstat"))
    }
}

/// What stays the same of a file whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, number: stat.st_ino }
    }
}
