//! What a product is made of: its packages, and every file of theirs with its digest.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use watchglass_events::Digest;

use super::PreparedRoot;
use crate::RootError;

/// A product's packages and files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Installed packages, by name.
    pub packages: Vec<InventoryPackage>,
    /// Programs and libraries of the root, by path.
    pub files: Vec<InventoryFile>,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A file with its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryFile {
    /// Path in the world.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Digest of the content.
    pub digest: Digest,
}

/// Takes the inventory of a root: all packages, and every file of the named packages and of the
/// folders that programs are run from.
///
/// Costs a read of those files; for a small root about a second.
///
/// # Errors
/// [`RootError::Io`].
pub fn inventory(root: &PreparedRoot, named: &[String]) -> Result<Inventory, RootError> {
    let base = root.folder();
    let packages = packages(base);
    let mut paths = Vec::new();
    for package in named {
        paths.extend(files_of(base, package));
    }
    for folder in RUN_FROM {
        list(base, Path::new(folder), &mut paths);
    }
    paths.sort();
    paths.dedup();
    let files = paths.iter().filter_map(|path| file(base, path)).collect();
    Ok(Inventory { packages, files })
}

/// Where programs are run from.
const RUN_FROM: &[&str] = &["usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"];

/// `/var/lib/dpkg/status`, deb-control(5) paragraphs.
fn packages(base: &Path) -> Vec<InventoryPackage> {
    let status = fs::read_to_string(base.join("var/lib/dpkg/status")).unwrap_or_default();
    let field = |paragraph: &str, key: &str| {
        let line = paragraph.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim().to_owned())
    };
    let package = |paragraph: &str| {
        let installed = field(paragraph, "Status:")?.ends_with(" installed");
        let (name, version) = (field(paragraph, "Package:")?, field(paragraph, "Version:")?);
        installed.then_some(InventoryPackage { name, version })
    };
    status.split("\n\n").filter_map(package).collect()
}

/// `/var/lib/dpkg/info/NAME.list` or `NAME:ARCHITECTURE.list`.
fn files_of(base: &Path, package: &str) -> Vec<PathBuf> {
    let info = base.join("var/lib/dpkg/info");
    let names = [
        format!("{package}.list"),
        format!("{package}:amd64.list"),
        format!("{package}:arm64.list"),
    ];
    let found = names.iter().find_map(|name| fs::read_to_string(info.join(name)).ok());
    let text = found.unwrap_or_default();
    text.lines().map(|line| PathBuf::from(line.trim_start_matches('/'))).collect()
}

fn list(base: &Path, folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(base.join(folder)) else { return };
    paths.extend(entries.flatten().map(|entry| folder.join(entry.file_name())));
}

/// A regular file; links and folders are none.
fn file(base: &Path, path: &Path) -> Option<InventoryFile> {
    let full = base.join(path);
    let metadata = full.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
    let digest = digest(&full)?;
    Some(InventoryFile { path: format!("/{}", path.display()), bytes: metadata.len(), digest })
}

fn digest(path: &Path) -> Option<Digest> {
    let mut file = fs::File::open(path).ok()?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(Digest(digest.finalize().into())),
            length => digest.update(buffer.get(..length)?),
        }
    }
}
