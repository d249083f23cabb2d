//! Puts uprobes on TLS libraries of the world.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use aya::programs::Program;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope};
use rustix::fs::{FileType, OFlags, Stat};
use watchglass_events::Name;

use super::loaded::Loaded;
use super::paths::Root;

/// The libraries that are probed.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    /// By device and inode: a probe belongs to an inode, not to a path.
    known: HashSet<(u64, u64)>,
    paths: Vec<Name>,
    /// Libraries that could not be probed, and why.
    pub(super) failed: Vec<String>,
}

/// A function at which clear text passes, and the program for its return.
struct Function {
    symbol: &'static str,
    at_return: &'static str,
}

impl Libraries {
    /// Probes the library at `path` in `root`, unless it is probed already.
    ///
    /// The probe stands in every process that maps this file, also in those that already run, and
    /// also outside of the world where it is the same file; the program ends at once there. Through
    /// an overlay the kernel puts it into the file of the lower layer.
    pub(super) fn attach(&mut self, loaded: &mut Loaded, root: &Root, path: &Name) {
        if !loaded.has("tls_enter") || self.known.len() >= MAX_LIBRARIES {
            return;
        }
        if let Err(reason) = self.try_attach(loaded, root, path)
            && self.failed.len() < MAX_LIBRARIES
        {
            self.failed.push(format!("{path}: {reason}"));
        }
    }

    fn try_attach(&mut self, loaded: &mut Loaded, root: &Root, path: &Name) -> Result<(), String> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = root.open_inside(path.as_bytes(), flags).map_err(|error| error.to_string())?;
        let found = rustix::fs::fstat(&file).map_err(|error| error.to_string())?;
        if !self.known.insert((found.st_dev, found.st_ino)) {
            return Ok(());
        }
        if u64::try_from(found.st_size).unwrap_or(u64::MAX) > MAX_LIBRARY_BYTES {
            return Err("over 256 MiB".to_owned());
        }
        let library = self.paths.len();
        self.paths.push(path.clone());
        // The descriptor's name leads to this very file, whatever happens to the path meanwhile.
        let target = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut probed = 0_u32;
        for (index, function) in functions(path).iter().enumerate() {
            let cookie = u64::try_from(library << FUNCTION_BITS | index).unwrap_or(u64::MAX);
            // A library need not have every function: the `_ex` ones came with OpenSSL 1.1.1.
            let attached = probe(loaded, function.at_return, function.symbol, &target, cookie)
                .and_then(|()| probe(loaded, "tls_enter", function.symbol, &target, cookie));
            probed = probed.saturating_add(u32::from(attached.is_ok()));
        }
        if probed == 0 { Err("none of its functions was found".to_owned()) } else { Ok(()) }
    }

    /// Path of the library that a cookie names.
    pub(super) fn path(&self, cookie: u64) -> Name {
        let index = usize::try_from(cookie >> FUNCTION_BITS).unwrap_or(usize::MAX);
        self.paths.get(index).cloned().unwrap_or_default()
    }
}

/// The TLS libraries of a root that can be probed, as paths in it, in the folders where systems keep
/// libraries. Links lead to files of the root only; each file is named once.
pub fn tls_libraries(world_root: &std::path::Path) -> Vec<PathBuf> {
    let Ok(root) = Root::open(world_root) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = LIBRARY_FOLDERS.iter().map(PathBuf::from).collect();
    for folder in LIBRARY_FOLDERS {
        // Such as `x86_64-linux-gnu`, where Debian keeps those of one architecture.
        let below = entries(&root, Path::new(folder));
        let of_architecture = below.into_iter().filter(|name| name.to_string_lossy().contains('-'));
        folders.extend(of_architecture.map(|name| Path::new(folder).join(name)));
    }
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    for folder in folders {
        for name in entries(&root, &folder).iter().filter(|name| is_shared_library(name)) {
            let path = folder.join(name);
            let file = root.open_inside(path.as_os_str().as_bytes(), OFlags::PATH);
            let stat = file.ok().and_then(|file| rustix::fs::fstat(file).ok());
            let regular = |stat: &Stat| FileType::from_raw_mode(stat.st_mode).is_file();
            if let Some(stat) = stat.filter(regular)
                && found.len() < MAX_LIBRARIES
                && known.insert((stat.st_dev, stat.st_ino))
            {
                found.push(path);
            }
        }
    }
    found
}

/// Names in a folder of the root, in order; none where it cannot be read.
fn entries(root: &Root, folder: &Path) -> Vec<OsString> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let Ok(folder) = root.open_inside(folder.as_os_str().as_bytes(), flags) else {
        return Vec::new();
    };
    let Ok(read) = rustix::fs::Dir::read_from(folder) else { return Vec::new() };
    let names = read.flatten().take(MAX_ENTRIES);
    let mut names: Vec<OsString> =
        names.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()).collect();
    names.sort();
    names
}

/// `libssl.so.3` is one; `libssl3.so` is NSS, and `libgnutls-dane.so.0` speaks no TLS.
fn is_shared_library(name: &OsStr) -> bool {
    let name = name.as_bytes();
    [&b"libssl.so."[..], b"libgnutls.so."].iter().any(|start| name.starts_with(start))
}

/// Whether a path is that of a TLS library whose functions are known.
pub(super) fn is_tls_library(path: &Name) -> bool {
    !functions(path).is_empty()
}

fn functions(path: &Name) -> &'static [Function] {
    let name = path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if name.starts_with(b"libssl") {
        OPENSSL
    } else if name.starts_with(b"libgnutls") {
        GNUTLS
    } else {
        &[]
    }
}

fn probe(
    loaded: &mut Loaded,
    program: &str,
    symbol: &str,
    target: &str,
    cookie: u64,
) -> Result<(), String> {
    let Some(Program::UProbe(program)) = loaded.program_mut(program) else {
        return Err("no such program".to_owned());
    };
    let location = UProbeAttachLocation::Symbol(symbol);
    let point = UProbeAttachPoint { location, cookie: Some(cookie) };
    let attached = program.attach(point, target, UProbeScope::AllProcesses);
    attached.map(drop).map_err(|error| super::programs::chain(&error))
}

const OPENSSL: &[Function] = &[
    Function { symbol: "SSL_write", at_return: "tls_sent" },
    Function { symbol: "SSL_read", at_return: "tls_received" },
    Function { symbol: "SSL_write_ex", at_return: "tls_sent_ex" },
    Function { symbol: "SSL_read_ex", at_return: "tls_received_ex" },
];

const GNUTLS: &[Function] = &[
    Function { symbol: "gnutls_record_send", at_return: "tls_sent" },
    Function { symbol: "gnutls_record_recv", at_return: "tls_received" },
];

/// Where systems keep shared libraries; `/lib` leads to `/usr/lib` on most.
const LIBRARY_FOLDERS: &[&str] = &["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];
/// A folder of libraries holds some thousands of entries.
const MAX_ENTRIES: usize = 65_536;
const FUNCTION_BITS: u32 = 8;
/// A subject may copy libraries without end; each costs probes.
const MAX_LIBRARIES: usize = 256;
/// The whole file is read to find its symbols.
const MAX_LIBRARY_BYTES: u64 = 256 * 1024 * 1024;
