//! Which system calls are traced, and what each of their arguments is.
//!
//! The table goes by name: a call that an architecture lacks (`open` on Arm) is left out there.

use syscalls::Sysno;
use watchglass_events::{Act, Direction, PathOperation};

use super::Reads;

/// One row of the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a call does, with the positions of the arguments that say it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Open(OpenForm),
    /// `execve`, `execveat`: what it ran is read at the stop of the new program.
    Execute(Place),
    /// `read`, `write` and their siblings: descriptor first, result in bytes.
    Transfer(Direction),
    Map,
    Change {
        operation: PathOperation,
        path: Place,
        other: Option<Place>,
    },
    /// `unlinkat` removes folders as well, as its flags say.
    UnlinkAt,
    Socket,
    SocketPair,
    Bind,
    Connect,
    Accept,
    SendTo,
    SendMessage,
    SendMessages,
    ReceiveFrom,
    ReceiveMessage,
    ReceiveMessages,
    /// Bytes go from one descriptor to another inside of the kernel.
    Splice {
        from: Option<usize>,
        to: usize,
    },
    /// Puts a file under a descriptor's number without opening it.
    Duplicate,
    /// Asks about a path; recorded by nobody, led in place.
    Look(Place),
    /// Lets others connect.
    Listen,
    /// Signals the process or thread that this argument numbers.
    Signal(usize),
    Attempt(Act, &'static [Word]),
    /// A change of user: an attempt, after which the user is read again.
    Identity(&'static [Word]),
    /// `clone`, `clone3`: an attempt only with new namespaces.
    Clone(CloneForm),
}

/// The calls that open by name.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpenForm {
    Open,
    Creat,
    OpenAt,
    OpenAt2,
    ByHandle,
}

/// Where a `clone` has its flags.
#[derive(Clone, Copy, Debug)]
pub(super) enum CloneForm {
    Register,
    Structure,
}

/// Which arguments name a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A string; what is relative begins at the working folder.
    Path(usize, Last),
    /// A descriptor of a folder and a string.
    At(usize, usize, Last),
    /// An open descriptor.
    Descriptor(usize),
    /// A string that is no path to resolve: the text of a symbolic link.
    Text(usize),
}

/// What becomes of a symbolic link in the last component.
#[derive(Clone, Copy, Debug)]
pub(super) enum Last {
    Keep,
    Follow,
    /// Followed unless the flags in this argument have `AT_SYMLINK_NOFOLLOW`.
    FollowUnless(usize),
}

/// One argument in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) label: &'static str,
    pub(super) argument: usize,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Number,
    Hexadecimal,
    Text,
}

/// The table of one sensor, by number.
#[derive(Debug)]
pub(super) struct Calls {
    by_number: Vec<Option<&'static Entry>>,
    numbers: Vec<u32>,
}

impl Calls {
    pub(super) fn new(reads: Reads, refuse: &[u32]) -> Self {
        let mut calls = Self { by_number: Vec::new(), numbers: refuse.to_vec() };
        for entry in TABLE.iter().filter(|entry| is_wanted(entry, reads)) {
            calls.add(entry);
        }
        calls.ordered()
    }

    /// With the calls that have to be led or answered where no namespace does it.
    pub(super) fn in_place(mut self) -> Self {
        for entry in IN_PLACE {
            self.add(entry);
        }
        self.ordered()
    }

    fn ordered(mut self) -> Self {
        self.numbers.sort_unstable();
        self.numbers.dedup();
        self
    }

    fn add(&mut self, entry: &'static Entry) {
        let Ok(call) = entry.name.parse::<Sysno>() else { return };
        let index = call.id().unsigned_abs();
        self.numbers.push(index);
        let index = index as usize;
        if self.by_number.len() <= index {
            self.by_number.resize(index + 1, None);
        }
        self.by_number[index] = Some(entry);
    }

    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    pub(super) fn entry(&self, number: u64) -> Option<&'static Entry> {
        *self.by_number.get(usize::try_from(number).ok()?)?
    }
}

