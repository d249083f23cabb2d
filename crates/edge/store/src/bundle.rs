//! Reads a bundle from a folder that a stranger sent, and writes files so that a crash shows.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use watchglass_evidence::{
    ENVELOPE, MANIFEST, MAX_PARTS, MAX_TOTAL_BYTES, PartName, REPORT, RESULTS, UnverifiedBundle,
};

use crate::{Escape as _, StoreError};

/// Reads every file of a bundle.
///
/// Nothing outside `folder` is opened: links are refused, and so is anything that is no plain file
/// or folder. A FIFO cannot make it wait, and a size is looked at before a byte is read.
///
/// # Errors
/// [`StoreError`], which names the path.
pub fn read_bundle(folder: &Path) -> Result<UnverifiedBundle, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|error| StoreError::io("open", folder)(error.into()))?;
    let mut reading = Reading { bundle: UnverifiedBundle::default(), entries: 0, bytes: 0 };
    reading.folder(&root, "")?;
    Ok(reading.bundle)
}

/// Reads of a bundle what an assayer vouches for, its envelope and its results; nothing else need be
/// there.
///
/// # Errors
/// As [`read_bundle`].
pub fn read_results(folder: &Path) -> Result<UnverifiedBundle, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|error| StoreError::io("open", folder)(error.into()))?;
    let mut reading = Reading { bundle: UnverifiedBundle::default(), entries: 0, bytes: 0 };
    for name in [ENVELOPE, RESULTS] {
        reading.entry(root.as_fd(), "", name.as_bytes())?;
    }
    Ok(reading.bundle)
}

struct Reading {
    bundle: UnverifiedBundle,
    /// Files and folders: empty folders cost time as well.
    entries: usize,
    bytes: u64,
}

impl Reading {
    /// The depth is bounded because a name of more than four segments is refused.
    fn folder(&mut self, folder: &OwnedFd, prefix: &str) -> Result<(), StoreError> {
        let shown = || if prefix.is_empty() { ".".to_owned() } else { prefix.to_owned() };
        let fail = |act| {
            let path = shown();
            move |error: rustix::io::Errno| StoreError::Io { act, path, source: error.into() }
        };
        let listing = Dir::read_from(folder).map_err(fail("list"))?;
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.map_err(fail("list"))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_PARTS {
                let (limit, unit) = (MAX_PARTS as u64, "files and folders");
                return Err(StoreError::TooLarge { path: shown(), limit, unit });
            }
            names.push(name.to_vec());
        }
        names.sort();
        names.iter().try_for_each(|name| self.entry(folder.as_fd(), prefix, name))
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        prefix: &str,
        name: &[u8],
    ) -> Result<(), StoreError> {
        let text = std::str::from_utf8(name).unwrap_or("\u{fffd}");
        let joined = if prefix.is_empty() { text.to_owned() } else { format!("{prefix}/{text}") };
        let part = PartName::parse(&joined)?;
        let path = Path::new(part.as_str());
        let fail = |act| move |error: rustix::io::Errno| StoreError::io(act, path)(error.into());
        let stat =
            rustix::fs::statat(folder, text, AtFlags::SYMLINK_NOFOLLOW).map_err(fail("stat"))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let stray = |what| Err(StoreError::Stray { path: path.escape_debug(), what });
        let flags = match kind {
            FileType::RegularFile => OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            FileType::Directory => OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY,
            FileType::Symlink => return stray("a symbolic link"),
            _ => return stray("a special file"),
        };
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let opened = openat2(folder, text, flags, Mode::empty(), beneath).map_err(fail("open"))?;
        if kind == FileType::Directory {
            return self.folder(&opened, part.as_str());
        }
        // Another file may have taken the name between the two calls.
        let now = rustix::fs::fstat(&opened).map_err(fail("stat"))?;
        if FileType::from_raw_mode(now.st_mode) != FileType::RegularFile {
            return stray("a special file");
        }
        let size = u64::try_from(now.st_size).unwrap_or(u64::MAX);
        self.file(File::from(opened), part, size)
    }

    fn file(&mut self, file: File, name: PartName, size: u64) -> Result<(), StoreError> {
        let limit = largest(name.as_str()).min(MAX_TOTAL_BYTES - self.bytes);
        let path = || name.as_str().to_owned();
        let too_large = || StoreError::TooLarge { path: path(), limit, unit: "bytes" };
        if size > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        // It can grow while it is read.
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", name.as_str().as_ref()))?;
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        self.bytes += bytes.len() as u64;
        self.bundle.insert(name, bytes);
        Ok(())
    }
}

