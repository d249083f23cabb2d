//! Looks into a tracee from outside: its memory, descriptors, paths and program.
//!
//! Everything is bounded, and nothing is believed beyond what the kernel says. A path is what the
//! kernel prints for an open object; in a world with a mount namespace of its own that is the path
//! inside the world, since it ends at the root of the object's own mount namespace.

use std::collections::HashMap;
use std::ffi::CString;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags, makedev};
use rustix::io::Errno;
use sha2::Digest as _;
use watchglass_events::{Digest, FileId, FileKind, Name, Peer, Process};
use watchglass_sys::trace;

use super::address;
use crate::own_folder;

/// The eyes of one tracer.
#[derive(Debug)]
pub(super) struct Peek {
    proc: OwnedFd,
    digests: HashMap<Content, Digest>,
}

/// What an open descriptor of a tracee is.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) file: FileId,
    links: u32,
}

/// What `/proc/<tid>/status` and `stat` say about a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) tgid: u32,
    pub(super) parent: u32,
    pub(super) uid: u32,
}

/// A file's content as far as its times can tell it from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Content {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Peek {
    pub(super) fn new() -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
        Ok(Self { proc, digests: HashMap::new() })
    }

    /// Whether the process numbers of `/proc` are those of this program.
    pub(super) fn is_own_proc(&self) -> bool {
        let own = rustix::fs::readlinkat(&self.proc, "self", Vec::new());
        own.is_ok_and(|own| own.to_bytes() == std::process::id().to_string().as_bytes())
    }

    /// The string at `address`, at most 4 KiB of it.
    pub(super) fn string(tid: u32, address: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; SHORT_STRING_BYTES];
        let mut have = 0;
        loop {
            let start = address.checked_add(u64::try_from(have).ok()?)?;
            let read = trace::read_memory(tid, start, bytes.get_mut(have..)?).unwrap_or(0);
            let end = have + read;
            if let Some(length) = bytes.get(have..end)?.iter().position(|&byte| byte == 0) {
                bytes.truncate(have + length);
                return Some(bytes);
            }
            if end < bytes.len() {
                return None;
            }
            if end >= MAX_STRING_BYTES {
                return Some(bytes);
            }
            have = end;
            bytes.resize(MAX_STRING_BYTES, 0);
        }
    }

    /// Exactly `N` bytes at `address`.
    pub(super) fn bytes<const N: usize>(tid: u32, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let read = trace::read_memory(tid, address, &mut bytes).ok()?;
        (read == N).then_some(bytes)
    }

    /// `length` bytes at `address`, or as many as are there, at most `limit`.
    pub(super) fn up_to(tid: u32, address: u64, length: u64, limit: usize) -> Option<Vec<u8>> {
        let length = usize::try_from(length).unwrap_or(limit).min(limit);
        let mut bytes = vec![0; length];
        let read = trace::read_memory(tid, address, &mut bytes).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }

    /// Writes into the memory of a stopped thread. Unlike process_vm_writev(2) this lets a stack
    /// grow (`access_remote_vm` of mm/memory.c).
    pub(super) fn write(&self, tid: u32, address: u64, bytes: &[u8]) -> rustix::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let memory = rustix::fs::openat(&self.proc, format!("{tid}/mem"), flags, Mode::empty())?;
        match rustix::io::pwrite(&memory, bytes, address)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(Errno::FAULT),
        }
    }

    /// The working folder of a thread.
    pub(super) fn working_folder(&self, tid: u32) -> Option<Vec<u8>> {
        self.link(&format!("{tid}/cwd"))
    }

    /// The socket address at `address`.
    pub(super) fn peer(tid: u32, address: u64, length: u64) -> Option<Peer> {
        if address == 0 || length == 0 {
            return None;
        }
        address::parse(&Self::up_to(tid, address, length, MAX_ADDRESS_BYTES)?)
    }

    /// What the descriptor is. Does not wait for a file server.
    pub(super) fn descriptor(&self, tid: u32, fd: i32) -> Option<Seen> {
        self.stat(&format!("{tid}/fd/{fd}"), AtFlags::empty())
    }

    /// The path of an open descriptor.
    pub(super) fn descriptor_path(&self, tid: u32, fd: i32, seen: &Seen) -> Option<Name> {
        self.path_of(tid, &format!("{tid}/fd/{fd}"), seen)
    }

    /// The descriptor as a file, where a file without name in memory is told from others.
    pub(super) fn file(&self, tid: u32, fd: i32) -> Option<(FileId, Option<Name>)> {
        let seen = self.descriptor(tid, fd)?;
        let path = self.descriptor_path(tid, fd, &seen);
        Some((seen.file_at(path.as_ref()), path))
    }

    /// The open flags that the kernel keeps of a descriptor.
    pub(super) fn open_flags(&self, tid: u32, fd: i32) -> Option<u64> {
        let text = self.text(&format!("{tid}/fdinfo/{fd}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u64::from_str_radix(line.trim(), 8).ok()
    }

    /// The program that the process runs.
    pub(super) fn program(&self, tid: u32) -> Option<(FileId, Name)> {
        let link = format!("{tid}/exe");
        let seen = self.stat(&link, AtFlags::empty())?;
        let path = self.path_of(tid, &link, &seen)?;
        Some((seen.file_at(Some(&path)), path))
    }

    /// SHA-256 of the program's content. The kernel lets nobody write to a running program, and
    /// this one is stopped before its first instruction, so the digest is of what runs.
    pub(super) fn program_digest(&mut self, tid: u32) -> Option<Digest> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.proc, format!("{tid}/exe"), flags, Mode::empty());
        let file = file.ok()?;
        let content = Content::of(&file)?;
        if let Some(&digest) = self.digests.get(&content) {
            return Some(digest);
        }
        let digest = hash(std::fs::File::from(file))?;
        if self.digests.len() >= MAX_DIGESTS {
            self.digests.clear();
        }
        self.digests.insert(content, digest);
        Some(digest)
    }

    /// The arguments that the process was started with.
    pub(super) fn arguments(&self, tid: u32) -> Vec<Name> {
        let line = self.content(&format!("{tid}/cmdline"), MAX_ARGUMENT_BYTES).unwrap_or_default();
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        line.split(|&byte| byte == 0).take(MAX_ARGUMENTS).map(Name::new).collect()
    }

    /// Files that the kernel itself mapped into a new program: the interpreter of its format.
    pub(super) fn mapped_at_start(&self, tid: u32) -> Vec<(FileId, Name, u64)> {
        let text = self.content(&format!("{tid}/maps"), MAX_MAPS_BYTES).unwrap_or_default();
        let mut files: Vec<(FileId, Name, u64)> = Vec::new();
        for (file, path, bytes) in text.split(|&byte| byte == b'\n').filter_map(mapping) {
            match files.iter_mut().find(|(known, ..)| *known == file) {
                Some((_, _, total)) => *total = total.saturating_add(bytes),
                None => files.push((file, path, bytes)),
            }
        }
        files
    }

    /// Who a thread is.
    pub(super) fn identity(&self, tid: u32) -> Option<Identity> {
        let text = self.text(&format!("{tid}/status"))?;
        let field = |name: &str, column: usize| -> Option<u32> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().nth(column)?.parse().ok()
        };
        let uid = field("Uid:", EFFECTIVE)?;
        Some(Identity { tgid: field("Tgid:", 0)?, parent: field("PPid:", 0)?, uid })
    }

    /// A process by number and birth.
    pub(super) fn process(&self, pid: u32) -> Option<Process> {
        // proc_pid_stat(5): field 2 is a name in parentheses that may itself hold anything; field
        // 22 counts from there.
        let text = self.content(&format!("{pid}/stat"), 4096)?;
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let fields = String::from_utf8_lossy(text.get(after_name..)?).into_owned();
        let ticks: u64 = fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()?;
        Some(Process { pid, start_ns: ticks.checked_mul(TICK_NS)? })
    }

    /// Whether the thread sleeps in a call that something else must end.
    pub(super) fn sleeps(&self, tid: u32) -> bool {
        let text = self.content(&format!("{tid}/stat"), 4096).unwrap_or_default();
        let after_name = text.iter().rposition(|&byte| byte == b')');
        after_name.and_then(|at| text.get(at + 2)) == Some(&b'S')
    }

    /// Threads of a process.
    pub(super) fn threads(pid: u32) -> std::io::Result<Vec<u32>> {
        let entries = std::fs::read_dir(format!("/proc/{pid}/task"))?;
        let numbers =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(numbers.collect())
    }

    /// A path that a tracee passed, with links resolved in its own root: all of it, or all but the
    /// last component. What cannot be resolved is joined as text.
    pub(super) fn resolve(&self, tid: u32, at: Option<i32>, path: &[u8], keep_last: bool) -> Name {
        let whole = self.absolute(tid, at, path);
        let root = self.place(&format!("{tid}/root"));
        let resolved = root.and_then(|root| match keep_last {
            false => self.walk(&root, &whole).or_else(|| self.walk_parent(&root, &whole)),
            true => self.walk_parent(&root, &whole),
        });
        Name::new(resolved.unwrap_or(whole))
    }

    /// The file that a path leads to.
    pub(super) fn lookup(&self, tid: u32, path: &Name) -> Option<FileId> {
        let root = self.place(&format!("{tid}/root"))?;
        let file = open_beneath(&root, path.as_bytes())?;
        let empty = rustix::fs::statx(&file, "", AtFlags::EMPTY_PATH | QUICK, WANTED).ok()?;
        Some(Seen::from(&empty).file)
    }

    fn absolute(&self, tid: u32, at: Option<i32>, path: &[u8]) -> Vec<u8> {
        if path.first() == Some(&b'/') {
            return path.to_vec();
        }
        let base = match at {
            Some(fd) if fd != AT_FDCWD => self.link(&format!("{tid}/fd/{fd}")),
            _ => self.link(&format!("{tid}/cwd")),
        };
        let mut whole = base.unwrap_or_default();
        if !path.is_empty() {
            whole.push(b'/');
            whole.extend_from_slice(path);
        }
        whole
    }

    fn walk_parent(&self, root: &OwnedFd, path: &[u8]) -> Option<Vec<u8>> {
        let slash = path.iter().rposition(|&byte| byte == b'/')?;
        let (parent, last) = path.split_at_checked(slash + 1)?;
        if last.is_empty() || last == b"." || last == b".." {
            return self.walk(root, path);
        }
        let mut resolved = self.walk(root, parent)?;
        if resolved.last() != Some(&b'/') {
            resolved.push(b'/');
        }
        resolved.extend_from_slice(last);
        Some(resolved)
    }

    fn walk(&self, root: &OwnedFd, path: &[u8]) -> Option<Vec<u8>> {
        use std::os::fd::AsRawFd as _;
        let place = open_beneath(root, path)?;
        self.link(&format!("self/fd/{}", place.as_raw_fd()))
    }

    fn place(&self, link: &str) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.proc, link, flags, Mode::empty()).ok()
    }

    fn stat(&self, link: &str, flags: AtFlags) -> Option<Seen> {
        let found = rustix::fs::statx(&self.proc, link, flags | QUICK, WANTED).ok()?;
        Some(Seen::from(&found))
    }

    /// The kernel appends " (deleted)" to the path of a file whose name is gone; a name may also
    /// end so by itself, and then it still leads to the file.
    fn path_of(&self, tid: u32, link: &str, seen: &Seen) -> Option<Name> {
        let mut path = self.link(link)?;
        if path.ends_with(DELETED) {
            let named = Name::new(&path[..]);
            if seen.links == 0 || self.lookup(tid, &named) != Some(seen.file) {
                path.truncate(path.len() - DELETED.len());
            }
        }
        Some(Name::new(self.own_folder(tid, &path).unwrap_or(path)))
    }

    fn own_folder(&self, tid: u32, path: &[u8]) -> Option<Vec<u8>> {
        path.starts_with(b"/proc/").then_some(())?;
        let status = self.text(&format!("{tid}/status"))?;
        let (level, number) = own_folder::numbers(&status, "NStgid:")?;
        own_folder::is_of_world(level).then(|| own_folder::lasting(path, number)).flatten()
    }

    fn link(&self, link: &str) -> Option<Vec<u8>> {
        let found = rustix::fs::readlinkat(&self.proc, link, Vec::with_capacity(256));
        found.ok().map(CString::into_bytes)
    }

    fn text(&self, file: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.content(file, 16 * 1024)?).into_owned())
    }

    fn content(&self, file: &str, limit: u64) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.proc, file, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        std::fs::File::from(file).take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

