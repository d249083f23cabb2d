//! Leads paths into a scratch folder, where no mount namespace gives the subject a root of its own.
//!
//! This makes a product find its files; it keeps nobody from any. Another thread can change a path
//! after it was led, links lead where they lead, and only Landlock stands behind that.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use watchglass_events::{Name, Peer, What};

use super::in_place::InPlace;

/// Where the subject's paths lie.
#[derive(Debug)]
pub(super) struct Leader {
    root: Vec<u8>,
    folder: OwnedFd,
    folders: Vec<Vec<u8>>,
    renamed: Option<(Vec<u8>, Name)>,
}

impl Leader {
    /// As [`InPlace`] says; the path of the scratch folder has no links.
    pub(super) fn new(in_place: &InPlace) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&in_place.root, flags, Mode::empty())?;
        let folders = in_place.folders.iter().map(|folder| bytes(folder)).collect();
        let renamed = in_place.renamed.as_ref().map(|(path, name)| (bytes(path), name.clone()));
        Ok(Self { root: bytes(&in_place.root), folder, folders, renamed })
    }

    /// Where a path leads that begins at `/`; `None`: where it says.
    pub(super) fn lead(&self, path: &[u8]) -> Option<Vec<u8>> {
        let clean = clean(path)?;
        if below(&clean, &self.root).is_some() {
            return None;
        }
        let is_led = self.folders.iter().any(|folder| below(&clean, folder).is_some());
        if !is_led && self.open(&clean).is_none() {
            return None;
        }
        let slash: &[u8] = if path.ends_with(b"/") { b"/" } else { b"" };
        Some([self.root.as_slice(), &clean, slash].concat())
    }

    /// The place of a Unix socket that the subject names; only those in the scratch folder exist
    /// for it. `folder` is its working folder.
    pub(super) fn socket(&self, name: &[u8], folder: Option<&[u8]>) -> Option<OwnedFd> {
        let whole = match name.first()? {
            b'/' => name.to_vec(),
            0 => return None,
            _ => [folder?, b"/", name].concat(),
        };
        let clean = clean(&whole)?;
        let inside = below(&clean, &self.root).map(<[u8]>::to_vec);
        self.open(&inside.unwrap_or(clean))
    }

    /// A path as the subject knows it.
    fn told(&self, name: Name) -> Name {
        if let Some((_, told)) = self.renamed.as_ref().filter(|(path, _)| path == name.as_bytes()) {
            return told.clone();
        }
        match below(name.as_bytes(), &self.root) {
            Some([]) => Name::from("/"),
            Some(inside) => Name::new(inside),
            None => name,
        }
    }

    /// A record with its paths as the subject knows them.
    pub(super) fn as_subject(&self, what: What) -> What {
        let maybe = |name: Option<Name>| name.map(|name| self.told(name));
        let peer = |peer: Peer| match peer {
            Peer::Unix(name) => Peer::Unix(self.told(name)),
            other => other,
        };
        match what {
            What::Executed { path, file, digest, argv } => {
                What::Executed { path: self.told(path), file, digest, argv }
            }
            What::Opened { path, claimed, file, access, error } => {
                let path = self.told(path);
                let claimed = maybe(claimed).filter(|claimed| *claimed != path);
                What::Opened { path, claimed, file, access, error }
            }
            What::Read { file, path, bytes, calls } => {
                What::Read { file, path: maybe(path), bytes, calls }
            }
            What::Written { file, path, bytes, calls } => {
                What::Written { file, path: maybe(path), bytes, calls }
            }
            What::Mapped { file, path, bytes, executable, shared_write } => {
                What::Mapped { file, path: maybe(path), bytes, executable, shared_write }
            }
            What::PathChanged { operation, path, other, error } => {
                let (path, other) = (self.told(path), maybe(other));
                What::PathChanged { operation, path, other, error }
            }
            What::Bound { socket, address, error } => {
                What::Bound { socket, address: peer(address), error }
            }
            What::Connected { socket, peer: to, error } => {
                What::Connected { socket, peer: peer(to), error }
            }
            What::Sent { socket, peer: to, bytes, calls, error } => {
                What::Sent { socket, peer: to.map(peer), bytes, calls, error }
            }
            other => other,
        }
    }

    fn open(&self, clean: &[u8]) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.folder, clean, flags, Mode::empty(), resolve).ok()
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

