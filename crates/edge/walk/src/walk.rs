//! The walk, depth first.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Dir, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use crate::policy::{
    CrossFilesystems, FollowLinks, HardLinks, MAX_DEPTH, Places, Policy, Recursion,
};

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
    /// Where its name stands; none unless [`Places::Keep`] is the policy.
    pub place: Option<Place>,
}

/// Where the name of a file stands, for whoever acts on the name.
#[derive(Debug)]
pub enum Place {
    /// A name in a folder.
    Entry {
        /// The folder, whatever path leads to it by now.
        folder: OwnedFd,
        /// The name, without a slash.
        name: CString,
    },
    /// A symbolic link led to it: the name that was looked up is the link's.
    Link,
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
    /// A file or folder that the caller does not want.
    Excluded,
}

/// Which files and folders the caller wants, by their paths; asked before they are opened.
pub trait Choice {
    /// Whether a file is looked into.
    fn takes_file(&self, path: &[u8]) -> bool;
    /// Whether a folder is entered.
    fn takes_folder(&self, path: &[u8]) -> bool;
}

/// All of them.
#[derive(Clone, Copy, Debug)]
pub struct All;

impl Choice for All {
    fn takes_file(&self, _: &[u8]) -> bool {
        true
    }

    fn takes_folder(&self, _: &[u8]) -> bool {
        true
    }
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
pub struct Walk<P, C> {
    paths: P,
    policy: Policy,
    choice: C,
    /// `/proc/self/fd`, by which a descriptor is opened again.
    descriptors: Option<OwnedFd>,
    stack: Vec<Level>,
    seen: HashSet<(u64, u64)>,
}

#[derive(Debug)]
struct Level {
    entries: Dir,
    path: Vec<u8>,
    identity: (u64, u64),
}

/// Who gave a name: a person, or a folder that is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Giver {
    Person,
    Folder,
}

impl<P: Iterator<Item = Vec<u8>>, C: Choice> Walk<P, C> {
    /// A walk through `paths`. Costs nothing before the first item.
    pub fn new(paths: P, policy: Policy, choice: C) -> Self {
        Self { paths, policy, choice, descriptors: None, stack: Vec::new(), seen: HashSet::new() }
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
        let (folder, name) = match part(&path) {
            Ok(parts) => parts,
            Err(error) => return Some(trouble(path, "openat", error)),
        };
        self.look(folder, name, path, Giver::Person)
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
            Ok(folder) => self.look(Some(folder), name, path, Giver::Folder),
            Err(error) => Some(Item::Trouble(Trouble { path, call: "dup", error })),
        }
    }

    /// Takes hold of what bears the name (`O_PATH`), which acts on nothing whatever it is, and tells
    /// by that what it is. Only then it is opened, by that hold and not by its name: nobody can put
    /// a FIFO or a device in its place between the two.
    fn look(
        &mut self,
        folder: Option<OwnedFd>,
        name: CString,
        path: Vec<u8>,
        giver: Giver,
    ) -> Option<Item> {
        let around = folder.as_ref().map_or(rustix::fs::CWD, |folder| folder.as_fd());
        let held = match Held::of(around, &name, OFlags::NOFOLLOW) {
            Ok(held) => held,
            Err(error) => return Some(trouble(path, "openat", error)),
        };
        if held.kind() != FileType::Symlink {
            let place = folder.map(|folder| Place::Entry { folder, name });
            return self.enter(held, path, giver, place);
        }
        // A link to nothing is a link.
        let Ok(target) = Held::of(around, &name, OFlags::empty()) else {
            return passed_over(path, PassedOver::Link);
        };
        let follow = match target.kind() {
            FileType::Directory => self.policy.folder_links,
            _ => self.policy.file_links,
        };
        match (follow, giver) {
            (FollowLinks::Always, _) | (FollowLinks::Named, Giver::Person) => {
                self.enter(target, path, giver, Some(Place::Link))
            }
            _ => passed_over(path, PassedOver::Link),
        }
    }

    fn enter(
        &mut self,
        held: Held,
        path: Vec<u8>,
        giver: Giver,
        place: Option<Place>,
    ) -> Option<Item> {
        match held.kind() {
            FileType::RegularFile if !self.choice.takes_file(&path) => {
                passed_over(path, PassedOver::Excluded)
            }
            FileType::RegularFile => self.file(&held, path, place),
            FileType::Directory
                if giver == Giver::Folder && self.policy.recursion == Recursion::No =>
            {
                passed_over(path, PassedOver::Folder)
            }
            FileType::Directory if !self.choice.takes_folder(&path) => {
                passed_over(path, PassedOver::Excluded)
            }
            FileType::Directory => self.folder(&held, path),
            FileType::Fifo => passed_over(path, PassedOver::Fifo),
            FileType::Socket => passed_over(path, PassedOver::Socket),
            // Held by following it, and a link again: somebody changes it just now.
            FileType::Symlink => passed_over(path, PassedOver::Link),
            _ => passed_over(path, PassedOver::Device),
        }
    }

    fn file(&mut self, held: &Held, path: Vec<u8>, place: Option<Place>) -> Option<Item> {
        let stat = &held.stat;
        if self.policy.hard_links == HardLinks::Once
            && stat.st_nlink > 1
            && !self.seen.insert((stat.st_dev, stat.st_ino))
        {
            return passed_over(path, PassedOver::HardLink);
        }
        match self.open_held(held) {
            Err(error) => Some(trouble(path, "openat", error)),
            Ok(opened) => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                let place = place.filter(|_| self.policy.places == Places::Keep);
                Some(Item::File(Regular { path, file: File::from(opened), size, place }))
            }
        }
    }

    /// Opens a regular file that is held for reading. There is no call for it but by procfs
    /// (open(2), `O_PATH`); whether that is procfs is asked once.
    fn open_held(&mut self, held: &Held) -> Result<OwnedFd, Errno> {
        let descriptors = match self.descriptors.take() {
            Some(descriptors) => descriptors,
            None => own_descriptors()?,
        };
        let number = held.hold.as_raw_fd().to_string();
        // Not to wait for who holds a lease of it (fcntl(2)).
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&descriptors, number, flags, Mode::empty());
        self.descriptors = Some(descriptors);
        opened
    }

    fn folder(&mut self, held: &Held, path: Vec<u8>) -> Option<Item> {
        let stat = &held.stat;
        let identity = (stat.st_dev, stat.st_ino);
        if self.stack.iter().any(|level| level.identity == identity) {
            return passed_over(path, PassedOver::Loop);
        }
        // clamscan counts the named folder as the first.
        if self.stack.len() >= self.policy.max_depth.min(MAX_DEPTH) {
            return passed_over(path, PassedOver::TooDeep);
        }
        let around = self.stack.last().map(|level| level.identity.0);
        if around != Some(stat.st_dev) && is_made_up(&held.hold) {
            return passed_over(path, PassedOver::KernelFilesystem);
        }
        if self.policy.cross == CrossFilesystems::No
            && around.is_some_and(|around| around != stat.st_dev)
        {
            return passed_over(path, PassedOver::OtherFilesystem);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match openat(&held.hold, ".", flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(error) => return Some(trouble(path, "openat", error)),
        };
        match Dir::new(opened) {
            Ok(entries) => self.stack.push(Level { entries, path, identity }),
            Err(error) => return Some(trouble(path, "getdents64", error)),
        }
        None
    }
}

