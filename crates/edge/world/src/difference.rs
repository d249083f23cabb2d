//! How the world's files differ from those before the start.
//!
//! What is walked here was written by the subject, which may still run: names are bytes, links are
//! never followed, nothing but regular files is opened, and depth, number and bytes are bounded.
//! What a bound leaves out is said, so that nobody takes it for "no difference".

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use watchglass_events::{Change, Digest, FileKind, Name, What};

use crate::ids::Ids;
use crate::keeper::Compared;
use crate::messages::{Comparison, FromKeeper};
use crate::wire::Channel;

/// Walks every overlay and tells the lab.
pub(crate) fn tell(channel: &Channel, pieces: &[Compared], ids: Ids) -> io::Result<()> {
    let mut sink = |what| channel.send(&FromKeeper::Differs(Box::new(what)), &[]);
    let mut walk = Walk {
        ids,
        limits: LIMITS,
        comparison: Comparison::default(),
        sink: &mut sink,
        is_whole: false,
    };
    for piece in pieces {
        walk.piece(piece)?;
    }
    let comparison = walk.comparison;
    channel.send(&FromKeeper::Compared(comparison), &[])
}

/// What one comparison may cost.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Differences told.
    differences: u64,
    /// Folders below each other; each holds two descriptors while it is looked at.
    depth: usize,
    /// Bytes read for digests, of all files together.
    bytes: u64,
}

const LIMITS: Limits = Limits { differences: 1 << 20, depth: 200, bytes: 32 << 30 };
/// Larger files are sparse, since what is written is capped far below: they get no digest.
const MAX_FILE_BYTES: u64 = 8 << 30;
/// A small file's content goes into the record.
const MAX_INLINE_BYTES: u64 = 4096;
/// Things told as not looked at, and the length of each: together they fit a message.
const MAX_CUTS: usize = 100;
const MAX_CUT_BYTES: usize = 512;

struct Walk<'a> {
    ids: Ids,
    limits: Limits,
    comparison: Comparison,
    sink: &'a mut dyn FnMut(What) -> io::Result<()>,
    /// Whether the folders hold everything, and not only what was changed.
    is_whole: bool,
}

/// A folder that is being looked at.
struct Level {
    upper: OwnedFd,
    /// The same folder before the start; `None`: there was none, or nothing of it shows through.
    before: Option<OwnedFd>,
    /// Path in the world, without a leading `/`.
    path: Vec<u8>,
    /// Names still to be looked at, the next one last.
    names: Vec<CString>,
}