/// Largest file of a name in bytes.
fn largest(name: &str) -> u64 {
    match name {
        ENVELOPE | MANIFEST => MAX_SIGNED_BYTES,
        RESULTS | REPORT => MAX_DERIVED_BYTES,
        _ => MAX_TOTAL_BYTES,
    }
}

/// The parsers of envelope and manifest take no more.
const MAX_SIGNED_BYTES: u64 = 4 << 20;
/// Lists in the results are bounded; those of a large campaign come to a few MiB.
const MAX_DERIVED_BYTES: u64 = 64 << 20;

/// Writes a whole file: under a temporary name, synced, then renamed, so that the final name never
/// stands for a half-written file.
///
/// # Errors
/// [`StoreError`], for instance on a full disk; then the temporary file is removed.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = Path::new(&temporary);
    let written = File::create(temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(temporary, path));
    done.map_err(|error| {
        // The error that matters is the first one.
        let _ = std::fs::remove_file(temporary);
        StoreError::io("write", path)(error)
    })
}

/// Makes a folder and those above it; one that is there is left as it is.
///
/// # Errors
/// [`StoreError`] with the path.
pub fn make_folder(path: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(path).map_err(StoreError::io("create", path))
}

/// Makes an empty folder: what a recording that broke off left there is no evidence.
///
/// # Errors
/// [`StoreError`] with the path.
pub fn fresh_folder(path: &Path) -> Result<(), StoreError> {
    remove_folder(path)?;
    make_folder(path)
}

/// Removes a folder of the lab's own with everything in it; one that is not there is no error.
///
/// # Errors
/// [`StoreError`] with the path.
pub fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("empty", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes a file that a recorder writes into as it goes.
///
/// # Errors
/// [`StoreError`] with the path.
pub fn create_file(path: &Path) -> Result<File, StoreError> {
    File::create(path).map_err(StoreError::io("create", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refuses(make: impl Fn(&Path), expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let error = read_bundle(folder.path()).expect_err(expect).to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn refuses_links_and_special_files() {
        refuses(|folder| symlink("/etc/passwd", folder.join("a")).unwrap(), "symbolic link");
        refuses(|folder| symlink("/etc", folder.join("runs")).unwrap(), "symbolic link");
        let fifo = |folder: &Path| {
            let path = folder.join("pipe");
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
        };
        refuses(fifo, "special file");
    }

    #[test]
    fn refuses_sizes_over_the_limit_without_reading_them() {
        let sparse = |name: &'static str, bytes| {
            move |folder: &Path| File::create(folder.join(name)).unwrap().set_len(bytes).unwrap()
        };
        let before = std::time::Instant::now();
        refuses(sparse("a.log", 1 << 42), "a.log: over the limit of 1073741824 bytes");
        refuses(sparse("envelope.json", 5 << 20), "envelope.json: over the limit of 4194304 bytes");
        refuses(sparse("report.html", 65 << 20), "report.html: over the limit");
        // Reading 4 TiB of nothing takes longer than that.
        assert!(before.elapsed() < std::time::Duration::from_secs(60), "it was read");
    }

    #[test]
    fn refuses_more_files_and_folders_than_any_bundle_has() {
        let many = |folder: &Path| {
            for number in 0..70 {
                for inner in 0..70 {
                    std::fs::create_dir_all(folder.join(format!("{number}/{inner}"))).unwrap();
                }
            }
        };
        refuses(many, "over the limit of 4096 files and folders");
    }

    #[test]
    fn refuses_names_that_no_part_has() {
        refuses(|folder| std::fs::write(folder.join(".hidden"), "").unwrap(), "dot");
        let deep = |folder: &Path| std::fs::create_dir_all(folder.join("a/b/c/d/e")).unwrap();
        refuses(deep, "4 folders deep");
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_file(&path, b"{}\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}\n");
        assert!(write_file(&folder.path().join("missing/x"), b"").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
