//! A world without namespaces, for machines that refuse them: a scratch folder stands for its root,
//! Landlock and a seccomp filter for its walls.
//!
//! It holds less than a world does. What may be read beside the scratch folder is a short list
//! ([`READABLE`]); the subject sees the machine's processes and clock, has the lab's own user, and
//! finds its files only with a tracer that leads its paths. What reaches others must be made by the
//! tracer: the filter hands those calls over, and where nobody traces they fail.

mod filter;

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use watchglass_sys::landlock::{Access, Ruleset};

pub(crate) use filter::program;

use crate::RootError;
use crate::ids::Ids;
use crate::keeper::{Compared, Tree, Writer};
use crate::layer::{Attributes, Entries};
use crate::messages::{AtStep, Failure};
use crate::names::WorldName;

/// Folders of the machine that a world in place does not show: a tracer leads them to the scratch
/// folder whether or not what is asked for is there.
pub const IN_PLACE_FOLDERS: &[&str] =
    &["/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"];

/// How a tracer gets hold of the subject's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// It takes duplicates by pidfd_getfd(2).
    Taken,
    /// Where that is refused: it has the subject send them, through the channel that every process
    /// of the world holds as descriptor [`IN_PLACE_CHANNEL`]. A program that closes it reaches
    /// nobody any more.
    Sent,
}

/// Descriptor of the subject's end of the channel of [`Sockets::Sent`].
pub const IN_PLACE_CHANNEL: i32 = 100;

/// Puts the subject's end of the channel where the tracer expects it, to survive `exec`.
pub(crate) fn place_channel(channel: &OwnedFd) -> io::Result<OwnedFd> {
    let placed = rustix::io::fcntl_dupfd_cloexec(channel, IN_PLACE_CHANNEL)?;
    if placed.as_raw_fd() != IN_PLACE_CHANNEL {
        return Err(io::Error::other(format!("descriptor {IN_PLACE_CHANNEL} is taken")));
    }
    rustix::io::fcntl_setfd(&placed, rustix::io::FdFlags::empty())?;
    Ok(placed)
}

/// What of the machine may be read, and run where it is a program.
const READABLE: &[&str] = &[
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/sbin",
    "/usr",
    "/etc/alternatives",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/services",
    // And not /etc/ssl/private.
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];
/// Landlock itself refuses what of other processes only a tracer may see.
const LISTED: &[&str] = &["/proc"];
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Builds the files of a world in `base`, which is made.
pub(crate) fn build(base: &Path, ids: Ids, entries: &mut Entries) -> Result<Tree, Failure> {
    let (root, before) = (base.join(ROOT), base.join("before"));
    let private = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
    private(base).at(format!("making {}", base.display()))?;
    private(&root).at("making the scratch folder")?;
    let opened = open_folder(&root).at("opening the scratch folder")?;
    let writer = Writer::of_one_user(opened.as_fd(), ids);
    for (path, mode) in SKELETON {
        let folder = writer.folder(Path::new(path), Attributes::of_root(*mode));
        folder.at(format!("making {path}"))?;
    }
    writer.entries(entries)?;
    copy(&root, &before).at("keeping what was there before")?;
    let pieces = vec![Compared {
        at: PathBuf::new(),
        upper: open_folder(&root).at("opening the scratch folder")?,
        before: open_folder(&before).at("opening what was there before")?,
        is_whole: true,
    }];
    Ok(Tree { root: opened, path: root, pieces })
}

/// Removes what dead labs left in `parent`. Returns the names.
///
/// # Errors
/// [`RootError`] when something cannot be removed.
pub fn sweep_in_place(parent: &Path) -> Result<Vec<String>, RootError> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dead = WorldName::parse(&name).is_some_and(|name| !name.lab_lives());
        if is_dead && is_own(&entry.path()) {
            remove(&entry.path()).map_err(RootError::io(&entry.path()))?;
            swept.push(name);
        }
    }
    Ok(swept)
}

/// Another user's leftovers are theirs to sweep, and a name alone proves nothing in a folder where
/// anybody may make one.
fn is_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

/// Removes a world's folder, whatever modes its subject gave what it made.
pub(crate) fn remove(base: &Path) -> io::Result<()> {
    let mut folders = vec![base.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&folder)?.flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(below.map(|entry| entry.path()));
    }
    fs::remove_dir_all(base)
}

/// Holds this process, before its `exec`, to the scratch folder. `program` is what it will run, if
/// that lies elsewhere.
pub(crate) fn restrict(root: &Path, program: Option<&OwnedFd>) -> io::Result<()> {
    let rules = Ruleset::of_everything()?;
    rules.allow(open_folder(root)?, Access::ALL, true)?;
    let lists = [(READABLE, Access::RUN), (LISTED, Access::READ), (DEVICES, Access::WRITE)];
    for (paths, access) in lists {
        for path in paths {
            // What is not there needs no rule.
            let Ok(place) = open_place(Path::new(path)) else { continue };
            let stat = rustix::fs::fstat(&place)?;
            let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
            rules.allow(place, access, kind == rustix::fs::FileType::Directory)?;
        }
    }
    if let Some(program) = program {
        rules.allow(program, Access::RUN, false)?;
    }
    rules.restrict()
}

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn open_place(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Copies what the lab laid, which holds files, folders and links alone.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    let mut modes = Vec::new();
    while let Some((from, to)) = folders.pop() {
        fs::create_dir(&to)?;
        modes.push((to.clone(), fs::metadata(&from)?.permissions()));
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                folders.push((entry.path(), to));
            } else if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, to)?;
            } else {
                fs::copy(entry.path(), to)?;
            }
        }
    }
    modes.into_iter().try_for_each(|(folder, mode)| fs::set_permissions(folder, mode))
}

/// The scratch folder in a world's folder.
pub(crate) const ROOT: &str = "root";

/// Folders that programs expect.
const SKELETON: &[(&str, u32)] = &[
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/tmp", 0o1777),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/tmp", 0o1777),
];