impl Walk<'_> {
    fn piece(&mut self, piece: &Compared) -> io::Result<()> {
        self.is_whole = piece.is_whole;
        let at = piece.at.as_os_str().as_bytes().to_vec();
        let upper = open_folder(piece.upper.as_fd(), c".")?;
        let before = open_folder(piece.before.as_fd(), c".")?;
        let mut stack = vec![self.level(upper, Some(before), at)?];
        while let Some(level) = stack.last_mut() {
            let Some(name) = level.names.pop() else {
                stack.pop();
                continue;
            };
            if self.comparison.differences >= self.limits.differences {
                self.cut(format!("more than {} differences", self.limits.differences));
                return Ok(());
            }
            if let Some(below) = self.entry(level, &name)? {
                if stack.len() < self.limits.depth {
                    stack.push(below);
                } else {
                    let path = Name::new(below.path);
                    self.cut(format!("/{path}: folders below are too deep"));
                }
            }
        }
        Ok(())
    }

    /// Lists a folder. Names that were there before and are hidden by an opaque folder are told as
    /// removed at once; one line stands for all that was in a folder.
    fn level(
        &mut self,
        upper: OwnedFd,
        before: Option<OwnedFd>,
        path: Vec<u8>,
    ) -> io::Result<Level> {
        let mut names = list(&upper)?;
        let mut level = Level { upper, before, path, names: Vec::new() };
        if self.is_whole || is_opaque(&level.upper) {
            let gone = level.before.as_ref().map(list).transpose()?.unwrap_or_default();
            let present: BTreeSet<_> = names.iter().collect();
            for name in gone.iter().filter(|name| !present.contains(name)) {
                self.removed(&level, name)?;
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        level.names = names;
        Ok(level)
    }

    /// Looks at one name; returns the folder to look at next when it is one.
    fn entry(&mut self, level: &Level, name: &CStr) -> io::Result<Option<Level>> {
        let stat = match rustix::fs::statat(&level.upper, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // The subject removed it a moment ago.
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if is_whiteout(&stat) {
            self.removed(level, name)?;
            return Ok(None);
        }
        let before = level.before.as_ref().and_then(|before| stat_of(before, name));
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return self.folder(level, name, &stat, before.as_ref());
        }
        self.file(level, name, &stat, before.as_ref())?;
        Ok(None)
    }

    fn folder(
        &mut self,
        level: &Level,
        name: &CStr,
        stat: &Stat,
        before: Option<&Stat>,
    ) -> io::Result<Option<Level>> {
        let was_folder = before.filter(|was| kind_of(was) == FileKind::Directory);
        match (before, was_folder) {
            (None, _) => self.tell(level, name, Change::Added, stat, Content::default())?,
            // A folder is copied up as soon as something in it changes: that alone says nothing.
            (Some(_), Some(was)) if same_attributes(was, stat) => {}
            (Some(_), _) => self.tell(level, name, Change::Modified, stat, Content::default())?,
        }
        let upper = match open_folder(level.upper.as_fd(), name) {
            Ok(upper) => upper,
            Err(error) => {
                self.cut(format!("/{}: {error}", Name::new(join(&level.path, name))));
                return Ok(None);
            }
        };
        let before = match (was_folder, &level.before) {
            (Some(_), Some(before)) => open_folder(before.as_fd(), name).ok(),
            _ => None,
        };
        self.level(upper, before, join(&level.path, name)).map(Some)
    }

    fn file(
        &mut self,
        level: &Level,
        name: &CStr,
        stat: &Stat,
        before: Option<&Stat>,
    ) -> io::Result<()> {
        let content = self.content(&level.upper, name, stat);
        let Some(was) = before else {
            return self.tell(level, name, Change::Added, stat, content);
        };
        if self.is_same(level, name, stat, was, &content) {
            return Ok(());
        }
        self.tell(level, name, Change::Modified, stat, content)
    }

    /// A file that was opened for writing is copied up even when nothing was written.
    fn is_same(
        &mut self,
        level: &Level,
        name: &CStr,
        stat: &Stat,
        was: &Stat,
        content: &Content,
    ) -> bool {
        let Some(before) = &level.before else { return false };
        let alike = kind_of(was) == kind_of(stat) && same_attributes(was, stat);
        if !alike || was.st_size != stat.st_size {
            return false;
        }
        match kind_of(stat) {
            FileKind::Regular => {
                content.digest.is_some() && self.content(before, name, was).digest == content.digest
            }
            FileKind::Symlink => {
                target(before, name).is_some_and(|was| Some(was) == target(&level.upper, name))
            }
            _ => true,
        }
    }

    fn removed(&mut self, level: &Level, name: &CStr) -> io::Result<()> {
        match level.before.as_ref().and_then(|before| stat_of(before, name)) {
            Some(was) => self.tell(level, name, Change::Removed, &was, Content::default()),
            // It was made and removed again.
            None => Ok(()),
        }
    }

    fn tell(
        &mut self,
        level: &Level,
        name: &CStr,
        change: Change,
        stat: &Stat,
        content: Content,
    ) -> io::Result<()> {
        self.comparison.differences += 1;
        let mut path = vec![b'/'];
        path.extend(join(&level.path, name));
        (self.sink)(What::Differs {
            path: Name::new(path),
            change,
            kind: kind_of(stat),
            mode: stat.st_mode & 0o7777,
            uid: self.ids.inside(stat.st_uid),
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            digest: content.digest,
            content: content.inline.map(Name::new),
        })
    }

    /// Says what was not looked at, within bounds: the subject can bring about any number of these.
    fn cut(&mut self, mut text: String) {
        let known = self.comparison.cut.len();
        if known < MAX_CUTS {
            let end = text.floor_char_boundary(MAX_CUT_BYTES);
            text.truncate(end);
            self.comparison.cut.push(text);
        } else if known == MAX_CUTS {
            self.comparison.cut.push("and more".to_owned());
        }
    }

    /// The digest of a regular file; a link's target stands as its content.
    fn content(&mut self, folder: &OwnedFd, name: &CStr, stat: &Stat) -> Content {
        match kind_of(stat) {
            FileKind::Symlink => Content { digest: None, inline: target(folder, name) },
            FileKind::Regular => self.regular(folder, name).unwrap_or_else(|error| {
                self.cut(format!("{}: {error}", Name::new(name.to_bytes())));
                Content::default()
            }),
            _ => Content::default(),
        }
    }

    fn regular(&mut self, folder: &OwnedFd, name: &CStr) -> io::Result<Content> {
        // Without waiting, should a FIFO have taken the place of the file since it was looked at.
        let flags =
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if kind_of(&stat) != FileKind::Regular {
            return Err(io::Error::other("it became something else while it was looked at"));
        }
        if length > MAX_FILE_BYTES || length > self.limits.bytes {
            return Err(io::Error::other(format!("{length} bytes are too many for a digest")));
        }
        // A file that grows meanwhile is read to the length it had.
        self.limits.bytes -= length;
        read_whole(file, length)
    }
}

/// What is told of a file beside its attributes.
#[derive(Clone, Debug, Default)]
struct Content {
    digest: Option<Digest>,
    inline: Option<Vec<u8>>,
}

fn read_whole(file: OwnedFd, length: u64) -> io::Result<Content> {
    let mut reader = File::from(file).take(length);
    let mut hash = Sha256::new();
    let mut inline = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        if length <= MAX_INLINE_BYTES {
            inline.extend_from_slice(part);
        }
    }
    let inline = (length <= MAX_INLINE_BYTES).then_some(inline);
    Ok(Content { digest: Some(Digest(hash.finalize().into())), inline })
}