impl Seen {
    /// The file, told to be in memory only when its path says so and nothing links to it.
    pub(super) fn file_at(&self, path: Option<&Name>) -> FileId {
        let in_memory = self.links == 0
            && self.file.kind == FileKind::Regular
            && path.is_some_and(|path| path.as_bytes().starts_with(b"/memfd:"));
        let kind = if in_memory { FileKind::Memory } else { self.file.kind };
        FileId { kind, ..self.file }
    }

    pub(super) fn may_be_memory(&self) -> bool {
        self.links == 0 && self.file.kind == FileKind::Regular
    }
}

impl From<&Statx> for Seen {
    fn from(found: &Statx) -> Self {
        let device = makedev(found.stx_dev_major, found.stx_dev_minor);
        let kind = match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::RegularFile => FileKind::Regular,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Pipe,
            FileType::Socket => FileKind::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
            _ => FileKind::Other,
        };
        let file = FileId { device, inode: found.stx_ino, generation: 0, kind };
        Self { file, links: found.stx_nlink }
    }
}

impl Content {
    fn of(file: &OwnedFd) -> Option<Self> {
        let found =
            rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).ok()?;
        if found.stx_size > MAX_PROGRAM_BYTES {
            return None;
        }
        Some(Self {
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            size: found.stx_size,
            modified: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
            changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        })
    }
}

