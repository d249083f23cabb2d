//! Paths as the kernel walked them, and names as callers passed them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use watchglass_events::{FileId, FileKind, Name};

use super::record::{Object, PATH_2, Record};

/// The path in part `part` of a record.
///
/// The names come leaf first. A path that is not whole or does not lie in the world's root never
/// begins with `/`, so that it cannot be taken for another: `(cut)/…` where it is deeper than the
/// probe walks, `(unreachable)/…` where it lies outside of the task's mount namespace.
pub(super) fn resolved(record: &Record<'_>, part: usize) -> Option<Name> {
    let names = record.parts.get(part)?;
    let flags = record.flags >> if part == PATH_2 { FLAG_BITS } else { 0 };
    if flags & WALKED == 0 {
        return None;
    }
    let mut path = match flags & KINDS {
        0 => Vec::new(),
        DETACHED => return Some(detached(names, &record.object)),
        UNREACHABLE => b"(unreachable)".to_vec(),
        _ => b"(cut)".to_vec(),
    };
    let names: Vec<&[u8]> =
        names.split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect();
    for name in names.iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    Some(Name::new(path))
}

/// What lies below no mount is named as `/proc/<pid>/fd` names it.
fn detached(names: &[u8], object: &Object) -> Name {
    let name = names.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = match object.magic {
        MAGIC_PIPE => format!("pipe:[{}]", object.inode).into_bytes(),
        MAGIC_SOCKET => format!("socket:[{}]", object.inode).into_bytes(),
        MAGIC_ANONYMOUS => [b"anon_inode:".as_slice(), name].concat(),
        _ => [b"/".as_slice(), name].concat(),
    };
    Name::new(text)
}

/// The file of a record, if there is one.
pub(super) fn file(record: &Record<'_>) -> Option<FileId> {
    let object = record.object;
    if object.inode == 0 {
        return None;
    }
    Some(FileId {
        device: device(object.device),
        inode: object.inode,
        generation: object.generation.into(),
        kind: kind(record),
    })
}

fn kind(record: &Record<'_>) -> FileKind {
    let object = record.object;
    if record.flags & DETACHED != 0 && MAGIC_MEMORY.contains(&object.magic) {
        return FileKind::Memory;
    }
    match object.mode >> 12 {
        0o10 => FileKind::Regular,
        0o04 => FileKind::Directory,
        0o12 => FileKind::Symlink,
        0o01 => FileKind::Pipe,
        0o14 => FileKind::Socket,
        0o02 | 0o06 => FileKind::Device,
        _ => FileKind::Other,
    }
}

/// From the kernel's own encoding (12 bits of major, 20 of minor number) to that of `stat`, so that
/// sources can be compared.
fn device(inside: u32) -> u64 {
    rustix::fs::makedev(inside >> 20, inside & 0xf_ffff)
}

/// A string that a caller passed, without its end.
pub(super) fn string(part: &[u8]) -> &[u8] {
    part.strip_suffix(&[0]).unwrap_or(part)
}

/// The world's root, in which names are resolved.
#[derive(Debug)]
pub(super) struct Root {
    descriptor: OwnedFd,
    /// Its own path, as the recorder sees it.
    prefix: Vec<u8>,
}