fn open_folder(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve)?)
}

fn list(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn stat_of(folder: &OwnedFd, name: &CStr) -> Option<Stat> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

fn target(folder: &OwnedFd, name: &CStr) -> Option<Vec<u8>> {
    Some(rustix::fs::readlinkat(folder, name, Vec::new()).ok()?.into_bytes())
}

/// overlayfs marks a removed name by a device with the number 0. Inside the world none can be made.
fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// A folder that replaced another one: nothing of what was there before shows through. The mark is
/// in `trusted.` for the machine's root and in `user.` for others, and is hidden from the subject.
fn is_opaque(folder: &OwnedFd) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|mark| {
        let mut value = [0; 8];
        rustix::fs::fgetxattr(folder, *mark, &mut value[..])
            .is_ok_and(|length| length == 1 && value[0] == b'y')
    })
}

fn same_attributes(was: &Stat, stat: &Stat) -> bool {
    (was.st_mode, was.st_uid, was.st_gid) == (stat.st_mode, stat.st_uid, stat.st_gid)
}

fn kind_of(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Pipe,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
        FileType::Unknown => FileKind::Other,
    }
}

fn join(folder: &[u8], name: &CStr) -> Vec<u8> {
    Path::new(std::ffi::OsStr::from_bytes(folder))
        .join(std::ffi::OsStr::from_bytes(name.to_bytes()))
        .into_os_string()
        .into_encoded_bytes()
}