fn hash(file: std::fs::File) -> Option<Digest> {
    let mut file = file.take(MAX_PROGRAM_BYTES);
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(Digest(hasher.finalize().into())),
            length => hasher.update(buffer.get(..length)?),
        }
    }
}

/// Opens only the place of a file, inside of `root` whatever its links say. Magic links of procfs
/// would lead to this process's own files.
fn open_beneath(root: impl AsFd, path: &[u8]) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RENAME_RETRIES {
        match rustix::fs::openat2(&root, path, flags, Mode::empty(), within) {
            // openat2(2): something was renamed during the walk, try again.
            Err(Errno::AGAIN) => {}
            result => return result.ok(),
        }
    }
    None
}

/// One line of proc_pid_maps(5): `start-end perms offset major:minor inode path`.
fn mapping(line: &[u8]) -> Option<(FileId, Name, u64)> {
    let slash = line.iter().position(|&byte| byte == b'/')?;
    let (head, path) = line.split_at_checked(slash)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut fields = head.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (major, minor) = fields.nth(2)?.split_once(':')?;
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let (major, minor) = (u32::from_str_radix(major, 16), u32::from_str_radix(minor, 16));
    let inode = fields.next()?.parse().ok()?;
    let file = FileId {
        device: makedev(major.ok()?, minor.ok()?),
        inode,
        generation: 0,
        kind: FileKind::Regular,
    };
    let bytes = hexadecimal(end)?.checked_sub(hexadecimal(start)?)?;
    Some((file, Name::new(path), bytes))
}

