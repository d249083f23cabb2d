//! System calls of x86-64 by number: names and what they attempt.

use watchglass_events::{Act, PathOperation};

/// Name of a call that is told by name.
pub(super) fn name(call: u32) -> Option<&'static str> {
    let index = NAMES.binary_search_by_key(&call, |(number, _)| *number).ok()?;
    NAMES.get(index).map(|(_, name)| *name)
}

/// Name of a call, or its number.
pub(super) fn name_or_number(call: u32) -> String {
    name(call).map_or_else(|| format!("system call {call}"), str::to_owned)
}

/// What a call does to names and attributes. `flags` is the third argument, which tells removal of
/// directories from other removal.
pub(super) fn path_operation(call: u32, flags: u64) -> Option<PathOperation> {
    Some(match call {
        82 | 264 | 316 => PathOperation::Rename,
        86 | 265 => PathOperation::Link,
        88 | 266 => PathOperation::Symlink,
        263 if flags & AT_REMOVEDIR != 0 => PathOperation::RemoveDirectory,
        87 | 263 => PathOperation::Unlink,
        83 | 258 => PathOperation::MakeDirectory,
        84 => PathOperation::RemoveDirectory,
        133 | 259 => PathOperation::MakeNode,
        76 | 77 => PathOperation::Truncate,
        90 | 91 | 268 | 452 => PathOperation::Mode,
        92 | 93 | 94 | 260 => PathOperation::Owner,
        188..=190 | 197..=199 | 463 | 466 => PathOperation::Attribute,
        _ => return None,
    })
}

/// What few honest programs need.
pub(super) fn act(call: u32) -> Option<Act> {
    Some(match call {
        101 => Act::Trace,
        310 | 311 => Act::ReachMemory,
        321 => Act::Bpf,
        155 | 161 | 165 | 166 | 428..=433 | 442 | 467 => Act::Mount,
        56 | 272 | 308 | 435 => Act::Namespace,
        175 | 176 | 246 | 313 | 320 => Act::LoadKernelCode,
        425 | 427 => Act::IoUring,
        319 | 447 => Act::MemoryFile,
        438 => Act::TakeDescriptor,
        304 => Act::OpenByHandle,
        323 => Act::HandleFaults,
        248..=250 => Act::Keys,
        105 | 106 | 113 | 114 | 116 | 117 | 119 | 122 | 123 | 126 => Act::ChangeIdentity,
        16 | 40 | 275 | 276 | 278 | 326 => Act::Splice,
        _ => return None,
    })
}

/// Name of a request through io_uring (linux/io_uring.h), or its number.
pub(super) fn ring_operation(operation: u64) -> String {
    let name = match operation {
        1 => "READV",
        2 => "WRITEV",
        4 => "READ_FIXED",
        5 => "WRITE_FIXED",
        9 => "SENDMSG",
        10 => "RECVMSG",
        13 => "ACCEPT",
        16 => "CONNECT",
        18 => "OPENAT",
        19 => "CLOSE",
        22 => "READ",
        23 => "WRITE",
        26 => "SEND",
        27 => "RECV",
        28 => "OPENAT2",
        30 => "SPLICE",
        35 => "RENAMEAT",
        36 => "UNLINKAT",
        37 => "MKDIRAT",
        38 => "SYMLINKAT",
        39 => "LINKAT",
        45 => "SOCKET",
        47 => "SEND_ZC",
        48 => "SENDMSG_ZC",
        _ => return format!("operation {operation}"),
    };
    name.to_owned()
}

const AT_REMOVEDIR: u64 = 0x200;

/// Calls that are told by name, by number; arch/x86/entry/syscalls/syscall_64.tbl.
const NAMES: &[(u32, &str)] = &[
    (16, "ioctl(FICLONE)"),
    (29, "shmget"),
    (30, "shmat"),
    (40, "sendfile"),
    (56, "clone"),
    (62, "kill"),
    (101, "ptrace"),
    (103, "syslog"),
    (105, "setuid"),
    (106, "setgid"),
    (113, "setreuid"),
    (114, "setregid"),
    (116, "setgroups"),
    (117, "setresuid"),
    (119, "setresgid"),
    (122, "setfsuid"),
    (123, "setfsgid"),
    (126, "capset"),
    (141, "setpriority"),
    (144, "sched_setscheduler"),
    (149, "mlock"),
    (151, "mlockall"),
    (153, "vhangup"),
    (155, "pivot_root"),
    (157, "prctl"),
    (160, "setrlimit"),
    (161, "chroot"),
    (163, "acct"),
    (164, "settimeofday"),
    (165, "mount"),
    (166, "umount2"),
    (167, "swapon"),
    (168, "swapoff"),
    (169, "reboot"),
    (170, "sethostname"),
    (171, "setdomainname"),
    (172, "iopl"),
    (173, "ioperm"),
    (175, "init_module"),
    (176, "delete_module"),
    (179, "quotactl"),
    (227, "clock_settime"),
    (246, "kexec_load"),
    (248, "add_key"),
    (249, "request_key"),
    (250, "keyctl"),
    (251, "ioprio_set"),
    (272, "unshare"),
    (275, "splice"),
    (276, "tee"),
    (278, "vmsplice"),
    (298, "perf_event_open"),
    (300, "fanotify_init"),
    (301, "fanotify_mark"),
    (302, "prlimit64"),
    (304, "open_by_handle_at"),
    (305, "clock_adjtime"),
    (308, "setns"),
    (310, "process_vm_readv"),
    (311, "process_vm_writev"),
    (313, "finit_module"),
    (317, "seccomp"),
    (319, "memfd_create"),
    (320, "kexec_file_load"),
    (321, "bpf"),
    (323, "userfaultfd"),
    (326, "copy_file_range"),
    (425, "io_uring_setup"),
    (426, "io_uring_enter"),
    (427, "io_uring_register"),
    (428, "open_tree"),
    (429, "move_mount"),
    (430, "fsopen"),
    (431, "fsconfig"),
    (432, "fsmount"),
    (433, "fspick"),
    (434, "pidfd_open"),
    (435, "clone3"),
    (438, "pidfd_getfd"),
    (442, "mount_setattr"),
    (444, "landlock_create_ruleset"),
    (447, "memfd_secret"),
    (467, "open_tree_attr"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_every_attempt_has_one() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for call in 0..512 {
            assert!(act(call).is_none() || name(call).is_some(), "call {call} has no name");
        }
    }
}
