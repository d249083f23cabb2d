//! Landlock: gives up rights over files and the network, for good; landlock(7).
//!
//! A [`Ruleset`] refuses everything that it handles and that no rule gives back. What the running
//! kernel cannot handle is left out: [`version`] says what it can, and callers decide whether that
//! is enough.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Rights over what lies below a path, `LANDLOCK_ACCESS_FS_…` of linux/landlock.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u64);

impl Access {
    /// Reading and listing.
    pub const READ: Self = Self(FS_READ_FILE | FS_READ_DIR);
    /// Running and reading programs.
    pub const RUN: Self = Self(FS_EXECUTE | FS_READ_FILE | FS_READ_DIR);
    /// Writing to what is there.
    pub const WRITE: Self = Self(FS_READ_FILE | FS_WRITE_FILE);
    /// All of it.
    pub const ALL: Self = Self(u64::MAX);
}

/// The version of the interface, 1 for Linux 5.13, 4 with TCP (6.7), 6 with scopes (6.12).
///
/// # Errors
/// `ENOSYS` or `EOPNOTSUPP` where there is none; `EPERM` where a filter refuses it.
pub fn version() -> io::Result<u32> {
    // SAFETY: with a null attribute of size 0 and this flag the call reads no memory.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<Attributes>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}

/// Rules in the making.
#[derive(Debug)]
pub struct Ruleset {
    ruleset: OwnedFd,
    files: u64,
}

impl Ruleset {
    /// Handles every right over files that this kernel knows, every TCP connection and port, and,
    /// from version 6 on, signals and abstract Unix sockets of whoever stands outside.
    ///
    /// # Errors
    /// As [`version`].
    pub fn of_everything() -> io::Result<Self> {
        let version = version()?;
        let files = files_of(version);
        let network = if version >= 4 { NET_BIND_TCP | NET_CONNECT_TCP } else { 0 };
        let scoped = if version >= 6 { SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL } else { 0 };
        let attributes = Attributes { files, network, scoped };
        // An older kernel takes a shorter structure, and no longer one unless the rest is zero,
        // which it is there.
        // SAFETY: the call reads `size` bytes of `attributes`, which is initialised and outlives it.
        let ruleset = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attributes,
                size_of::<Attributes>(),
                0_u32,
            )
        };
        let ruleset = i32::try_from(ruleset).map_err(io::Error::other)?;
        if ruleset < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so the descriptor is open and nobody else owns it.
        Ok(Self { ruleset: unsafe { OwnedFd::from_raw_fd(ruleset) }, files })
    }

    /// Gives rights back over a folder and all below it, or over one file.
    ///
    /// # Errors
    /// `EINVAL` for rights that a file cannot have.
    pub fn allow(&self, below: impl AsFd, access: Access, is_folder: bool) -> io::Result<()> {
        let kind = if is_folder { u64::MAX } else { FS_OF_FILES };
        let rule = PathBeneath {
            allowed: access.0 & self.files & kind,
            parent: below.as_fd().as_raw_fd(),
        };
        // SAFETY: the call reads a `landlock_path_beneath_attr` from `rule`, which is one, is
        // initialised and outlives the call; both descriptors are borrowed and open.
        let added = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.ruleset.as_raw_fd(),
                RULE_PATH_BENEATH,
                &raw const rule,
                0_u32,
            )
        };
        if added == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Holds this thread, and all that it will make, to the rules.
    ///
    /// # Errors
    /// `EPERM` without `no_new_privs` and without `CAP_SYS_ADMIN`.
    pub fn restrict(&self) -> io::Result<()> {
        // SAFETY: the call takes numbers only; the descriptor is open.
        let held = unsafe {
            libc::syscall(libc::SYS_landlock_restrict_self, self.ruleset.as_raw_fd(), 0_u32)
        };
        if held == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct Attributes {
    files: u64,
    network: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`, which has no padding.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// Rights over files that a version knows: 13 at first, then moving (2), truncating (3), and device
/// control (5).
fn files_of(version: u32) -> u64 {
    let count = match version {
        0 | 1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    (1 << count) - 1
}

const FS_EXECUTE: u64 = 1;
const FS_WRITE_FILE: u64 = 1 << 1;
const FS_READ_FILE: u64 = 1 << 2;
const FS_READ_DIR: u64 = 1 << 3;
const FS_TRUNCATE: u64 = 1 << 14;
const FS_IOCTL_DEV: u64 = 1 << 15;
/// Rights that a rule over a file that is no folder can have.
const FS_OF_FILES: u64 = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
const NET_BIND_TCP: u64 = 1;
const NET_CONNECT_TCP: u64 = 2;
const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
const SCOPE_SIGNAL: u64 = 2;
const RULE_PATH_BENEATH: libc::c_int = 1;
const CREATE_RULESET_VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_knows_what_those_before_it_knew() {
        for version in 1..10 {
            assert_eq!(files_of(version) & files_of(version + 1), files_of(version));
        }
        assert_eq!(files_of(3) & FS_TRUNCATE, FS_TRUNCATE);
        assert_eq!(files_of(4) & FS_IOCTL_DEV, 0);
        assert_eq!(files_of(5) & FS_IOCTL_DEV, FS_IOCTL_DEV);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test writes where it may and may not, and says when it cannot run"
    )]
    fn a_thread_that_is_held_reads_and_writes_where_it_may() {
        if version().is_err() {
            assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "no Landlock here");
            eprintln!("skipped: a_thread_that_is_held_reads_and_writes_where_it_may: no Landlock");
            return;
        }
        let (mine, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(others.path().join("secret"), "s").unwrap();
        let held = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            let rules = Ruleset::of_everything().unwrap();
            rules.allow(std::fs::File::open(mine.path()).unwrap(), Access::ALL, true).unwrap();
            rules.restrict().unwrap();
            let written = std::fs::write(mine.path().join("a"), "a");
            let read = std::fs::read(others.path().join("secret"));
            let made = std::fs::write(others.path().join("new"), "n");
            (written.is_ok(), read.is_err(), made.is_err())
        });
        assert_eq!(held.join().unwrap(), (true, true, true));
    }
}
