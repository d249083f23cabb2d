//! The machine's own root, as far as programs need it.
//!
//! What is shown is listed; everything else is not there. The owner's folders (`/home`, `/root`,
//! `/srv`, `/media`, `/mnt`, `/opt`, `/tmp`, `/var` but for the package database) are empty.

use std::path::{Path, PathBuf};

use crate::keeper::{Piece, Writer};
use crate::layer::Attributes;
use crate::messages::{AtStep, Failure};

/// Folders that programs are in. On a merged system the last ones are links.
const PROGRAMS: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Names in `/etc` that tell secrets or who the machine is.
const HIDDEN_SETTINGS: &[&str] = &[
    "shadow",
    "shadow-",
    "gshadow",
    "gshadow-",
    "ssh",
    "machine-id",
    "hostname",
    "hosts",
    "resolv.conf",
    "sudoers",
    "sudoers.d",
    "krb5.keytab",
    "NetworkManager",
    "wireguard",
];
/// Secrets that lie deeper.
const HIDDEN_DEEPER: &[&str] = &["/etc/ssl/private", "/usr/local/etc", "/usr/src"];

/// The pieces of the machine's root.
pub(crate) fn pieces() -> Vec<Piece> {
    let mut pieces = vec![Piece { at: PathBuf::new(), from: None, hidden: Vec::new() }];
    let programs = PROGRAMS.iter().map(|name| (*name, Path::new("/").join(name)));
    for (name, path) in programs.filter(|(_, path)| path.is_dir() && !path.is_symlink()) {
        pieces.push(Piece { at: name.into(), from: Some(path), hidden: Vec::new() });
    }
    pieces.push(Piece {
        at: "etc".into(),
        from: Some("/etc".into()),
        hidden: present(HIDDEN_SETTINGS),
    });
    if Path::new("/var/lib/dpkg").is_dir() {
        pieces.push(Piece {
            at: "var/lib/dpkg".into(),
            from: Some("/var/lib/dpkg".into()),
            hidden: Vec::new(),
        });
    }
    pieces
}

fn present(names: &[&'static str]) -> Vec<&'static str> {
    names
        .iter()
        .copied()
        .filter(|name| Path::new("/etc").join(name).symlink_metadata().is_ok())
        .collect()
}

/// Makes what every root has and the pieces do not bring.
pub(crate) fn skeleton(writer: &Writer<'_>) -> Result<(), Failure> {
    const FOLDERS: &[(&str, u32)] = &[
        ("/home", 0o755),
        ("/root", 0o700),
        ("/srv", 0o755),
        ("/media", 0o755),
        ("/mnt", 0o755),
        ("/opt", 0o755),
        ("/run", 0o755),
        ("/tmp", 0o1777),
        ("/var", 0o755),
        ("/var/tmp", 0o1777),
        ("/var/lib", 0o755),
        ("/var/log", 0o755),
        ("/var/cache", 0o755),
        ("/var/spool", 0o755),
    ];
    for (path, mode) in FOLDERS {
        writer.folder(Path::new(path), Attributes::of_root(*mode)).at(format!("folder {path}"))?;
    }
    writer.symlink(Path::new("/var/run"), "/run").at("link /var/run")?;
    for name in PROGRAMS {
        let path = Path::new("/").join(name);
        if let Ok(target) = std::fs::read_link(&path) {
            writer
                .symlink(&path, &target.to_string_lossy())
                .at(format!("link {}", path.display()))?;
        }
    }
    for path in HIDDEN_DEEPER.iter().filter(|path| Path::new(path).exists()) {
        writer.remove(Path::new(path)).at(format!("hiding {path}"))?;
    }
    Ok(())
}