impl Kind {
    /// The arguments that are paths.
    pub(super) fn paths(self) -> [Option<usize>; 2] {
        let of = |place| match place {
            Place::Path(string, _) | Place::At(_, string, _) => Some(string),
            Place::Descriptor(_) | Place::Text(_) => None,
        };
        match self {
            Self::Open(OpenForm::Open | OpenForm::Creat) => [Some(0), None],
            Self::Open(OpenForm::OpenAt | OpenForm::OpenAt2) | Self::UnlinkAt => [Some(1), None],
            Self::Execute(place) | Self::Look(place) => [of(place), None],
            Self::Change { path, other, .. } => [of(path), other.and_then(of)],
            _ => [None, None],
        }
    }
}

/// The name of a call, or its number.
pub(super) fn name(number: u64) -> String {
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    known.map_or_else(|| number.to_string(), |call| call.name().to_owned())
}

fn is_wanted(entry: &Entry, reads: Reads) -> bool {
    match reads {
        Reads::Counted => true,
        Reads::OpensOnly => !matches!(entry.kind, Kind::Transfer(Direction::Received)),
    }
}

const fn row(name: &'static str, kind: Kind) -> Entry {
    Entry { name, kind }
}

const fn change(name: &'static str, operation: PathOperation, path: Place) -> Entry {
    row(name, Kind::Change { operation, path, other: None })
}

const fn change_two(name: &'static str, operation: PathOperation, path: Place, to: Place) -> Entry {
    row(name, Kind::Change { operation, path, other: Some(to) })
}

const fn number(label: &'static str, argument: usize) -> Word {
    Word { label, argument, form: Form::Number }
}

const fn flags(label: &'static str, argument: usize) -> Word {
    Word { label, argument, form: Form::Hexadecimal }
}

const fn text(label: &'static str, argument: usize) -> Word {
    Word { label, argument, form: Form::Text }
}

use Direction::{Received, Sent};
use Kind::{Attempt, Identity, Transfer};
use Last::{Follow, FollowUnless, Keep};
use PathOperation as Op;
use Place::{At, Descriptor, Path};

