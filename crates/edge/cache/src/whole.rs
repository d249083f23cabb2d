//! Files that are there whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fsync, openat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::Errno;

use crate::CacheError;

/// Writes a file beside `path`, sees it to the disk and gives it the name `path`: whoever opens that
/// sees the old file or the whole new one, on a full disk and after a loss of power too. A symbolic
/// link of that name is replaced, not followed. The umask decides who may read it.
///
/// # Errors
/// When a call fails, after which nothing is left beside; when `path` names what is no regular file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    let shown = path.display().to_string();
    let name =
        path.file_name().ok_or_else(|| CacheError::io::<Errno>("openat", &shown)(Errno::ISDIR))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty());
    let folder = folder.map_err(CacheError::io("open the folder of", &shown))?;
    if let Ok(stat) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
        && !matches!(
            FileType::from_raw_mode(stat.st_mode),
            FileType::RegularFile | FileType::Symlink
        )
    {
        return Err(CacheError::NotAFile { path: shown.escape_debug().to_string() });
    }
    let mode = Mode::from_raw_mode(0o666);
    write_at(folder.as_fd(), name, bytes, mode)
}

/// The same in an open folder, with the mode of the new file.
pub(crate) fn write_at(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    bytes: &[u8],
    mode: Mode,
) -> Result<(), CacheError> {
    write(folder, name, bytes, mode, |temporary| renameat(folder, temporary, folder, name))
}

/// The same, unless there is a file of this name: that stays.
pub(crate) fn write_new_at(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    bytes: &[u8],
    mode: Mode,
) -> Result<(), CacheError> {
    write(folder, name, bytes, mode, |temporary| {
        match renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => unlinkat(folder, temporary, AtFlags::empty()),
            // Filesystems without the flag (renameat2(2)).
            Err(Errno::INVAL | Errno::NOSYS) => renameat(folder, temporary, folder, name),
            done => done,
        }
    })
}

fn write(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    bytes: &[u8],
    mode: Mode,
    give_name: impl FnOnce(&OsStr) -> Result<(), Errno>,
) -> Result<(), CacheError> {
    let shown = name.display().to_string();
    let (temporary, mut file) =
        create(folder, name, mode).map_err(CacheError::io("create a file beside", &shown))?;
    let written = (|| {
        file.write_all(bytes).map_err(CacheError::io("write", &shown))?;
        file.sync_all().map_err(CacheError::io("fsync", &shown))?;
        give_name(&temporary).map_err(CacheError::io("rename to", &shown))
    })();
    if let Err(error) = written {
        // It is the first error that tells what is wrong.
        let _ = unlinkat(folder, &temporary, AtFlags::empty());
        return Err(error);
    }
    // The name itself; some filesystems cannot, and the file is whole on those too.
    let _ = fsync(folder);
    Ok(())
}

/// A new file whose name says that it is none yet.
fn create(folder: BorrowedFd<'_>, name: &OsStr, mode: Mode) -> Result<(OsString, File), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let process = std::process::id();
    let mut number = 0_u32;
    loop {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{process}-{number}{TEMPORARY}"));
        match openat(folder, &temporary, flags, mode) {
            Ok(file) => return Ok((temporary, File::from(file))),
            Err(Errno::EXIST) if number < MAX_TRIES => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// How names of files end that are not whole yet.
pub(crate) const TEMPORARY: &str = ".part";
/// Leftovers of earlier processes of this number that are stepped over.
const MAX_TRIES: u32 = 100;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_takes_the_place_of_the_old_one_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"old").unwrap();
        let mut old = File::open(&path).unwrap();
        write_whole(&path, b"newer").unwrap();
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        assert_eq!(
            (text.as_str(), std::fs::read(&path).unwrap().as_slice()),
            ("old", &b"newer"[..])
        );
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"old").unwrap();
        // The limit of a file's size is what a full disk is: a write that comes back short. The
        // process of its own keeps the limit from other tests.
        let script = format!(
            "trap '' XFSZ; ulimit -f 1; exec {} --exact whole::tests::child_writes_beyond_its_limit",
            std::env::current_exe().unwrap().display()
        );
        let mut child = std::process::Command::new("bash");
        let child =
            child.args(["-c", &script]).env("WATCHGLASS_TEST_PATH", &path).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn child_writes_beyond_its_limit() {
        // Nothing to do but for the test above, which starts it with a limit.
        let Some(path) = std::env::var_os("WATCHGLASS_TEST_PATH") else { return };
        let error = write_whole(Path::new(&path), &[7; 1 << 16]).unwrap_err();
        assert!(matches!(error, CacheError::Io { call: "write", .. }), "{error}");
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(folder.path(), b"x").unwrap_err();
        assert!(matches!(error, CacheError::NotAFile { .. }), "{error}");
        assert!(folder.path().is_dir());
    }
}