impl Root {
    /// Opens a root. Keeps it open, so that a process number used again cannot lead elsewhere.
    pub(super) fn open(path: &std::path::Path) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let prefix = name_of(descriptor.as_fd())?;
        let prefix = if prefix == b"/" { Vec::new() } else { prefix };
        Ok(Self { descriptor, prefix })
    }

    /// Opens a path of the world. Links, also absolute ones, stay inside of the world
    /// (`RESOLVE_IN_ROOT`, openat2(2), Linux 5.6).
    pub(super) fn open_inside(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = std::ffi::OsStr::from_bytes(path);
        rustix::fs::openat2(&self.descriptor, path, flags | OFlags::CLOEXEC, Mode::empty(), inside)
    }

    /// A name with the directories before its last component resolved, as they stand now.
    fn resolve_parent(&self, path: &[u8]) -> Option<Vec<u8>> {
        let cut = path.iter().rposition(|&byte| byte == b'/')?;
        let (parent, last) = path.split_at_checked(cut.checked_add(1)?)?;
        if matches!(last, b"" | b"." | b"..") {
            return None;
        }
        let parent = self.open_inside(parent, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        let resolved = name_of(parent.as_fd()).ok()?;
        let resolved = resolved.strip_prefix(self.prefix.as_slice())?;
        let slash: &[u8] = if resolved.ends_with(b"/") { b"" } else { b"/" };
        Some([resolved, slash, last].concat())
    }
}

fn name_of(descriptor: BorrowedFd<'_>) -> rustix::io::Result<Vec<u8>> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    Ok(rustix::fs::readlink(link, Vec::new())?.into_bytes())
}

/// The path that a name leads to: its directory by the kernel, the name as it was passed, and where
/// the root is known the links in between as they stand now. The last component is not followed.
pub(super) fn named(base: Option<&Name>, name: &[u8], root: Option<&Root>) -> Name {
    let joined = join(base.map_or(b"".as_slice(), Name::as_bytes), name);
    let resolved = match root {
        Some(root) if joined.starts_with(b"/") => root.resolve_parent(&joined),
        _ => None,
    };
    Name::new(resolved.unwrap_or(joined))
}

fn join(base: &[u8], name: &[u8]) -> Vec<u8> {
    let base = base.strip_suffix(b"/").unwrap_or(base);
    if name.is_empty() {
        return if base.is_empty() { b"/".to_vec() } else { base.to_vec() };
    }
    let mut path = base.to_vec();
    for component in name.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
        path.push(b'/');
        path.extend_from_slice(component);
    }
    if path.is_empty() { b"/".to_vec() } else { path }
}

/// Flags of `enum` in record.h.
const UNREACHABLE: u32 = 2;
const DETACHED: u32 = 4;
const KINDS: u32 = 7;
const WALKED: u32 = 8;
const FLAG_BITS: u32 = 4;

/// linux/magic.h.
const MAGIC_PIPE: u32 = 0x5049_5045;
const MAGIC_SOCKET: u32 = 0x534f_434b;
const MAGIC_ANONYMOUS: u32 = 0x0904_1934;
/// tmpfs, hugetlbfs, memfd_secret.
const MAGIC_MEMORY: [u32; 3] = [0x0102_1994, 0x9584_58f6, 0x5345_434d];

#[cfg(test)]
mod tests {
    use super::*;

    fn check_join(base: &str, name: &str, expect: &str) {
        assert_eq!(join(base.as_bytes(), name.as_bytes()), expect.as_bytes());
    }

    #[test]
    fn names_start_from_their_directory() {
        check_join("/a", "b", "/a/b");
        check_join("/", "b", "/b");
        check_join("/", "/b//c/./d", "/b/c/d");
        check_join("/jail", "/b", "/jail/b");
        check_join("/a", "", "/a");
        check_join("/a", "../b", "/a/../b");
        check_join("/", "/", "/");
    }

    #[test]
    fn a_name_is_resolved_inside_of_the_root_and_keeps_its_last_component() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("real/deep")).unwrap();
        std::os::unix::fs::symlink("/real", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("real/deep/last")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let resolve = |name: &str| named(None, name.as_bytes(), Some(&root)).to_string();
        assert_eq!(resolve("/link/deep/last"), "/real/deep/last");
        assert_eq!(resolve("/link/deep/../../../x"), "/x");
        assert_eq!(resolve("/nowhere/x"), "/nowhere/x");
    }

    #[test]
    fn devices_are_numbered_as_stat_does() {
        assert_eq!(device((8 << 20) | 1), rustix::fs::makedev(8, 1));
    }
}