static TABLE: &[Entry] = &[
    row("open", Kind::Open(OpenForm::Open)),
    row("creat", Kind::Open(OpenForm::Creat)),
    row("openat", Kind::Open(OpenForm::OpenAt)),
    row("openat2", Kind::Open(OpenForm::OpenAt2)),
    row("open_by_handle_at", Kind::Open(OpenForm::ByHandle)),
    row("execve", Kind::Execute(Path(0, Follow))),
    row("execveat", Kind::Execute(At(0, 1, FollowUnless(4)))),
    row("dup", Kind::Duplicate),
    row("dup2", Kind::Duplicate),
    row("dup3", Kind::Duplicate),
    row("fcntl", Kind::Duplicate),
    // Bytes.
    row("read", Transfer(Received)),
    row("readv", Transfer(Received)),
    row("pread64", Transfer(Received)),
    row("preadv", Transfer(Received)),
    row("preadv2", Transfer(Received)),
    row("write", Transfer(Sent)),
    row("writev", Transfer(Sent)),
    row("pwrite64", Transfer(Sent)),
    row("pwritev", Transfer(Sent)),
    row("pwritev2", Transfer(Sent)),
    row("mmap", Kind::Map),
    row("sendfile", Kind::Splice { from: Some(1), to: 0 }),
    row("splice", Kind::Splice { from: Some(0), to: 2 }),
    row("tee", Kind::Splice { from: Some(0), to: 1 }),
    row("vmsplice", Kind::Splice { from: None, to: 0 }),
    row("copy_file_range", Kind::Splice { from: Some(0), to: 2 }),
    // Names and attributes.
    change_two("rename", Op::Rename, Path(0, Keep), Path(1, Keep)),
    change_two("renameat", Op::Rename, At(0, 1, Keep), At(2, 3, Keep)),
    change_two("renameat2", Op::Rename, At(0, 1, Keep), At(2, 3, Keep)),
    change_two("link", Op::Link, Path(0, Keep), Path(1, Keep)),
    change_two("linkat", Op::Link, At(0, 1, Keep), At(2, 3, Keep)),
    change_two("symlink", Op::Symlink, Path(1, Keep), Place::Text(0)),
    change_two("symlinkat", Op::Symlink, At(1, 2, Keep), Place::Text(0)),
    change("unlink", Op::Unlink, Path(0, Keep)),
    row("unlinkat", Kind::UnlinkAt),
    change("mkdir", Op::MakeDirectory, Path(0, Keep)),
    change("mkdirat", Op::MakeDirectory, At(0, 1, Keep)),
    change("rmdir", Op::RemoveDirectory, Path(0, Keep)),
    change("mknod", Op::MakeNode, Path(0, Keep)),
    change("mknodat", Op::MakeNode, At(0, 1, Keep)),
    change("truncate", Op::Truncate, Path(0, Follow)),
    change("ftruncate", Op::Truncate, Descriptor(0)),
    change("chmod", Op::Mode, Path(0, Follow)),
    change("fchmod", Op::Mode, Descriptor(0)),
    change("fchmodat", Op::Mode, At(0, 1, Follow)),
    change("fchmodat2", Op::Mode, At(0, 1, FollowUnless(3))),
    change("chown", Op::Owner, Path(0, Follow)),
    change("lchown", Op::Owner, Path(0, Keep)),
    change("fchown", Op::Owner, Descriptor(0)),
    change("fchownat", Op::Owner, At(0, 1, FollowUnless(4))),
    change("setxattr", Op::Attribute, Path(0, Follow)),
    change("lsetxattr", Op::Attribute, Path(0, Keep)),
    change("fsetxattr", Op::Attribute, Descriptor(0)),
    change("setxattrat", Op::Attribute, At(0, 1, FollowUnless(2))),
    change("removexattr", Op::Attribute, Path(0, Follow)),
    change("lremovexattr", Op::Attribute, Path(0, Keep)),
    change("fremovexattr", Op::Attribute, Descriptor(0)),
    change("removexattrat", Op::Attribute, At(0, 1, FollowUnless(2))),
    // Sockets.
    row("socket", Kind::Socket),
    row("socketpair", Kind::SocketPair),
    row("bind", Kind::Bind),
    row("connect", Kind::Connect),
    row("accept", Kind::Accept),
    row("accept4", Kind::Accept),
    row("sendto", Kind::SendTo),
    row("sendmsg", Kind::SendMessage),
    row("sendmmsg", Kind::SendMessages),
    row("recvfrom", Kind::ReceiveFrom),
    row("recvmsg", Kind::ReceiveMessage),
    row("recvmmsg", Kind::ReceiveMessages),
    // Attempts to get out, or to reach into others.
    row("clone", Kind::Clone(CloneForm::Register)),
    row("clone3", Kind::Clone(CloneForm::Structure)),
    row("unshare", Attempt(Act::Namespace, &[flags("flags", 0)])),
    row("setns", Attempt(Act::Namespace, &[number("descriptor", 0), flags("kind", 1)])),
    row("ptrace", Attempt(Act::Trace, &[number("request", 0), number("pid", 1)])),
    row("process_vm_readv", Attempt(Act::ReachMemory, &[number("pid", 0)])),
    row("process_vm_writev", Attempt(Act::ReachMemory, &[number("pid", 0)])),
    row("bpf", Attempt(Act::Bpf, &[number("command", 0)])),
    row(
        "mount",
        Attempt(
            Act::Mount,
            &[text("source", 0), text("target", 1), text("type", 2), flags("flags", 3)],
        ),
    ),
    row("umount2", Attempt(Act::Mount, &[text("target", 0), flags("flags", 1)])),
    row("pivot_root", Attempt(Act::Mount, &[text("new", 0), text("old", 1)])),
    row("move_mount", Attempt(Act::Mount, &[text("from", 1), text("to", 3)])),
    row("open_tree", Attempt(Act::Mount, &[text("path", 1), flags("flags", 2)])),
    row("fsopen", Attempt(Act::Mount, &[text("type", 0)])),
    row("fsmount", Attempt(Act::Mount, &[number("descriptor", 0)])),
    row("mount_setattr", Attempt(Act::Mount, &[text("path", 1)])),
    row("init_module", Attempt(Act::LoadKernelCode, &[number("bytes", 1)])),
    row("finit_module", Attempt(Act::LoadKernelCode, &[number("descriptor", 0)])),
    row("delete_module", Attempt(Act::LoadKernelCode, &[text("name", 0)])),
    row("kexec_load", Attempt(Act::LoadKernelCode, &[])),
    row("kexec_file_load", Attempt(Act::LoadKernelCode, &[number("descriptor", 0)])),
    row("io_uring_setup", Attempt(Act::IoUring, &[number("entries", 0)])),
    row("io_uring_enter", Attempt(Act::IoUring, &[number("descriptor", 0)])),
    row("io_uring_register", Attempt(Act::IoUring, &[number("descriptor", 0)])),
    row("memfd_create", Attempt(Act::MemoryFile, &[text("name", 0), flags("flags", 1)])),
    row("memfd_secret", Attempt(Act::MemoryFile, &[flags("flags", 0)])),
    row("pidfd_getfd", Attempt(Act::TakeDescriptor, &[number("of", 0), number("descriptor", 1)])),
    row("userfaultfd", Attempt(Act::HandleFaults, &[flags("flags", 0)])),
    row("keyctl", Attempt(Act::Keys, &[number("operation", 0)])),
    row("add_key", Attempt(Act::Keys, &[text("type", 0), text("description", 1)])),
    row("request_key", Attempt(Act::Keys, &[text("type", 0), text("description", 1)])),
    row("setuid", Identity(&[number("uid", 0)])),
    row("setgid", Identity(&[number("gid", 0)])),
    row("setreuid", Identity(&[number("real", 0), number("effective", 1)])),
    row("setregid", Identity(&[number("real", 0), number("effective", 1)])),
    row("setresuid", Identity(&[number("real", 0), number("effective", 1), number("saved", 2)])),
    row("setresgid", Identity(&[number("real", 0), number("effective", 1), number("saved", 2)])),
    row("setfsuid", Identity(&[number("uid", 0)])),
    row("setfsgid", Identity(&[number("gid", 0)])),
    row("setgroups", Identity(&[number("count", 0)])),
    row("capset", Identity(&[])),
];