/// A path without `//`, `.` and `..`, these by their text. `None` for one that does not begin at
/// `/`.
fn clean(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.strip_prefix(b"/")?.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut clean: Vec<u8> = parts.iter().flat_map(|part| [b"/", *part].concat()).collect();
    if clean.is_empty() {
        clean.push(b'/');
    }
    Some(clean)
}

/// What of a path lies below a folder; empty for the folder itself.
fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(folder)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl crate::ptrace::Gate for Nowhere {
        fn announce(
            &self,
            _: crate::ptrace::Traffic,
            _: u16,
            _: std::net::SocketAddrV4,
        ) -> Result<std::net::SocketAddrV4, rustix::io::Errno> {
            Err(rustix::io::Errno::CONNREFUSED)
        }
    }

    fn leader(root: &Path) -> Leader {
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/own.conf"), "").unwrap();
        Leader::new(&InPlace {
            root: root.to_owned(),
            folders: vec!["/home".into(), "/run".into()],
            renamed: Some(("/build/lab".into(), "/canary".into())),
            gate: std::sync::Arc::new(Nowhere),
            channel: None,
        })
        .unwrap()
    }

    #[test]
    fn leads_its_folders_always_and_the_rest_only_where_it_is_there() {
        let root = tempfile::tempdir().unwrap();
        let leader = leader(root.path());
        let led = |path: &str| {
            let led = leader.lead(path.as_bytes())?;
            String::from_utf8_lossy(&led)
                .strip_prefix(root.path().to_str().unwrap())
                .map(str::to_owned)
        };
        assert_eq!(led("/home/nobody/x").as_deref(), Some("/home/nobody/x"));
        assert_eq!(led("/home/").as_deref(), Some("/home/"));
        assert_eq!(led("/etc/../etc//own.conf").as_deref(), Some("/etc/own.conf"));
        assert_eq!(led("/tmp/../home").as_deref(), Some("/home"));
        for path in ["/homes", "/etc/passwd", "relative", "/usr/lib/libc.so.6", ""] {
            assert_eq!(led(path), None, "{path}");
        }
        let led_already = root.path().join("etc/own.conf");
        assert_eq!(led(led_already.to_str().unwrap()), None);
    }

    #[test]
    fn sockets_outside_of_the_folder_do_not_exist() {
        let root = tempfile::tempdir().unwrap();
        let leader = leader(root.path());
        std::fs::create_dir(root.path().join("run")).unwrap();
        std::fs::write(root.path().join("run/socket"), "").unwrap();
        std::os::unix::fs::symlink("/run", root.path().join("out")).unwrap();
        let inside = root.path().join("run");
        let inside = std::os::unix::ffi::OsStrExt::as_bytes(inside.as_os_str());
        assert!(leader.socket(b"/run/socket", None).is_some());
        assert!(leader.socket(b"socket", Some(inside)).is_some());
        assert!(leader.socket(b"/out/socket", None).is_some(), "links stay inside");
        for name in [&b"/var/run/docker.sock"[..], b"\0abstract", b"", b"socket", b"/../../run/x"] {
            assert!(leader.socket(name, None).is_none(), "{name:?}");
        }
    }

    #[test]
    fn records_name_paths_as_the_subject_knows_them() {
        let root = tempfile::tempdir().unwrap();
        let leader = leader(root.path());
        let under = |path: &str| Name::from(format!("{}{path}", root.path().display()).as_str());
        assert_eq!(leader.told(under("/etc/own.conf")), "/etc/own.conf".into());
        assert_eq!(leader.told(under("")), "/".into());
        assert_eq!(leader.told("/build/lab".into()), "/canary".into());
        assert_eq!(leader.told(under("er/etc")), under("er/etc"));
    }
}