const QUICK: AtFlags = AtFlags::STATX_DONT_SYNC;
const WANTED: StatxFlags = StatxFlags::TYPE.union(StatxFlags::INO).union(StatxFlags::NLINK);
const DELETED: &[u8] = b" (deleted)";
const AT_FDCWD: i32 = -100;
/// Most paths are shorter, and a second look is one call.
const SHORT_STRING_BYTES: usize = 256;
/// `PATH_MAX`.
const MAX_STRING_BYTES: usize = 4096;
/// `struct sockaddr_storage`.
const MAX_ADDRESS_BYTES: usize = 128;
/// Keeps a record under its limit of 128 KiB.
const MAX_ARGUMENT_BYTES: u64 = 32 * 1024;
const MAX_ARGUMENTS: usize = 1024;
const MAX_MAPS_BYTES: u64 = 64 * 1024;
/// Hashing stops the subject: about a second for each GiB.
const MAX_PROGRAM_BYTES: u64 = 1 << 30;
const MAX_DIGESTS: usize = 4096;
const RENAME_RETRIES: usize = 8;
/// Column of the effective user in the line `Uid:`.
const EFFECTIVE: usize = 1;
/// `USER_HZ` is 100 on every supported machine.
const TICK_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_the_memory_map() {
        let line = b"7f00-9f00 r-xp 00001000 08:02 1234                   /lib/a b (deleted)";
        let (file, path, bytes) = mapping(line).unwrap();
        assert_eq!((file.device, file.inode), (makedev(8, 2), 1234));
        assert_eq!((path, bytes), ("/lib/a b (deleted)".into(), 0x2000));
        assert!(mapping(b"7f00-9f00 rw-p 00000000 00:00 0   [heap]").is_none());
    }

    #[test]
    fn tells_a_deleted_file_from_one_that_is_named_so() {
        use std::os::fd::AsRawFd as _;
        let folder = tempfile::tempdir().unwrap();
        let peek = Peek::new().unwrap();
        let own = std::process::id();
        let seen_path = |file: &std::fs::File| {
            let (id, path) = peek.file(own, file.as_raw_fd()).unwrap();
            assert_eq!(id.kind, FileKind::Regular);
            path.unwrap().to_string()
        };
        let (honest, gone) = (folder.path().join("a (deleted)"), folder.path().join("b"));
        let kept = std::fs::File::create(&honest).unwrap();
        let removed = std::fs::File::create(&gone).unwrap();
        std::fs::hard_link(&gone, folder.path().join("c")).unwrap();
        std::fs::remove_file(&gone).unwrap();
        assert_eq!(seen_path(&kept), honest.to_str().unwrap());
        assert_eq!(seen_path(&removed), gone.to_str().unwrap());
    }

    #[test]
    fn resolves_links_in_all_but_the_last_component() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/nowhere", real.join("last")).unwrap();
        let peek = Peek::new().unwrap();
        let asked = folder.path().join("link/last");
        let asked = asked.to_str().unwrap().as_bytes();
        let kept = peek.resolve(std::process::id(), None, asked, true);
        assert_eq!(kept.to_string(), real.join("last").to_str().unwrap());
        let missing = peek.resolve(std::process::id(), None, b"/nowhere/at/all", true);
        assert_eq!(missing, "/nowhere/at/all".into());
    }

    #[test]
    fn strings_are_read_to_their_end_and_no_further_than_the_limit() {
        let own = std::process::id();
        let long = CString::new(vec![b'x'; 3000]).unwrap();
        assert_eq!(Peek::string(own, long.as_ptr() as u64).unwrap(), long.as_bytes());
        let endless = vec![b'y'; 3 * MAX_STRING_BYTES];
        assert_eq!(Peek::string(own, endless.as_ptr() as u64).unwrap().len(), MAX_STRING_BYTES);
        assert_eq!(Peek::string(own, 16), None);
    }
}
