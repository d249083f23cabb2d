//! What is installed in a root, by the package manager's own records.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use sha2::{Digest as _, Sha256};
use watchglass_events::Digest;

use crate::RootError;

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Every installed package, by name.
    pub packages: Vec<Package>,
    /// The files of the product's own packages, by path.
    pub files: Vec<FileDigest>,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version, as the distribution writes it.
    pub version: String,
    /// Architecture.
    pub architecture: String,
}

/// A file of the product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileDigest {
    /// Absolute path in the world.
    pub path: String,
    /// The package it belongs to.
    pub package: String,
    /// Size in bytes; 0 without a digest.
    pub bytes: u64,
    /// SHA-256 of the content; `None` for a file that is listed and missing, or that
    /// the lab's user may not read.
    pub digest: Option<Digest>,
}

pub(super) fn read(root: &Path, products: &[String]) -> Result<Inventory, RootError> {
    let status = root.join("var/lib/dpkg/status");
    let text = fs::read_to_string(&status).map_err(RootError::io(&status))?;
    let packages = installed(&text);
    let folder =
        rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| RootError::io(root)(error.into()))?;
    let mut files = BTreeSet::new();
    for package in packages.iter().filter(|package| products.contains(&package.name)) {
        for path in listed(root, package)? {
            files.extend(digest(&folder, package, &path)?);
        }
    }
    Ok(Inventory { packages, files: files.into_iter().collect() })
}

/// Stanzas are separated by empty lines; only those of installed packages count, dpkg-query(1).
fn installed(status: &str) -> Vec<Package> {
    let mut packages: Vec<_> = status.split("\n\n").filter_map(package).collect();
    packages.sort();
    packages
}

fn package(stanza: &str) -> Option<Package> {
    let field = |key: &str| {
        stanza
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
    };
    let installed = field("Status")?.ends_with(" installed");
    let architecture = field("Architecture").unwrap_or_default();
    installed.then_some(Package {
        name: field("Package")?,
        version: field("Version")?,
        architecture,
    })
}

/// The list of a package that exists in several architectures at once is named with its own.
fn listed(root: &Path, package: &Package) -> Result<Vec<String>, RootError> {
    let folder = root.join("var/lib/dpkg/info");
    let names = [
        format!("{}.list", package.name),
        format!("{}:{}.list", package.name, package.architecture),
    ];
    let path = names.iter().map(|name| folder.join(name)).find(|path| path.exists());
    let path: PathBuf = path.unwrap_or_else(|| folder.join(&names[0]));
    let text = fs::read_to_string(&path).map_err(RootError::io(&path))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The digest of a regular file; folders and links have none and are left out.
fn digest(root: &OwnedFd, package: &Package, path: &str) -> Result<Option<FileDigest>, RootError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut entry =
        FileDigest { path: path.to_owned(), package: package.name.clone(), bytes: 0, digest: None };
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(file) => {
            let file = File::from(file);
            if !file.metadata().map_err(RootError::io(path))?.is_file() {
                return Ok(None);
            }
            let (bytes, digest) = hash(file).map_err(RootError::io(path))?;
            entry.bytes = bytes;
            entry.digest = Some(digest);
            Ok(Some(entry))
        }
        Err(rustix::io::Errno::LOOP) => Ok(None),
        // What belongs to a user of the range alone cannot be read by whoever made the root.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::ACCESS) => Ok(Some(entry)),
        Err(error) => Err(RootError::io(path)(error.into())),
    }
}

fn hash(mut file: File) -> io::Result<(u64, Digest)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += part.len() as u64;
    }
    Ok((bytes, Digest(hash.finalize().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_installed_packages_only() {
        let status = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:1.0-1\n\n\
                      Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: a2\nStatus: hold ok installed\nArchitecture: all\nVersion: 3\n";
        let packages = installed(status);
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a2", "b"]);
        assert_eq!(packages[1].version, "2:1.0-1");
    }
}
