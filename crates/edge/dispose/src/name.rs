//! Names that nothing has yet.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

/// Renames to a name that nothing has: what has it stays (`EEXIST`).
pub(crate) fn rename_new(
    from: BorrowedFd<'_>,
    name: &CStr,
    to: BorrowedFd<'_>,
    new: &CStr,
) -> Result<(), Errno> {
    match renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
        // Filesystems that do not know the flag (renameat2(2)).
        Err(Errno::INVAL | Errno::NOSYS) => rename_over_placeholder(from, name, to, new),
        done => done,
    }
}

/// The same in two steps: whoever makes a file of this name first has it.
fn rename_over_placeholder(
    from: BorrowedFd<'_>,
    name: &CStr,
    to: BorrowedFd<'_>,
    new: &CStr,
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(to, new, flags, Mode::RUSR | Mode::WUSR)?);
    renameat(from, name, to, new).inspect_err(|_| {
        // It is the first error that tells what is wrong.
        let _ = unlinkat(to, new, AtFlags::empty());
    })
}

/// Tries names of our own, of which nobody has one but a process of this number that did not end
/// well.
pub(crate) fn with_own_name<T>(
    mut act: impl FnMut(&CStr) -> Result<T, Errno>,
) -> Result<(CString, T), Errno> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut last = Errno::EXIST;
    for _ in 0..MAX_NAMES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = text(format!(".watchglass-{}-{number}", std::process::id()).into_bytes())?;
        match act(&name) {
            Err(Errno::EXIST) => last = Errno::EXIST,
            done => return done.map(|done| (name, done)),
        }
    }
    Err(last)
}

/// Tries the name of a file, and then with numbers behind it, as clamscan has them. None when all
/// are taken.
pub(crate) fn with_free_name<T>(
    name: &CStr,
    mut act: impl FnMut(&CStr) -> Result<T, Errno>,
) -> Result<Option<(CString, T)>, Errno> {
    for number in 0..MAX_NAMES {
        let candidate = candidate(name.to_bytes(), number)?;
        match act(&candidate) {
            Err(Errno::EXIST) => {}
            done => return done.map(|done| Some((candidate, done))),
        }
    }
    Ok(None)
}

/// A long name is cut, so that the number has room.
fn candidate(name: &[u8], number: u32) -> Result<CString, Errno> {
    if number == 0 {
        return text(name.to_vec());
    }
    let suffix = format!(".{number:03}");
    let room = MAX_NAME_BYTES.saturating_sub(suffix.len());
    let mut candidate = name.get(..room).unwrap_or(name).to_vec();
    candidate.extend_from_slice(suffix.as_bytes());
    text(candidate)
}

fn text(bytes: Vec<u8>) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| Errno::INVAL)
}

/// Names that are tried.
const MAX_NAMES: u32 = 1000;
/// `NAME_MAX` of Linux.
const MAX_NAME_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn numbers_stand_behind_names_that_are_cut_for_them() {
        let long = [b'x'; 255];
        let bytes = |number| candidate(&long, number).unwrap().into_bytes();
        assert_eq!(bytes(0), long);
        assert_eq!(bytes(7).len(), 255);
        assert!(bytes(7).ends_with(b"x.007"));
        assert_eq!(candidate(b"a", 999).unwrap().as_bytes(), b"a.999");
    }

    #[test]
    fn neither_way_of_renaming_replaces() {
        for rename in [rename_new, rename_over_placeholder] {
            let folder = tempfile::tempdir().unwrap();
            for name in ["a", "b"] {
                std::fs::write(folder.path().join(name), name).unwrap();
            }
            let opened = File::open(folder.path()).unwrap();
            let rename = |new| rename(opened.as_fd(), c"a", opened.as_fd(), new);
            assert_eq!(rename(c"b"), Err(Errno::EXIST));
            assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), b"b");
            assert_eq!(rename(c"c"), Ok(()));
            assert_eq!(std::fs::read(folder.path().join("c")).unwrap(), b"a");
            assert!(!folder.path().join("a").exists());
        }
    }
}
