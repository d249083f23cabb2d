//! What the world shows of the kernel: `/proc` and `/sys`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, UnmountFlags};
use watchglass_sys::namespace::set_mount_attributes;

use super::Start;
use crate::keeper::{Writer, attach, tmpfs};
use crate::layer::Attributes;
use crate::messages::{AtStep, Failure};

/// Mounts `/proc` and `/sys`, then makes the world's root the root of the mount namespace.
pub(super) fn enter(start: &Start) -> Result<(), Failure> {
    let root = &start.root;
    let proc = proc_filesystem().at(
        "mounting /proc (in a container whose own /proc has parts covered, the kernel refuses this \
         to ordinary users)",
    )?;
    attach(&proc, &root.join("proc")).at("mounting /proc")?;
    cover(start).at("covering parts of /proc")?;
    let nothing = tmpfs(4096, 2).at("tmpfs for /sys")?;
    set_mount_attributes(nothing.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY).at("/sys")?;
    attach(&nothing, &root.join("sys")).at("mounting /sys")?;
    // pivot_root(2), "pivot_root(".", ".")": the old root lands on top of the new one and goes.
    rustix::process::chdir(root).at("entering the world")?;
    rustix::process::pivot_root(".", ".").at("pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).at("leaving the machine's root")?;
    rustix::process::chdir("/").at("entering the world")
}

/// The new `/proc` shows the pid namespace of its mounter.
fn proc_filesystem() -> io::Result<OwnedFd> {
    let filesystem = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&filesystem, "source", "proc")?;
    rustix::mount::fsconfig_create(&filesystem)?;
    Ok(rustix::mount::fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, STRICT)?)
}

/// Shows a short list of entries and covers all others, so that what a future kernel adds is not
/// shown. Settings are read-only; those that would identify the machine are the world's own.
fn cover(start: &Start) -> io::Result<()> {
    let proc = start.root.join("proc");
    let cloak = tmpfs(1 << 20, 16)?;
    // Attached for a moment where nothing lies yet, so that files can be made in it.
    let workshop = start.root.join("sys");
    attach(&cloak, &workshop)?;
    let cloak_root = rustix::fs::open(
        &workshop,
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    let writer = Writer::new(cloak_root.as_fd(), start.blueprint.ids);
    writer.folder(Path::new("/folder"), Attributes::of_root(0o555))?;
    let boot_id = format!("{}\n", start.blueprint.boot_id);
    for (name, content) in [("file", ""), ("boot_id", &*boot_id), ("cmdline", COMMAND_LINE)] {
        writer.file(
            &Path::new("/").join(name),
            Attributes::of_root(0o444),
            &mut content.as_bytes(),
        )?;
    }
    for entry in fs::read_dir(&proc)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if SHOWN.contains(&name.as_str()) || name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let cover = if entry.file_type()?.is_dir() { "folder" } else { "file" };
        bind(&workshop.join(cover), &proc.join(name))?;
    }
    bind(&workshop.join("cmdline"), &proc.join("cmdline"))?;
    bind(&proc.join("sys"), &proc.join("sys"))?;
    bind(&workshop.join("boot_id"), &proc.join("sys/kernel/random/boot_id"))?;
    rustix::mount::unmount(&workshop, UnmountFlags::DETACH)?;
    Ok(())
}

/// Binds read-only.
fn bind(from: &Path, to: &Path) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, from, flags)?;
    set_mount_attributes(mount.as_fd(), STRICT | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    attach(&mount, to)
}

const STRICT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Entries of `/proc` that ordinary programs read. `cmdline` and `sys` are shown changed.
const SHOWN: &[&str] = &[
    "cmdline",
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "mounts",
    "net",
    "self",
    "stat",
    "sysvipc",
    "sys",
    "thread-self",
    "uptime",
    "version",
    "vmstat",
];

/// Instead of the machine's own, which often names its disks.
const COMMAND_LINE: &str = "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet\n";
