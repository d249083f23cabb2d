//! The world's files: overlays over a root, put together in the keeper's mount namespace.
//!
//! Everything here is mounted below a private tmpfs over `/tmp` that vanishes with the namespace:
//!
//! ```text
//! /tmp/lower/N    piece N of the root, owners mapped; or an empty folder
//! /tmp/middle/N   the layer over piece N
//! /tmp/upper/N    what the subject writes (a tmpfs of its own, with a cap)
//! /tmp/world      the result
//! ```
//!
//! A root of packages is one piece. The machine's own root has a piece for every folder that is
//! shown, because an overlay does not look into mounts below its lower folder, and because what is
//! not listed is then not there, rather than hidden.
//!
//! Measured on Linux 6.18: a detached mount from `open_tree` takes `MOUNT_ATTR_IDMAP` (≥ 5.12; over
//! tmpfs ≥ 6.3; not over overlayfs), and an overlay takes such mounts as lower layers (≥ 5.19) once
//! they are attached somewhere. An ordinary user can mount overlays in a user namespace (≥ 5.11)
//! with `userxattr`, over a tmpfs from 6.6 on; mapping owners is refused there, so that files of
//! the machine's root belong to nobody inside.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, XattrFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use watchglass_sys::namespace;

use super::fill;
use crate::ids::{Ids, Keeper};
use crate::layer::Entries;
use crate::messages::{AtStep, Blueprint, Failure, Root};
use crate::root::host;

/// The finished world and what is needed to compare it later.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The world's root as the keeper sees it.
    pub(crate) root: OwnedFd,
    /// Where the world's root is mounted.
    pub(crate) path: PathBuf,
    /// Every overlay with what it was before.
    pub(crate) pieces: Vec<Compared>,
}

/// One overlay of the world.
#[derive(Debug)]
pub(crate) struct Compared {
    /// Where it stands in the world, without a leading `/`.
    pub(crate) at: PathBuf,
    /// What the subject wrote.
    pub(crate) upper: OwnedFd,
    /// The same place before the subject started.
    pub(crate) before: OwnedFd,
    /// Whether `upper` holds everything, and not only what was changed.
    pub(crate) is_whole: bool,
}

/// A part of the root that one overlay covers.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Where it goes in the world, without a leading `/`.
    pub(crate) at: PathBuf,
    /// The folder on the machine; `None`: an empty one.
    pub(crate) from: Option<PathBuf>,
    /// Folders directly in it that are shown empty.
    pub(crate) hidden: Vec<&'static str>,
}

/// Builds the world's files. The caller is in a mount namespace that is not yet used by others.
pub(crate) fn build(
    blueprint: &Blueprint,
    users: &OwnedFd,
    entries: &mut Entries,
) -> Result<Tree, Failure> {
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    rustix::mount::mount_change("/", private).at("parting the mounts from the machine's")?;
    let pieces = pieces(&blueprint.root);
    let lowers = open_lowers(&pieces, users, blueprint.ids)?;
    let devices = open_devices()?;
    stage(&blueprint.limits, lowers)?;
    let layers = Layers { ids: blueprint.ids, pieces };
    fill_middle(&layers, blueprint, entries)?;
    let compared = layers.world()?;
    attach_devices(&devices, blueprint.ids)?;
    let root =
        rustix::fs::open(WORLD, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .at("opening the world")?;
    Ok(Tree { root, path: PathBuf::from(WORLD), pieces: compared })
}

fn pieces(root: &Root) -> Vec<Piece> {
    match root {
        Root::Folder(folder) => {
            vec![Piece { at: PathBuf::new(), from: Some(folder.clone()), hidden: Vec::new() }]
        }
        Root::Host | Root::InPlace(_) => host::pieces(),
    }
}

/// Opens the folders of the machine before anything is mounted over them.
fn open_lowers(
    pieces: &[Piece],
    users: &OwnedFd,
    ids: Ids,
) -> Result<Vec<Option<OwnedFd>>, Failure> {
    let mut lowers = Vec::new();
    for piece in pieces {
        let lower = piece.from.as_ref().map(|from| open_lower(from, users, ids)).transpose()?;
        lowers.push(lower);
    }
    Ok(lowers)
}

fn open_lower(from: &Path, users: &OwnedFd, ids: Ids) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount =
        rustix::mount::open_tree(CWD, from, flags).at(format!("open_tree {}", from.display()))?;
    let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY;
    namespace::set_mount_attributes(mount.as_fd(), read_only).at("making the root read-only")?;
    if ids.keeper == Keeper::Root {
        namespace::map_owners(mount.as_fd(), users.as_fd()).at(format!(
            "mapping the owners of {} (the file system must be able to, as ext4, xfs, btrfs and \
             tmpfs are)",
            from.display()
        ))?;
    }
    Ok(mount)
}