/// Calls that nobody records, but that name files or reach others.
static IN_PLACE: &[Entry] = &[
    row("stat", Kind::Look(Path(0, Follow))),
    row("lstat", Kind::Look(Path(0, Keep))),
    row("newfstatat", Kind::Look(At(0, 1, Follow))),
    row("statx", Kind::Look(At(0, 1, Follow))),
    row("statfs", Kind::Look(Path(0, Follow))),
    row("access", Kind::Look(Path(0, Follow))),
    row("faccessat", Kind::Look(At(0, 1, Follow))),
    row("faccessat2", Kind::Look(At(0, 1, Follow))),
    row("readlink", Kind::Look(Path(0, Keep))),
    row("readlinkat", Kind::Look(At(0, 1, Keep))),
    row("chdir", Kind::Look(Path(0, Follow))),
    row("utime", Kind::Look(Path(0, Follow))),
    row("utimes", Kind::Look(Path(0, Follow))),
    row("utimensat", Kind::Look(At(0, 1, Follow))),
    row("getxattr", Kind::Look(Path(0, Follow))),
    row("lgetxattr", Kind::Look(Path(0, Keep))),
    row("listxattr", Kind::Look(Path(0, Follow))),
    row("llistxattr", Kind::Look(Path(0, Keep))),
    row("inotify_add_watch", Kind::Look(At(0, 1, Follow))),
    row("listen", Kind::Listen),
    row("kill", Kind::Signal(0)),
    row("tkill", Kind::Signal(0)),
    row("tgkill", Kind::Signal(0)),
    row("rt_sigqueueinfo", Kind::Signal(0)),
    row("rt_tgsigqueueinfo", Kind::Signal(0)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_call_of_some_architecture() {
        // Absent from 64-bit Arm, or newer than the table of numbers.
        let may_lack = ["setxattrat", "removexattrat"];
        for entry in TABLE.iter().chain(IN_PLACE) {
            let known = entry.name.parse::<Sysno>().is_ok();
            let excused = may_lack.contains(&entry.name) || cfg!(target_arch = "aarch64");
            assert!(known || excused, "{}", entry.name);
        }
    }

    #[test]
    fn opens_only_leaves_out_reads_but_never_writes() {
        let calls = Calls::new(Reads::OpensOnly, &[]);
        let read = Sysno::read.id().unsigned_abs();
        assert!(!calls.numbers().contains(&read));
        assert!(calls.entry(u64::from(read)).is_none());
        assert!(calls.numbers().contains(&Sysno::write.id().unsigned_abs()));
    }

    #[test]
    fn names_what_it_does_not_know_by_number() {
        assert_eq!(name(u64::from(Sysno::io_uring_setup.id().unsigned_abs())), "io_uring_setup");
        assert_eq!(name(99_999), "99999");
    }
}
