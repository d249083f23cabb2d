//! Copying a file by its descriptor.

use std::ffi::CString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, copy_file_range, fsync, ftruncate,
    futimens, openat, seek, sendfile, unlinkat,
};
use rustix::io::Errno;

use crate::name::{rename_new, with_free_name, with_own_name};
use crate::{Destination, DisposeError, Found};

/// Puts a copy into a folder: all of it, seen to the disk, or nothing. Returns its name there.
pub(crate) fn copy_to(
    found: &Found<'_>,
    destination: &Destination,
) -> Result<CString, DisposeError> {
    let folder = destination.folder.as_fd();
    let (part, file) =
        with_own_name(|name| create(folder, name)).map_err(DisposeError::io("create a copy"))?;
    let named = fill(found, &file).and_then(|()| {
        let named = with_free_name(found.name, |new| rename_new(folder, &part, folder, new));
        named.map_err(DisposeError::io("rename"))?.ok_or(DisposeError::NoName)
    });
    match named {
        Ok((name, ())) => {
            // Some filesystems cannot; the file is there on those too.
            let _ = fsync(folder);
            Ok(name)
        }
        Err(error) => {
            // It is the first error that tells what is wrong.
            let _ = unlinkat(folder, &part, AtFlags::empty());
            Err(error)
        }
    }
}

fn create(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::RUSR | Mode::WUSR)
}

fn fill(found: &Found<'_>, copy: &OwnedFd) -> Result<(), DisposeError> {
    let stat = found.stat()?;
    // As long as it is now: a file that grows meanwhile would never end.
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    copy_data(found.file, copy.as_fd(), size).map_err(DisposeError::io("copy"))?;
    ftruncate(copy, size).map_err(DisposeError::io("ftruncate"))?;
    futimens(copy, &times(&stat)).map_err(DisposeError::io("futimens"))?;
    fsync(copy).map_err(DisposeError::io("fsync"))
}

/// Copies what is data, and leaves holes where there are any: a terabyte of nothing stays nothing.
fn copy_data(from: BorrowedFd<'_>, to: BorrowedFd<'_>, size: u64) -> Result<(), Errno> {
    let mut at = 0;
    while at < size {
        let begin = match seek(from, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            // Nothing but a hole follows.
            Err(Errno::NXIO) => return Ok(()),
            // A filesystem that does not tell: all of it is data.
            Err(Errno::INVAL) => return copy_piece(from, to, at, size),
            Err(error) => return Err(error),
        };
        let end = seek(from, SeekFrom::Hole(begin))?.min(size);
        copy_piece(from, to, begin, end)?;
        at = end.max(begin.saturating_add(1));
    }
    Ok(())
}

fn copy_piece(from: BorrowedFd<'_>, to: BorrowedFd<'_>, begin: u64, end: u64) -> Result<(), Errno> {
    let (mut read_at, mut write_at) = (begin, begin);
    while read_at < end {
        let wanted = usize::try_from(end.saturating_sub(read_at)).unwrap_or(usize::MAX);
        let copied = copy_file_range(
            from,
            Some(&mut read_at),
            to,
            Some(&mut write_at),
            wanted.min(CHUNK_BYTES),
        );
        match copied {
            // The kernel copies between some filesystems by this call alone.
            Ok(0) | Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return send_piece(from, to, read_at, end);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send_piece(from: BorrowedFd<'_>, to: BorrowedFd<'_>, begin: u64, end: u64) -> Result<(), Errno> {
    seek(to, SeekFrom::Start(begin))?;
    let mut at = begin;
    while at < end {
        let wanted = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        match sendfile(to, from, Some(&mut at), wanted.min(CHUNK_BYTES)) {
            // Cut short meanwhile: the rest of the copy is a hole.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// When it was changed says something about a finding, so that the copy keeps it.
fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Bytes asked for at once: calls can be interrupted between.
const CHUNK_BYTES: usize = 64 << 20;
