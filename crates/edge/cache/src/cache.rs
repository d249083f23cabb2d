//! The folder of what was compiled before.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fstat,
    futimens, openat, statat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::CacheError;
use crate::whole::{TEMPORARY, write_at};

/// What a result was made from, and by what.
#[derive(Clone, Debug, Default)]
pub struct Key(Sha256);

/// A folder of compiled databases.
#[derive(Debug)]
pub struct Cache {
    folder: OwnedFd,
}

/// A database that was kept.
#[derive(Debug)]
pub struct Kept {
    /// Open for reading. Nobody but this user and root can cut it short.
    pub file: File,
    /// What was told when it was compiled.
    pub notes: Vec<u8>,
}

/// Databases that are kept: that of yesterday's sources is of use while some process still scans
/// with other options.
pub const GENERATIONS: usize = 2;

impl Key {
    /// Adds a part; parts do not run into each other.
    #[must_use]
    pub fn with(mut self, part: &[u8]) -> Self {
        self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(part);
        self
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }

    fn name(&self, end: &str) -> OsString {
        let mut name = String::new();
        for byte in self.digest() {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        OsString::from(name + end)
    }
}

impl Cache {
    /// Opens the folder at `path`, which is made if it is not there; the folder that holds it too.
    ///
    /// # Errors
    /// When a call fails, or it is not a folder of this user's alone.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let shown = path.display().to_string();
        let private = Mode::RWXU;
        for folder in path.parent().into_iter().chain([path]) {
            match rustix::fs::mkdir(folder, private) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(CacheError::io("mkdir", &shown)(error)),
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty());
        let folder = folder.map_err(CacheError::io("open", &shown))?;
        let stat = fstat(&folder).map_err(CacheError::io("fstat", &shown))?;
        if is_ours(&stat) && stat.st_mode & 0o077 == 0 {
            Ok(Self { folder })
        } else {
            Err(CacheError::NotPrivate { path: shown.escape_debug().to_string() })
        }
    }

    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// What is kept under `key`, and is from now on the last used. Nothing when it is not there
    /// or not as [`Cache::put`] writes it; what the file holds is for its opener to check.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Kept> {
        let notes = self.file(&key.name(NOTES))?;
        let file = self.file(&key.name(DATABASE))?;
        let mut text = Vec::new();
        notes.take(MAX_NOTES_BYTES).read_to_end(&mut text).ok()?;
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        // A folder that cannot be written keeps its order, no more.
        let _ = futimens(&file, &Timestamps { last_access: keep, last_modification: now });
        Some(Kept { file, notes: text })
    }

    /// Keeps a database under `key`; of the others, the [`GENERATIONS`] last used with it.
    ///
    /// # Errors
    /// When a call fails, or somebody else removed it meanwhile.
    pub fn put(&self, key: &Key, database: &[u8], notes: &[u8]) -> Result<Kept, CacheError> {
        let folder = self.folder.as_fd();
        let private = Mode::RUSR | Mode::WUSR;
        // An entry is there when its database is: that comes last.
        write_at(folder, &key.name(NOTES), notes, private)?;
        write_at(folder, &key.name(DATABASE), database, private)?;
        self.remove_old();
        // Opened again: whom it is handed to cannot write by a descriptor for reading.
        let gone = CacheError::io("open", &key.name(DATABASE).display().to_string());
        self.get(key).ok_or_else(|| gone(Errno::NOENT))
    }

    fn file(&self, name: &OsStr) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.folder, name, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        // A second name of it may stand where others write.
        let ours = is_ours(&stat) && stat.st_mode & 0o077 == 0 && stat.st_nlink == 1;
        (regular && ours).then(|| File::from(file))
    }

    /// Removes all but the newest, and what was never finished. What another process maps stays
    /// with it; what cannot be removed stays.
    fn remove_old(&self) {
        let mut kept = self.databases();
        kept.sort_by_key(|(_, changed)| std::cmp::Reverse(*changed));
        let kept: Vec<&[u8]> = kept.iter().take(GENERATIONS).map(|(stem, _)| &**stem).collect();
        for name in self.names() {
            let stem = stem(&name, DATABASE).or(stem(&name, NOTES));
            let old = stem.is_some_and(|stem| !kept.contains(&stem));
            if old || self.is_left_over(&name) {
                let _ = unlinkat(&self.folder, OsStr::from_bytes(&name), AtFlags::empty());
            }
        }
    }

    fn databases(&self) -> Vec<(Vec<u8>, (i64, u64))> {
        let names = self.names().into_iter();
        let databases = names.filter_map(|name| {
            let stat = self.stat(&name)?;
            let changed = (stat.st_mtime, stat.st_mtime_nsec);
            Some((stem(&name, DATABASE)?.to_vec(), changed))
        });
        databases.collect()
    }

    /// Whether it was begun so long ago that nobody writes it any more.
    fn is_left_over(&self, name: &[u8]) -> bool {
        let began = self.stat(name).and_then(|stat| u64::try_from(stat.st_mtime).ok());
        let began = began.map(|began| SystemTime::UNIX_EPOCH + Duration::from_secs(began));
        let age = began.and_then(|began| began.elapsed().ok());
        name.ends_with(TEMPORARY.as_bytes()) && age.is_some_and(|age| age > ABANDONED)
    }

    fn stat(&self, name: &[u8]) -> Option<Stat> {
        statat(&self.folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let entries = Dir::read_from(&self.folder).into_iter().flatten();
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_bytes().to_vec()));
        names.take(MAX_NAMES).collect()
    }
}