fn stage(limits: &crate::Limits, lowers: Vec<Option<OwnedFd>>) -> Result<(), Failure> {
    let staging = tmpfs(MIDDLE_BYTES, MIDDLE_FILES).at("tmpfs for the layer")?;
    attach(&staging, Path::new(STAGE)).at("mounting the layer's tmpfs")?;
    let upper = tmpfs(limits.upper_bytes, limits.upper_files).at("tmpfs for what is written")?;
    make_folder(Path::new(UPPER))?;
    attach(&upper, Path::new(UPPER)).at("mounting the tmpfs for what is written")?;
    for (number, lower) in lowers.iter().enumerate() {
        for part in ["lower", "middle", "fill-work", "upper", "work"] {
            make_folder(&part_path(part, number))?;
        }
        if let Some(lower) = lower {
            attach(lower, &part_path("lower", number)).at("mounting a part of the root")?;
        }
    }
    make_folder(Path::new(WORLD))?;
    make_folder(Path::new(FILL))
}

/// The overlays of a world, by the numbers of their pieces.
struct Layers {
    ids: Ids,
    pieces: Vec<Piece>,
}

impl Layers {
    /// Mounts every piece with the layer as its upper folder, so that the layer is written through
    /// the merged view: links, removals and appended files come out right by themselves.
    fn for_filling(&self) -> Result<(), Failure> {
        for (number, piece) in self.pieces.iter().enumerate() {
            for name in &piece.hidden {
                empty_over(&part_path("middle", number).join(name), self.ids)?;
            }
            let lower = part_path("lower", number);
            own(&part_path("middle", number), &lower, self.ids)?;
            let upper = (part_path("middle", number), part_path("fill-work", number));
            let mount = self.overlay(&[lower], Some(upper)).at("overlay for the layer")?;
            self.attach_at(&mount, FILL, piece)?;
        }
        Ok(())
    }

    fn end_filling(&self) -> Result<(), Failure> {
        for piece in self.pieces.iter().rev() {
            let path = Path::new(FILL).join(&piece.at);
            rustix::mount::unmount(&path, UnmountFlags::empty())
                .at("unmounting the layer's overlay")?;
        }
        Ok(())
    }

    /// Mounts the world itself.
    fn world(&self) -> Result<Vec<Compared>, Failure> {
        let mut compared = Vec::new();
        for (number, piece) in self.pieces.iter().enumerate() {
            let lowers = [part_path("middle", number), part_path("lower", number)];
            own(&part_path("upper", number), &lowers[0], self.ids)?;
            let before = self.overlay(&lowers, None).at("overlay of the state before")?;
            let upper = (part_path("upper", number), part_path("work", number));
            let mount = self.overlay(&lowers, Some(upper)).at("overlay of the world")?;
            self.attach_at(&mount, WORLD, piece)?;
            let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let upper = rustix::fs::open(part_path("upper", number), folder, Mode::empty())
                .at("opening what is written")?;
            // The mount itself stays detached: no path leads to it, the descriptor does.
            let before = rustix::fs::openat(&before, ".", folder, Mode::empty())
                .at("opening the state before")?;
            let is_whole = false;
            compared.push(Compared { at: piece.at.clone(), upper, before, is_whole });
        }
        Ok(compared)
    }

    fn attach_at(&self, mount: &OwnedFd, tree: &str, piece: &Piece) -> Result<(), Failure> {
        let path = Path::new(tree).join(&piece.at);
        fs::create_dir_all(&path).at(format!("folder {}", piece.at.display()))?;
        attach(mount, &path).at(format!("mounting /{}", piece.at.display()))
    }

    fn overlay(
        &self,
        lowers: &[PathBuf],
        upper: Option<(PathBuf, PathBuf)>,
    ) -> io::Result<OwnedFd> {
        let filesystem = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let lowers: Vec<_> = lowers.iter().map(|path| path.display().to_string()).collect();
        let mut options = vec![("source", "overlay".to_owned()), ("lowerdir", lowers.join(":"))];
        let read_only = upper.is_none();
        if let Some((upper, work)) = upper {
            options.push(("upperdir", upper.display().to_string()));
            options.push(("workdir", work.display().to_string()));
        }
        for (key, value) in options {
            rustix::mount::fsconfig_set_string(&filesystem, key, value)?;
        }
        match self.ids.keeper {
            Keeper::Ordinary => rustix::mount::fsconfig_set_flag(&filesystem, "userxattr")?,
            // A copied-up file must be whole and at its own path, or the comparison would have to
            // follow redirections that the subject can shape.
            Keeper::Root => {
                rustix::mount::fsconfig_set_string(&filesystem, "redirect_dir", "off")?;
                rustix::mount::fsconfig_set_string(&filesystem, "metacopy", "off")?;
            }
        }
        rustix::mount::fsconfig_create(&filesystem)?;
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
        attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, read_only);
        Ok(rustix::mount::fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
    }
}

