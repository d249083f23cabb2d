//! Writing the layer into the merged view of a root.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::ids::Ids;
use crate::layer::{Attributes, Entries, Header, Kind};
use crate::messages::{AtStep, Failure};

/// Writes as the world's users below one folder, whatever links the root holds.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    root: BorrowedFd<'a>,
    ids: Ids,
    /// Whether everything belongs to the one user there is, and what is not there is the machine's.
    is_in_place: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(root: BorrowedFd<'a>, ids: Ids) -> Self {
        Self { root, ids, is_in_place: false }
    }

    /// A writer for a world without namespaces.
    pub(crate) fn of_one_user(root: BorrowedFd<'a>, ids: Ids) -> Self {
        Self { root, ids, is_in_place: true }
    }

    /// Writes every entry of a layer.
    pub(crate) fn entries(&self, entries: &mut Entries) -> Result<(), Failure> {
        while let Some(header) = entries.next().at("reading the layer")? {
            self.entry(&header, entries).at(format!("laying {}", header.path))?;
        }
        Ok(())
    }

    /// Makes `/dev`: a place for every device to be mounted on, and the usual links.
    pub(crate) fn devices(&self, devices: &[&str]) -> Result<(), Failure> {
        let lay = || -> io::Result<()> {
            for name in devices.iter().chain(&["console", "ptmx"]) {
                self.remove(Path::new("/dev").join(name).as_path())?;
            }
            for name in devices {
                self.file(
                    &Path::new("/dev").join(name),
                    Attributes::of_root(0o666),
                    &mut io::empty(),
                )?;
            }
            for folder in ["/dev", "/dev/pts", "/proc", "/sys"] {
                self.folder(Path::new(folder), Attributes::of_root(0o755))?;
            }
            self.folder(Path::new("/dev/shm"), Attributes::of_root(0o1777))?;
            for (name, target) in DEVICE_LINKS {
                self.symlink(&Path::new("/dev").join(name), target)?;
            }
            Ok(())
        };
        lay().at("laying /dev")
    }

    fn entry(&self, header: &Header, entries: &mut Entries) -> io::Result<()> {
        let path = Path::new(&header.path);
        let mut content = entries.content(header);
        match header.kind {
            Kind::File(attributes) => self.file(path, attributes, &mut content)?,
            Kind::Append => self.append(path, &mut content)?,
            Kind::Folder(attributes) => self.folder(path, attributes)?,
            Kind::Symlink => {
                let mut target = String::new();
                content.read_to_string(&mut target)?;
                self.symlink(path, &target)?;
            }
            Kind::Hide => self.remove(path)?,
        }
        Ok(())
    }

    pub(crate) fn file(
        &self,
        path: &Path,
        attributes: Attributes,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        unlink_if_there(&parent, name)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file =
            File::from(rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600))?);
        io::copy(content, &mut file)?;
        self.give(file.as_fd(), attributes)
    }

    pub(crate) fn folder(&self, path: &Path, attributes: Attributes) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let folder = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        self.give(folder.as_fd(), attributes)
    }

    pub(crate) fn symlink(&self, path: &Path, target: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        unlink_if_there(&parent, name)?;
        rustix::fs::symlinkat(target, &parent, name)?;
        let (uid, gid) = self.owners(0, 0);
        rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    fn append(&self, path: &Path, content: &mut dyn Read) -> io::Result<()> {
        match self.open(path, OFlags::WRONLY | OFlags::APPEND) {
            Ok(file) => io::copy(content, &mut File::from(file)).map(drop),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let before = self.machines(path);
                let mut content = before.as_slice().chain(content);
                self.file(path, Attributes::of_root(0o644), &mut content)
            }
            Err(error) => Err(error),
        }
    }

    /// What the machine's own file holds, where the world has the machine's files.
    fn machines(&self, path: &Path) -> Vec<u8> {
        let whole = if self.is_in_place { std::fs::read(path) } else { Ok(Vec::new()) };
        whole.unwrap_or_default()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        remove_tree(&parent, name)
    }

    /// The folder that holds `path`, made with all above it where it is missing.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p Path)> {
        let name = path.file_name().ok_or_else(|| io::Error::other("a path without a name"))?;
        let mut so_far = std::path::PathBuf::from("/");
        let mut folder = self.open(&so_far, OFlags::PATH | OFlags::DIRECTORY)?;
        for part in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(part) = part else { continue };
            so_far.push(part);
            folder = match self.open(&so_far, OFlags::PATH | OFlags::DIRECTORY) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o755))?;
                    let (uid, gid) = self.owners(0, 0);
                    rustix::fs::chownat(&folder, part, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.open(&so_far, OFlags::PATH | OFlags::DIRECTORY)?
                }
                opened => opened?,
            };
        }
        Ok((folder, Path::new(name)))
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?)
    }

    fn give(&self, file: BorrowedFd<'_>, attributes: Attributes) -> io::Result<()> {
        let (uid, gid) = self.owners(attributes.uid, attributes.gid);
        rustix::fs::fchown(file, uid, gid)?;
        // After the owner, since a change of owner takes the setuid bit away.
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(attributes.mode))?)
    }

    fn owners(&self, uid: u32, gid: u32) -> (Option<Uid>, Option<Gid>) {
        if self.is_in_place {
            return (None, None);
        }
        (Some(Uid::from_raw(self.ids.outside(uid))), Some(Gid::from_raw(self.ids.outside(gid))))
    }
}

fn unlink_if_there(parent: &OwnedFd, name: &Path) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Recursion is as deep as the root's folders, which are ours.
fn remove_tree(parent: &OwnedFd, name: &Path) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let child = entry.file_name();
        if child != c"." && child != c".." {
            use std::os::unix::ffi::OsStrExt;
            remove_tree(&folder, Path::new(std::ffi::OsStr::from_bytes(child.to_bytes())))?;
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

const DEVICE_LINKS: &[(&str, &str)] = &[
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
