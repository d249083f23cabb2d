//! The machine's own programs as a root.
//!
//! What is shown is a list; all else is not there. `/usr` is shown through an overlay without
//! `/usr/local` and `/usr/src`, which are the owner's. `/etc` is a copy of the listed entries, and
//! of those only what everybody may read; users above the system's are left out of it. `/home`,
//! `/root`, `/srv`, `/media`, `/mnt`, `/opt` and `/var` are empty.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::keeper::{Piece, Writer};
use crate::layer::Attributes;
use crate::messages::{AtStep, Failure};

/// The folders of the machine that are shown: the root itself as an empty one, `/usr`, the package
/// database, and the older folders beside `/usr` where they are not links into it.
pub(crate) fn pieces() -> Vec<Piece> {
    let shown = |at: &str, hidden| Piece {
        at: PathBuf::from(at),
        from: Some(Path::new("/").join(at)),
        hidden,
    };
    let mut pieces = vec![
        Piece { at: PathBuf::new(), from: None, hidden: Vec::new() },
        shown("usr", existing("/usr", &["local", "src"])),
    ];
    for name in OLD_FOLDERS {
        if fs::symlink_metadata(Path::new("/").join(name)).is_ok_and(|found| found.is_dir()) {
            pieces.push(shown(name, Vec::new()));
        }
    }
    if Path::new(PACKAGES).is_dir() {
        pieces.push(shown(PACKAGES.trim_start_matches('/'), Vec::new()));
    }
    pieces
}

/// Writes what does not come from an overlay.
pub(crate) fn skeleton(writer: &Writer<'_>) -> Result<(), Failure> {
    for (path, mode) in FOLDERS {
        writer.folder(Path::new(path), Attributes::of_root(*mode)).at(format!("laying {path}"))?;
    }
    for name in OLD_FOLDERS {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            let target = target.to_string_lossy();
            writer.symlink(&Path::new("/").join(name), &target).at(format!("laying /{name}"))?;
        }
    }
    for (path, target) in LINKS {
        writer.symlink(Path::new(path), target).at(format!("laying {path}"))?;
    }
    let mut copy = Copy { writer, bytes: MAX_SETTINGS_BYTES };
    for name in SETTINGS {
        copy.path(&Path::new("/etc").join(name), MAX_SETTINGS_DEPTH)
            .at(format!("copying /etc/{name}"))?;
    }
    for name in ["passwd", "group"] {
        let text = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        let text = system_accounts(&text);
        writer
            .file(&Path::new("/etc").join(name), Attributes::of_root(0o644), &mut text.as_bytes())
            .at(format!("laying /etc/{name}"))?;
    }
    Ok(())
}

fn existing(folder: &str, names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| Path::new(folder).join(name).exists()).collect()
}

/// Copies settings within bounds; what not everybody may read is left out.
struct Copy<'a, 'w> {
    writer: &'a Writer<'w>,
    bytes: u64,
}

impl Copy<'_, '_> {
    fn path(&mut self, path: &Path, depth: u32) -> io::Result<()> {
        let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
        let kind = found.file_type();
        if kind.is_symlink() {
            return self.writer.symlink(path, &fs::read_link(path)?.to_string_lossy());
        }
        let attributes = Attributes::of_root(found.mode() & 0o777);
        if kind.is_dir() && depth > 0 && found.mode() & 0o005 == 0o005 {
            self.writer.folder(path, attributes)?;
            for entry in fs::read_dir(path)? {
                self.path(&entry?.path(), depth - 1)?;
            }
        }
        if kind.is_file() && found.mode() & 0o004 != 0 && found.len() <= self.bytes {
            self.bytes -= found.len();
            self.writer.file(path, attributes, &mut File::open(path)?.take(found.len()))?;
        }
        Ok(())
    }
}

/// The lines of `/etc/passwd` or `/etc/group` whose number belongs to the system, without the
/// members of groups: people's names are the owner's.
fn system_accounts(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let mut fields: Vec<_> = line.split(':').collect();
        let number = fields.get(2).and_then(|number| number.parse::<u32>().ok());
        if !number.is_some_and(|number| number < FIRST_PERSON || number == NOBODY) {
            continue;
        }
        if let [_, _, _, members] = fields.as_mut_slice() {
            *members = "";
        }
        kept.push_str(&fields.join(":"));
        kept.push('\n');
    }
    kept
}

const PACKAGES: &str = "/var/lib/dpkg";
const OLD_FOLDERS: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// `FIRST_UID` of adduser.conf(5).
const FIRST_PERSON: u32 = 1000;
const NOBODY: u32 = 65_534;

const FOLDERS: &[(&str, u32)] = &[
    ("/boot", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/run/lock", 0o1777),
    ("/srv", 0o755),
    ("/tmp", 0o1777),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/spool", 0o755),
    ("/var/tmp", 0o1777),
];
const LINKS: &[(&str, &str)] =
    &[("/var/run", "/run"), ("/var/lock", "/run/lock"), ("/etc/mtab", "../proc/self/mounts")];

/// Entries of `/etc` that programs need and that say nothing of the owner.
const SETTINGS: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "dpkg",
    "gai.conf",
    "gnutls",
    "host.conf",
    "inputrc",
    "issue",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.gen",
    "localtime",
    "login.defs",
    "magic",
    "magic.mime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pam.conf",
    "pam.d",
    "perl",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "rpc",
    "security",
    "services",
    "shells",
    "skel",
    "ssl",
    "terminfo",
    "timezone",
    "xattr.conf",
];
const MAX_SETTINGS_BYTES: u64 = 256 << 20;
const MAX_SETTINGS_DEPTH: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_left_out_of_the_account_files() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna A:/home/anna:/bin/sh\n\
                      nobody:x:65534:65534::/:/usr/sbin/nologin\nbroken line\n";
        let expected =
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n";
        assert_eq!(system_accounts(passwd), expected);
        assert_eq!(system_accounts("sudo:x:27:anna\nanna:x:1000:\n"), "sudo:x:27:\n");
    }
}