fn fill_middle(
    layers: &Layers,
    blueprint: &Blueprint,
    entries: &mut Entries,
) -> Result<(), Failure> {
    layers.for_filling()?;
    {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            rustix::fs::open(FILL, folder, Mode::empty()).at("opening the layer's overlay")?;
        let writer = fill::Writer::new(root.as_fd(), blueprint.ids);
        if matches!(blueprint.root, Root::Host) {
            host::skeleton(&writer)?;
        }
        writer.devices(DEVICES)?;
        writer.entries(entries)?;
    }
    layers.end_filling()
}

/// Devices are mounts of the machine's own nodes: inside a user namespace none can be made. They
/// belong to the machine's root, so nobody inside can change their owners or permissions.
fn open_devices() -> Result<Vec<(&'static str, OwnedFd)>, Failure> {
    let mut devices = Vec::new();
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        let metadata = fs::metadata(&path).at(format!("/dev/{name}"))?;
        if !metadata.file_type().is_char_device() {
            return Err("it is no character device").at(format!("/dev/{name}"));
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mount =
            rustix::mount::open_tree(CWD, &path, flags).at(format!("open_tree /dev/{name}"))?;
        devices.push((*name, mount));
    }
    Ok(devices)
}

fn attach_devices(devices: &[(&str, OwnedFd)], ids: Ids) -> Result<(), Failure> {
    let folder = Path::new(WORLD).join("dev");
    for (name, mount) in devices {
        attach(mount, &folder.join(name)).at(format!("mounting /dev/{name}"))?;
    }
    let terminals = pseudo_terminals(ids).at("devpts")?;
    attach(&terminals, &folder.join("pts")).at("mounting /dev/pts")
}

fn pseudo_terminals(ids: Ids) -> io::Result<OwnedFd> {
    let filesystem = rustix::mount::fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let mut options = vec![("source", "devpts".to_owned()), ("mode", "0620".to_owned())];
    options.push(("ptmxmode", "0666".to_owned()));
    if ids.has(TTY_GROUP) {
        options.push(("gid", ids.outside(TTY_GROUP).to_string()));
    }
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&filesystem, key, value)?;
    }
    rustix::mount::fsconfig_create(&filesystem)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(rustix::mount::fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

pub(crate) fn tmpfs(bytes: u64, files: u64) -> io::Result<OwnedFd> {
    let filesystem = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let mode = "0755".to_owned();
    for (key, value) in
        [("size", bytes.to_string()), ("nr_inodes", files.to_string()), ("mode", mode)]
    {
        rustix::mount::fsconfig_set_string(&filesystem, key, value)?;
    }
    rustix::mount::fsconfig_set_string(&filesystem, "source", "tmpfs")?;
    rustix::mount::fsconfig_create(&filesystem)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(rustix::mount::fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

pub(crate) fn attach(mount: &OwnedFd, path: &Path) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, "", CWD, path, flags)?)
}

/// An empty folder through which nothing of the one below shows: overlayfs marks such a folder as
/// opaque.
fn empty_over(path: &Path, ids: Ids) -> Result<(), Failure> {
    let mark = match ids.keeper {
        Keeper::Root => "trusted.overlay.opaque",
        Keeper::Ordinary => "user.overlay.opaque",
    };
    let step = || format!("emptying {}", path.display());
    fs::create_dir(path).at(step())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).at(step())?;
    rustix::fs::setxattr(path, mark, b"y", XattrFlags::empty()).at(step())?;
    chown_to(path, ids.outside(0), ids.outside(0))
}

/// Gives the uppermost folder of a layer the permissions of the one below; its owner is the
/// world's root.
fn own(path: &Path, below: &Path, ids: Ids) -> Result<(), Failure> {
    let mode = fs::metadata(below).at("root of a piece")?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("root of a piece")?;
    chown_to(path, ids.outside(0), ids.outside(0))
}

fn chown_to(path: &Path, uid: u32, gid: u32) -> Result<(), Failure> {
    chown(path, Some(uid), Some(gid)).at(format!("owner of {}", path.display()))
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).at(format!("folder {}", path.display()))
}

fn part_path(part: &str, number: usize) -> PathBuf {
    let base = if matches!(part, "upper" | "work") { UPPER } else { STAGE };
    Path::new(base).join(part).join(number.to_string())
}

const STAGE: &str = "/tmp";
const UPPER: &str = "/tmp/written";
const WORLD: &str = "/tmp/world";
const FILL: &str = "/tmp/fill";
/// Room for the layer: bait, configuration, a copy of the machine's settings. It is filled by the
/// lab alone; the number only keeps a mistake from eating the machine.
const MIDDLE_BYTES: u64 = 8 << 30;
const MIDDLE_FILES: u64 = 4 << 20;
/// Every other device of the machine is absent.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Group `tty` of Debian.
const TTY_GROUP: u32 = 5;
