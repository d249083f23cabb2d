//! The world's cgroups: where they are, how they are made and removed.
//!
//! `watchglass-PID-START-RANDOM/subject` holds the subject's processes and nothing else: a sensor
//! that attaches there sees the subject alone. The keeper and the world's first process stay in the
//! lab's own cgroup.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::names::WorldName;

/// Finds the cgroup (version 2) this process is in. Its mount is looked up, never assumed: on
/// hybrid machines it is not at the usual place.
pub(crate) fn own() -> io::Result<PathBuf> {
    let mount = mount_point(&fs::read_to_string("/proc/self/mountinfo")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no cgroup2 is mounted"))?;
    let membership = fs::read_to_string("/proc/self/cgroup")?;
    let path = membership.lines().find_map(|line| line.strip_prefix("0::/"));
    let path =
        path.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no cgroup2 membership"))?;
    Ok(mount.join(path))
}

/// Both cgroups of a world, held by descriptors so that they can be removed when no path leads
/// there any more.
#[derive(Debug)]
pub(crate) struct Cgroups {
    parent: OwnedFd,
    name: String,
    world: OwnedFd,
    pub(crate) subject: OwnedFd,
}

impl Cgroups {
    pub(crate) fn create(parent: &Path, name: &str) -> io::Result<Self> {
        let parent = rustix::fs::open(parent, FOLDER, Mode::empty())?;
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))?;
        let world = rustix::fs::openat(&parent, name, FOLDER, Mode::empty());
        let subject = world.and_then(|world| {
            rustix::fs::mkdirat(&world, SUBJECT, Mode::from_raw_mode(0o755))?;
            let subject = rustix::fs::openat(&world, SUBJECT, FOLDER, Mode::empty())?;
            Ok((world, subject))
        });
        match subject {
            Ok((world, subject)) => Ok(Self { parent, name: name.to_owned(), world, subject }),
            Err(error) => {
                let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
                Err(error.into())
            }
        }
    }

    /// Moves the calling process into the subject's cgroup, and back to where it came from.
    pub(crate) fn visit<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        join(&members(&self.subject)?)?;
        let result = act();
        join(&members(&self.parent)?)?;
        result
    }

    /// The file through which a process joins the subject's cgroup.
    pub(crate) fn members(&self) -> io::Result<OwnedFd> {
        members(&self.subject)
    }

    /// Kills what is left there and removes both cgroups. Processes that were killed leave their
    /// cgroup a moment after they have been waited for, hence the attempts.
    pub(crate) fn remove(&self) -> io::Result<()> {
        kill_all(&self.subject);
        let mut removed = Ok(());
        for _ in 0..REMOVAL_ATTEMPTS {
            removed = remove_if_there(&self.world, SUBJECT)
                .and_then(|()| remove_if_there(&self.parent, &self.name));
            if removed.is_ok() {
                break;
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
        removed
    }
}

/// Moves the calling process to the cgroup whose member file this is.
pub(crate) fn join(members: &OwnedFd) -> io::Result<()> {
    rustix::io::write(members, b"0")?;
    Ok(())
}

/// Removes the cgroups of worlds whose lab is dead, wherever the lab ran. Returns their names.
pub(crate) fn sweep() -> io::Result<Vec<String>> {
    let mut swept = Vec::new();
    let mount = mount_point(&fs::read_to_string("/proc/self/mountinfo")?);
    let mut folders: Vec<_> = mount.into_iter().map(|mount| (mount, MAX_SWEEP_DEPTH)).collect();
    while let Some((folder, depth)) = folders.pop() {
        // A cgroup that goes away meanwhile is somebody else's matter.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push((entry.path(), depth - 1));
            }
        }
        swept.extend(sweep_one(&folder));
    }
    Ok(swept)
}

/// Removes a cgroup if it is a dead lab's; returns its name then.
fn sweep_one(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_string_lossy().into_owned();
    if WorldName::parse(&name)?.lab_lives() {
        return None;
    }
    if let Ok(subject) = rustix::fs::open(folder.join(SUBJECT), FOLDER, Mode::empty()) {
        kill_all(&subject);
    }
    remove_tree(folder).ok().map(|()| name)
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    let mut removed = Ok(());
    for _ in 0..REMOVAL_ATTEMPTS {
        let _ = fs::remove_dir(folder.join(SUBJECT));
        removed = fs::remove_dir(folder);
        if removed.is_ok() {
            break;
        }
        std::thread::sleep(REMOVAL_PAUSE);
    }
    removed
}

fn remove_if_there(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `cgroup.kill`, Linux ≥ 5.14; older kernels rely on the end of the pid namespace alone.
fn kill_all(subject: &OwnedFd) {
    let file =
        rustix::fs::openat(subject, "cgroup.kill", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let _ = file.and_then(|file| rustix::io::write(file, b"1"));
}

fn members(cgroup: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(cgroup, "cgroup.procs", flags, Mode::empty())?)
}

/// The fields of a line are separated by blanks; after a lone `-` come file system, source and
/// options. The fifth field is the mount point, the fourth what of the file system is mounted.
fn mount_point(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut fields = front.split(' ').skip(3);
        let (part, point) = (fields.next()?, fields.next()?);
        let whole = part == "/" && back.split(' ').next() == Some("cgroup2");
        whole.then(|| PathBuf::from(unescape(point)))
    })
}

/// Blanks and the like are written as `\040` there.
fn unescape(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

const SUBJECT: &str = "subject";
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// In all 5 seconds.
const REMOVAL_ATTEMPTS: u32 = 1000;
const REMOVAL_PAUSE: Duration = Duration::from_millis(5);
/// Levels of cgroups that are looked through for leftovers.
const MAX_SWEEP_DEPTH: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_of_a_hybrid_machine() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
             35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(mountinfo), Some(PathBuf::from("/sys/fs/cgroup/uni fied")));
        assert_eq!(mount_point("31 23 0:28 / /sys rw - sysfs sysfs rw\n"), None);
    }
}
