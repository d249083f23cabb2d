//! Verdicts of files that were clean.
//!
//! A file of a fixed number of places, each empty or a tag of sixteen bytes: a keyed hash of what a
//! file's content was (its SHA-256 and length) and of what it was clean for (database, engine,
//! settings). Nothing else is in it; that a tag is there is the verdict. Whoever has no key makes no
//! tag, so damage and strangers can only make verdicts be forgotten. It is read and written by place,
//! never mapped and never moved: several processes use it at once, and one that ends in the middle
//! leaves at worst a place that no tag equals.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use hmac::{Hmac, Mac as _};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use sha2::Sha256;

use crate::CacheError;
use crate::cache::{Cache, Key, is_ours};
use crate::whole::write_new_at;

/// Clean verdicts that were kept, for one database, engine and choice of settings.
#[derive(Debug)]
pub struct Verdicts {
    file: File,
    secret: Secret,
    context: [u8; 32],
}

/// Stands for a content that is clean in this context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag([u8; TAG_BYTES]);

/// Verdicts that are kept: two million, 32 MB at most.
pub const MAX_VERDICTS: u64 = BUCKETS * SLOTS as u64;

impl Verdicts {
    /// Opens the verdicts in the folder of a cache, which are begun if there are none. `context` is
    /// what they hold for.
    ///
    /// # Errors
    /// When a call fails, or what is there is not as this crate writes it; then it is left as it is.
    pub fn of_cache(cache: &Cache, context: &Key) -> Result<Self, CacheError> {
        Self::open_at(cache.folder(), OsStr::new("verdicts"), context)
    }

    /// The same at a path of the person's; the key lies beside it as `PATH.key`.
    ///
    /// # Errors
    /// As [`Verdicts::of_cache`].
    pub fn at_path(path: &Path, context: &Key) -> Result<Self, CacheError> {
        let shown = path.display().to_string();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty());
        let folder = folder.map_err(CacheError::io("open the folder of", &shown))?;
        let name = path.file_name();
        let name = name.ok_or_else(|| CacheError::io::<Errno>("openat", &shown)(Errno::ISDIR))?;
        Self::open_at(folder.as_fd(), name, context)
    }

    fn open_at(folder: BorrowedFd<'_>, name: &OsStr, context: &Key) -> Result<Self, CacheError> {
        let mut key_name = OsString::from(name);
        key_name.push(".key");
        let secret = Secret::open(folder, &key_name)?;
        let head = secret.head();
        let file = open_or_begin(folder, name, || Ok(head.to_vec()))?;
        let mut found = [0; HEAD_BYTES];
        match file.read_exact_at(&mut found, 0) {
            Ok(()) if found == head => {}
            Ok(()) => return Err(damaged(name)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(name));
            }
            Err(error) => return Err(CacheError::io("read", &name.display().to_string())(error)),
        }
        Ok(Self { file, secret, context: context.digest() })
    }

    /// The tag of a content: the SHA-256 of its bytes, and how many they are.
    #[must_use]
    pub fn tag(&self, sha256: &[u8; 32], bytes: u64) -> Tag {
        let whole = self.secret.mac(&[&self.context, sha256, &bytes.to_le_bytes()]);
        let mut tag = [0; TAG_BYTES];
        let (context, hash) = (&self.context[..CONTEXT_BYTES], &whole[..]);
        for (place, byte) in tag.iter_mut().zip(context.iter().chain(hash)) {
            *place = *byte;
        }
        Tag(tag)
    }

    /// Whether this content was clean. What cannot be read is not known. Costs one call.
    #[must_use]
    pub fn has(&self, tag: Tag) -> bool {
        self.bucket(tag).chunks_exact(TAG_BYTES).any(|slot| slot == tag.0)
    }

    /// Keeps that this content was clean, in the place of another verdict when all that it could have
    /// are taken: of another database or engine first. Costs two calls.
    ///
    /// # Errors
    /// As pwrite(2).
    pub fn put(&self, tag: Tag) -> io::Result<()> {
        let bucket = self.bucket(tag);
        let slots = || bucket.chunks_exact(TAG_BYTES);
        if slots().any(|slot| slot == tag.0) {
            return Ok(());
        }
        let is_free = |slot: &[u8]| slot.iter().all(|byte| *byte == 0);
        let is_other = |slot: &[u8]| slot.get(..CONTEXT_BYTES) != tag.0.get(..CONTEXT_BYTES);
        let any = usize::from(tag.0[TAG_BYTES - 1]) % SLOTS;
        let slot = slots().position(is_free).or_else(|| slots().position(is_other)).unwrap_or(any);
        let at = tag.bucket_at() + (slot * TAG_BYTES) as u64;
        self.file.write_all_at(&tag.0, at)
    }

    /// Zeros where the file has none.
    fn bucket(&self, tag: Tag) -> [u8; BUCKET_BYTES] {
        let mut bucket = [0; BUCKET_BYTES];
        // Short at the end of the file, and then what was read may end within a tag: no tag equals it.
        let _ = self.file.read_at(&mut bucket, tag.bucket_at());
        bucket
    }
}