impl<P: Iterator<Item = Vec<u8>>, C: Choice> Iterator for Walk<P, C> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.step()
    }
}

/// Something of which is known what it is, and which was not opened.
struct Held {
    hold: OwnedFd,
    stat: Stat,
}

impl Held {
    fn of(folder: BorrowedFd<'_>, name: &CString, follow: OFlags) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | follow;
        let hold = openat(folder, name, flags, Mode::empty())?;
        Ok(Self { stat: fstat(&hold)?, hold })
    }

    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// A path as its last name in the folder that holds it; whole, from the working folder on, where it
/// ends in no name (`/`, `..`, `a/`): a file has one.
fn part(path: &[u8]) -> Result<(Option<OwnedFd>, CString), Errno> {
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.split_at(slash.saturating_add(1)),
        None => (&b"."[..], path),
    };
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::INVAL);
    if matches!(name, b"" | b"." | b"..") {
        return Ok((None, text(path)?));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(text(parent)?, flags, Mode::empty())?;
    Ok((Some(folder), text(name)?))
}

fn own_descriptors() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptors = rustix::fs::open("/proc/self/fd", flags, Mode::empty())?;
    if rustix::fs::fstatfs(&descriptors)?.f_type == rustix::fs::PROC_SUPER_MAGIC {
        Ok(descriptors)
    } else {
        Err(Errno::NODEV)
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::All;

    #[test]
    fn what_is_held_is_opened_whatever_bears_its_name_by_now() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("name"), "held").unwrap();
        let opened = File::open(folder.path()).unwrap();
        let name = CString::new("name").unwrap();
        let held = Held::of(opened.as_fd(), &name, OFlags::NOFOLLOW).unwrap();
        std::fs::remove_file(folder.path().join("name")).unwrap();
        let path = folder.path().join("name");
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
        let mut walk = Walk::new(std::iter::empty(), Policy::default(), All);
        let Some(Item::File(mut file)) = walk.file(&held, Vec::new(), None) else {
            panic!("no file")
        };
        let mut text = String::new();
        file.file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "held");
    }
}