pub(crate) fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

/// The key in a name of ours.
fn stem<'n>(name: &'n [u8], end: &str) -> Option<&'n [u8]> {
    let stem = name.strip_suffix(end.as_bytes())?;
    (stem.len() == 64 && stem.iter().all(u8::is_ascii_hexdigit)).then_some(stem)
}

const DATABASE: &str = ".wgdb";
const NOTES: &str = ".json";
/// Notes are some counts and lines.
const MAX_NOTES_BYTES: u64 = 1 << 20;
/// Names that are looked at: there are ten at most unless somebody put others there.
const MAX_NAMES: usize = 10_000;
/// How long a file is written at most.
const ABANDONED: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn open() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("made/watchglass")).unwrap();
        (folder, cache)
    }

    fn read(kept: Option<Kept>) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut kept = kept?;
        let mut bytes = Vec::new();
        kept.file.read_to_end(&mut bytes).unwrap();
        Some((bytes, kept.notes))
    }

    fn path(folder: &tempfile::TempDir, key: &Key) -> std::path::PathBuf {
        folder.path().join("made/watchglass").join(key.name(DATABASE))
    }

    #[test]
    fn what_was_put_is_got_under_its_key_alone() {
        let (_folder, cache) = open();
        let key = Key::default().with(b"ab").with(b"c");
        assert!(cache.get(&key).is_none());
        drop(cache.put(&key, b"database", b"notes").unwrap());
        assert_eq!(read(cache.get(&key)), Some((b"database".to_vec(), b"notes".to_vec())));
        assert!(cache.get(&Key::default().with(b"a").with(b"bc")).is_none());
    }

    #[test]
    fn those_last_used_are_kept() {
        let (_folder, cache) = open();
        let keys: Vec<Key> = (0_u8..4).map(|one| Key::default().with(&[one])).collect();
        for key in &keys[..3] {
            drop(cache.put(key, b"x", b"").unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(cache.get(&keys[0]).is_none());
        // Used just now, so that the third goes when the fourth comes.
        assert!(cache.get(&keys[1]).is_some());
        std::thread::sleep(Duration::from_millis(20));
        drop(cache.put(&keys[3], b"x", b"").unwrap());
        let there: Vec<bool> = keys.iter().map(|key| cache.get(key).is_some()).collect();
        assert_eq!(there, [false, true, false, true]);
    }

    #[test]
    fn an_entry_that_others_can_change_is_none() {
        let (folder, cache) = open();
        let key = Key::default().with(b"a");
        drop(cache.put(&key, b"x", b"").unwrap());
        let path = path(&folder, &key);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert!(cache.get(&key).is_none());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(cache.get(&key).is_some());
        let elsewhere = folder.path().join("elsewhere");
        std::fs::hard_link(&path, &elsewhere).unwrap();
        assert!(cache.get(&key).is_none());
        std::fs::remove_file(&path).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(cache.get(&key).is_none());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Cache::open(&path), Err(CacheError::NotPrivate { .. })));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(Cache::open(&link), Err(CacheError::Io { call: "open", .. })));
    }
}
