//! The walk, depth first.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::policy::{CrossFilesystems, FollowLinks, HardLinks, MAX_DEPTH, Policy, Recursion};

/// What a walk comes upon. Paths are those the person gave with the names below them, in bytes.
#[derive(Debug)]
pub enum Item {
    /// A regular file, open for reading.
    File(Regular),
    /// Something that is not looked into, as the policy or its kind has it.
    PassedOver {
        /// Where.
        path: Vec<u8>,
        /// Why.
        why: PassedOver,
    },
    /// Something that should have been looked into and could not be.
    Trouble(Trouble),
}

/// A regular file that was opened.
#[derive(Debug)]
pub struct Regular {
    /// Where it was.
    pub path: Vec<u8>,
    /// Open for reading.
    pub file: File,
    /// Its bytes, as it was opened.
    pub size: u64,
}

/// Why something is not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassedOver {
    /// A symbolic link that is not followed.
    Link,
    /// A link to a folder around it.
    Loop,
    /// A FIFO, which has no content of its own.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
    /// A folder, where folders are not entered.
    Folder,
    /// A folder too deep in others.
    TooDeep,
    /// A folder of another filesystem.
    OtherFilesystem,
    /// A folder that the kernel makes up.
    KernelFilesystem,
    /// A file that was an item under another name.
    HardLink,
}

/// What could not be looked into.
#[derive(Debug)]
pub struct Trouble {
    /// Where.
    pub path: Vec<u8>,
    /// The call that failed.
    pub call: &'static str,
    /// Its error. `NotFound` below a named path: it vanished meanwhile.
    pub error: io::Error,
}

/// Goes through one path after another. An iterator that ends.
#[derive(Debug)]
pub struct Walk<P> {
    paths: P,
    policy: Policy,
    stack: Vec<Level>,
    seen: HashSet<(u64, u64)>,
}

#[derive(Debug)]
struct Level {
    entries: Dir,
    path: Vec<u8>,
    identity: (u64, u64),
}

/// Where an entry stands: named by a person, or in a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Named,
    Inside,
}

impl<P: Iterator<Item = Vec<u8>>> Walk<P> {
    /// A walk through `paths`. Costs nothing before the first item.
    pub fn new(paths: P, policy: Policy) -> Self {
        Self { paths, policy, stack: Vec::new(), seen: HashSet::new() }
    }

    fn step(&mut self) -> Option<Item> {
        loop {
            let Some(level) = self.stack.last_mut() else {
                let path = self.paths.next()?;
                match self.named(path) {
                    None => continue,
                    item => return item,
                }
            };
            let item = match level.entries.read() {
                None => {
                    self.stack.pop();
                    None
                }
                Some(Err(error)) => {
                    let path = level.path.clone();
                    self.stack.pop();
                    Some(trouble(path, "getdents64", error))
                }
                Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
                Some(Ok(entry)) => {
                    let name = entry.file_name().to_owned();
                    self.inside(name)
                }
            };
            if item.is_some() {
                return item;
            }
        }
    }

    fn named(&mut self, path: Vec<u8>) -> Option<Item> {
        let Ok(name) = CString::new(path.clone()) else {
            return Some(trouble(path, "openat", Errno::INVAL));
        };
        self.look(rustix::fs::CWD, name, path, Place::Named)
    }

    fn inside(&mut self, name: CString) -> Option<Item> {
        let level = self.stack.last()?;
        let path = join(&level.path, name.as_bytes());
        // A descriptor of its own, since the stack grows while this one is used.
        let folder = match level.entries.fd() {
            Ok(folder) => folder.try_clone_to_owned(),
            Err(error) => Err(error.into()),
        };
        match folder {
            Ok(folder) => self.look(folder.as_fd(), name, path, Place::Inside),
            Err(error) => Some(Item::Trouble(Trouble { path, call: "dup", error })),
        }
    }