impl Tag {
    fn bucket_at(self) -> u64 {
        let mut number = [0; 8];
        // Behind the bytes of the context, which are the same for all.
        number[..4].copy_from_slice(&self.0[CONTEXT_BYTES..CONTEXT_BYTES + 4]);
        HEAD_BYTES as u64 + (u64::from_le_bytes(number) % BUCKETS) * BUCKET_BYTES as u64
    }
}

/// What tags are made with.
struct Secret([u8; 32]);

impl Secret {
    fn open(folder: BorrowedFd<'_>, name: &OsStr) -> Result<Self, CacheError> {
        let shown = name.display().to_string();
        let random = || {
            let mut secret = [0; 32];
            let mut filled = 0;
            while filled < secret.len() {
                let flags = rustix::rand::GetRandomFlags::empty();
                let got = rustix::rand::getrandom(&mut secret[filled..], flags);
                filled += got.map_err(CacheError::io("getrandom for", &shown))?;
            }
            Ok(secret.to_vec())
        };
        let file = open_or_begin(folder, name, random)?;
        let mut secret = [0; 33];
        match file.read_at(&mut secret, 0) {
            Ok(32) => {
                let mut bytes = [0; 32];
                bytes.copy_from_slice(&secret[..32]);
                Ok(Self(bytes))
            }
            Ok(_) => Err(damaged(name)),
            Err(error) => Err(CacheError::io("read", &shown)(error)),
        }
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return [0; 32] };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// How a file begins: what it is, its version, and that it belongs to this key.
    fn head(&self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(MAGIC);
        head[8..16].copy_from_slice(&VERSION.to_le_bytes());
        head[32..64].copy_from_slice(&self.mac(&[b"watchglass verdicts"]));
        head
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

/// Opens a file of ours for reading and writing, which is made with these bytes if it is not there:
/// of several processes that make it at once, one does.
fn open_or_begin(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    begin: impl FnOnce() -> Result<Vec<u8>, CacheError>,
) -> Result<File, CacheError> {
    let shown = name.display().to_string();
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = || openat(folder, name, flags, Mode::empty());
    let file = match open() {
        Err(Errno::NOENT) => {
            write_new_at(folder, name, &begin()?, Mode::RUSR | Mode::WUSR)?;
            open()
        }
        opened => opened,
    };
    let file = file.map_err(CacheError::io("open", &shown))?;
    let stat = fstat(&file).map_err(CacheError::io("fstat", &shown))?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if regular && is_ours(&stat) && stat.st_mode & 0o077 == 0 && stat.st_nlink == 1 {
        Ok(File::from(file))
    } else {
        Err(CacheError::NotPrivateFile { path: shown.escape_debug().to_string() })
    }
}

fn damaged(name: &OsStr) -> CacheError {
    CacheError::Damaged { path: name.display().to_string().escape_debug().to_string() }
}

const MAGIC: &[u8; 8] = b"WGVERDCT";
const VERSION: u64 = 1;
/// Bytes before the first place: one page.
const HEAD_BYTES: usize = 4096;
const TAG_BYTES: usize = 16;
/// Of a tag, bytes that say for what context it is; the rest is of the keyed hash.
const CONTEXT_BYTES: usize = 1;
/// Places that one tag may have.
const SLOTS: usize = 16;
const BUCKET_BYTES: usize = SLOTS * TAG_BYTES;
const BUCKETS: u64 = 1 << 17;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;

    fn open(path: &Path, context: &[u8]) -> Result<Verdicts, CacheError> {
        Verdicts::at_path(path, &Key::default().with(context))
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verdicts");
        (folder, path)
    }

    fn tag(verdicts: &Verdicts, number: u64) -> Tag {
        verdicts.tag(&[7; 32], number)
    }

    #[test]
    fn what_was_put_is_there_for_its_context_alone() {
        let (_folder, path) = folder();
        let verdicts = open(&path, b"a").unwrap();
        assert!(!verdicts.has(tag(&verdicts, 1)));
        verdicts.put(tag(&verdicts, 1)).unwrap();
        assert!(verdicts.has(tag(&verdicts, 1)) && !verdicts.has(tag(&verdicts, 2)));
        let again = open(&path, b"a").unwrap();
        assert!(again.has(tag(&again, 1)));
        let other = open(&path, b"b").unwrap();
        assert!(!other.has(tag(&other, 1)));
        assert_ne!(tag(&other, 1), tag(&again, 1));
    }

    #[test]
    fn nothing_is_believed_of_another_key() {
        let (folder, path) = folder();
        let verdicts = open(&path, b"a").unwrap();
        verdicts.put(tag(&verdicts, 1)).unwrap();
        std::fs::remove_file(folder.path().join("verdicts.key")).unwrap();
        assert!(matches!(open(&path, b"a"), Err(CacheError::Damaged { .. })));
    }

    #[test]
    fn damage_is_told_or_forgets() {
        let (folder, path) = folder();
        let verdicts = open(&path, b"a").unwrap();
        for number in 0..100 {
            verdicts.put(tag(&verdicts, number)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let known =
            |verdicts: &Verdicts| (0..2000).filter(|one| verdicts.has(tag(verdicts, *one))).count();
        assert_eq!(known(&verdicts), 100);
        let mut noise = 0x9e37_79b9_u32;
        for round in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..round {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let place = HEAD_BYTES + noise as usize % (bytes.len() - HEAD_BYTES);
                bytes[place] ^= (noise >> 24) as u8 | 1;
            }
            bytes.truncate(bytes.len() - round * 97);
            std::fs::write(&path, &bytes).unwrap();
            assert!(known(&open(&path, b"a").unwrap()) <= 100);
        }
        for bytes in [&b""[..], b"something else", &[0; 5000]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(matches!(open(&path, b"a"), Err(CacheError::Damaged { .. })));
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left as it is");
        }
        std::fs::write(folder.path().join("verdicts.key"), "short").unwrap();
        assert!(matches!(open(&path, b"a"), Err(CacheError::Damaged { .. })));
    }

    #[test]
    fn files_that_others_can_change_are_refused() {
        let (folder, path) = folder();
        open(&path, b"a").unwrap();
        for name in ["verdicts", "verdicts.key"] {
            let file = folder.path().join(name);
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(open(&path, b"a"), Err(CacheError::NotPrivateFile { .. })));
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::fs::hard_link(&file, folder.path().join("second")).unwrap();
            assert!(matches!(open(&path, b"a"), Err(CacheError::NotPrivateFile { .. })));
            std::fs::remove_file(folder.path().join("second")).unwrap();
        }
        open(&path, b"a").unwrap();
    }

    #[test]
    fn its_size_is_bounded_and_old_contexts_go_first() {
        let (_folder, path) = folder();
        let old = open(&path, b"old").unwrap();
        let new = open(&path, b"newer").unwrap();
        assert_ne!(old.context[0], new.context[0], "else this test says nothing");
        // Tags that all belong into one bucket.
        let of = |verdicts: &Verdicts, number: u8| {
            let mut tag = [number; TAG_BYTES];
            tag[0] = verdicts.context[0];
            tag[1..5].copy_from_slice(&[1, 2, 3, 4]);
            Tag(tag)
        };
        for number in 0..100 {
            old.put(of(&old, number)).unwrap();
        }
        for number in 0..16 {
            new.put(of(&new, number)).unwrap();
        }
        let known =
            |verdicts: &Verdicts| (0..100).filter(|one| verdicts.has(of(verdicts, *one))).count();
        assert_eq!((known(&old), known(&new)), (0, 16));
        let most = HEAD_BYTES as u64 + MAX_VERDICTS * TAG_BYTES as u64;
        assert!(std::fs::metadata(&path).unwrap().len() <= most);
    }

    #[test]
    fn several_write_at_once() {
        let (_folder, path) = folder();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let path = &path;
                scope.spawn(move || {
                    let verdicts = open(path, b"a").unwrap();
                    for number in 0..500 {
                        verdicts.put(tag(&verdicts, thread * 500 + number)).unwrap();
                    }
                });
            }
        });
        let verdicts = open(&path, b"a").unwrap();
        let known = (0..2000).filter(|one| verdicts.has(tag(&verdicts, *one))).count();
        // Two that took one place at once lose one of theirs.
        assert!(known > 1900, "{known}");
    }
}
