//! Taking names away.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{AtFlags, fsync, statat, unlinkat};
use rustix::io::Errno;

use crate::name::{rename_new, with_free_name, with_own_name};
use crate::{Destination, DisposeError, Done, Found, Identity, OtherNames, copy};

pub(crate) fn remove(found: &Found<'_>) -> Result<OtherNames, DisposeError> {
    let identity = Identity::of(&found.stat()?);
    has_name(found.folder, found.name, identity)?;
    let aside = match set_aside(found.folder, found.name) {
        // A longer name may need room in the folder.
        Err(Errno::NOSPC | Errno::DQUOT) => {
            unlink(found.folder, found.name)?;
            return other_names(found);
        }
        done => done.map_err(DisposeError::io("rename"))?,
    };
    if has_name(found.folder, &aside, identity).is_err() {
        return Err(give_back(found, found.folder, &aside));
    }
    match unlink(found.folder, &aside) {
        Ok(()) => other_names(found),
        Err(error) => {
            // It is the first error that tells what is wrong.
            let _ = rename_new(found.folder, &aside, found.folder, found.name);
            Err(error)
        }
    }
}

pub(crate) fn move_to(found: &Found<'_>, destination: &Destination) -> Result<Done, DisposeError> {
    if found.is_in(destination)? {
        return Ok(Done::AlreadyThere);
    }
    let stat = found.stat()?;
    let identity = Identity::of(&stat);
    has_name(found.folder, found.name, identity)?;
    if stat.st_dev != destination.identity.device {
        return copy_and_remove(found, destination);
    }
    let to = destination.folder.as_fd();
    let moved = with_free_name(found.name, |new| rename_new(found.folder, found.name, to, new));
    let name = match moved {
        // Mounts of one filesystem are apart as well (rename(2)).
        Err(Errno::XDEV) => return copy_and_remove(found, destination),
        Err(error) => return Err(DisposeError::io("rename")(error)),
        Ok(None) => return Err(DisposeError::NoName),
        Ok(Some((name, ()))) => name,
    };
    if has_name(to, &name, identity).is_err() {
        return Err(give_back(found, to, &name));
    }
    // Some filesystems cannot; the file is there on those too.
    let _ = fsync(to);
    Ok(Done::Moved(destination.path_of(&name), other_names(found)?.less_one()))
}

fn copy_and_remove(found: &Found<'_>, destination: &Destination) -> Result<Done, DisposeError> {
    let name = copy::copy_to(found, destination)?;
    match remove(found) {
        Ok(others) => Ok(Done::Moved(destination.path_of(&name), others)),
        Err(error) => {
            // One file is not to become two.
            let _ = unlinkat(destination.folder.as_fd(), &name, AtFlags::empty());
            Err(error)
        }
    }
}

/// Whether a name in a folder is that of this file; a symbolic link is no file.
fn has_name(folder: BorrowedFd<'_>, name: &CStr, identity: Identity) -> Result<(), DisposeError> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if Identity::of(&stat) == identity => Ok(()),
        Ok(_) | Err(Errno::NOENT) => Err(DisposeError::Changed),
        Err(error) => Err(DisposeError::io("newfstatat")(error)),
    }
}

/// Gives whatever has the name a name of ours.
fn set_aside(folder: BorrowedFd<'_>, name: &CStr) -> Result<CString, Errno> {
    with_own_name(|aside| rename_new(folder, name, folder, aside)).map(|(aside, ())| aside)
}

/// Gives back what was taken by mistake, and says what became of it.
fn give_back(found: &Found<'_>, taken_to: BorrowedFd<'_>, taken_as: &CStr) -> DisposeError {
    match rename_new(taken_to, taken_as, found.folder, found.name) {
        Ok(()) => DisposeError::Changed,
        // Taken away meanwhile.
        Err(Errno::NOENT) => DisposeError::Changed,
        Err(error) => {
            let name = taken_as.to_bytes().escape_ascii().to_string();
            DisposeError::LeftAside { name, source: error.into() }
        }
    }
}

fn unlink(folder: BorrowedFd<'_>, name: &CStr) -> Result<(), DisposeError> {
    unlinkat(folder, name, AtFlags::empty()).map_err(DisposeError::io("unlink"))
}

fn other_names(found: &Found<'_>) -> Result<OtherNames, DisposeError> {
    #[allow(clippy::useless_conversion, reason = "its type is not the same on each architecture")]
    let links = u64::from(found.stat()?.st_nlink);
    Ok(OtherNames(links))
}

impl OtherNames {
    fn less_one(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}