    fn look(
        &mut self,
        folder: BorrowedFd<'_>,
        name: CString,
        path: Vec<u8>,
        place: Place,
    ) -> Option<Item> {
        let stat = match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return Some(trouble(path, "fstatat", error)),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Symlink {
            return self.enter(folder, &name, path, place, kind, OFlags::NOFOLLOW);
        }
        let target = match statat(folder, &name, AtFlags::empty()) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            // A link to nothing.
            Err(_) => return passed_over(path, PassedOver::Link),
        };
        let follow = match target {
            FileType::Directory => self.policy.folder_links,
            _ => self.policy.file_links,
        };
        match (follow, place) {
            (FollowLinks::Always, _) | (FollowLinks::Named, Place::Named) => {
                self.enter(folder, &name, path, place, target, OFlags::empty())
            }
            _ => passed_over(path, PassedOver::Link),
        }
    }

    /// Opens what is known to be of `kind`, unless its kind is not opened.
    fn enter(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CString,
        path: Vec<u8>,
        place: Place,
        kind: FileType,
        follow: OFlags,
    ) -> Option<Item> {
        if let Some(why) = unopened(kind) {
            return passed_over(path, why);
        }
        if kind == FileType::Directory
            && place == Place::Inside
            && self.policy.recursion == Recursion::No
        {
            return passed_over(path, PassedOver::Folder);
        }
        // Not to block, and not to get a terminal, should it be another thing by now.
        let careful = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = openat(folder, name, OFlags::RDONLY | careful | follow, Mode::empty());
        let opened = opened.and_then(|opened| Ok((fstat(&opened)?, opened)));
        match opened {
            Err(error) => Some(trouble(path, "openat", error)),
            Ok((stat, opened)) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => self.file(opened, &stat, path),
                FileType::Directory => self.folder(opened, &stat, path),
                other => passed_over(path, unopened(other).unwrap_or(PassedOver::Device)),
            },
        }
    }

    fn file(&mut self, opened: OwnedFd, stat: &Stat, path: Vec<u8>) -> Option<Item> {
        if self.policy.hard_links == HardLinks::Once
            && stat.st_nlink > 1
            && !self.seen.insert((stat.st_dev, stat.st_ino))
        {
            return passed_over(path, PassedOver::HardLink);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Some(Item::File(Regular { path, file: File::from(opened), size }))
    }

    fn folder(&mut self, opened: OwnedFd, stat: &Stat, path: Vec<u8>) -> Option<Item> {
        let identity = (stat.st_dev, stat.st_ino);
        if self.stack.iter().any(|level| level.identity == identity) {
            return passed_over(path, PassedOver::Loop);
        }
        // clamscan counts the named folder as the first.
        if self.stack.len() >= self.policy.max_depth.min(MAX_DEPTH) {
            return passed_over(path, PassedOver::TooDeep);
        }
        let around = self.stack.last().map(|level| level.identity.0);
        if around != Some(stat.st_dev) && is_made_up(&opened) {
            return passed_over(path, PassedOver::KernelFilesystem);
        }
        if self.policy.cross == CrossFilesystems::No
            && around.is_some_and(|around| around != stat.st_dev)
        {
            return passed_over(path, PassedOver::OtherFilesystem);
        }
        match Dir::new(opened) {
            Ok(entries) => self.stack.push(Level { entries, path, identity }),
            Err(error) => return Some(trouble(path, "getdents64", error)),
        }
        None
    }
}

impl<P: Iterator<Item = Vec<u8>>> Iterator for Walk<P> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.step()
    }
}

fn unopened(kind: FileType) -> Option<PassedOver> {
    match kind {
        FileType::RegularFile | FileType::Directory => None,
        FileType::Fifo => Some(PassedOver::Fifo),
        FileType::Socket => Some(PassedOver::Socket),
        // Replaced by a link just now: as if it had been one.
        FileType::Symlink => Some(PassedOver::Link),
        _ => Some(PassedOver::Device),
    }
}

/// Whether the kernel makes up what is in there (statfs(2) lists the numbers).
fn is_made_up(folder: &OwnedFd) -> bool {
    rustix::fs::fstatfs(folder).is_ok_and(|stat| MADE_UP.contains(&stat.f_type))
}

/// procfs, sysfs, debugfs, tracefs, cgroup 1 and 2, securityfs, bpf, pstore.
const MADE_UP: [rustix::fs::FsWord; 9] = [
    rustix::fs::PROC_SUPER_MAGIC,
    0x6265_6572,
    0x6462_6720,
    0x7472_6163,
    0x0027_e0eb,
    0x6367_7270,
    0x7363_6673,
    0xcafe_4a11,
    0x6165_676c,
];

fn passed_over(path: Vec<u8>, why: PassedOver) -> Option<Item> {
    Some(Item::PassedOver { path, why })
}

fn trouble(path: Vec<u8>, call: &'static str, error: Errno) -> Item {
    Item::Trouble(Trouble { path, call, error: error.into() })
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + 1 + name.len());
    path.extend_from_slice(folder);
    if !folder.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
