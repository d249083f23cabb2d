//! The files of the repository.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::output;
use crate::trouble::Trouble;

/// Every file that is or will be in the repository, from the top: what git tracks or would add. A
/// tree without git (a release archive) is walked.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn tracked(root: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut files = match from_git(root) {
        Some(files) => files,
        None => walk(root)?,
    };
    // A deleted file is tracked until the commit; a link's text is not the file's.
    files.retain(|file| root.join(file).symlink_metadata().is_ok_and(|facts| facts.is_file()));
    files.sort();
    Ok(files)
}

fn from_git(root: &Path) -> Option<Vec<PathBuf>> {
    if !root.join(".git").exists() {
        return None; // a tree inside somebody else's repository is not that repository
    }
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = output(git.current_dir(root)).ok()?;
    let names = listed.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Some(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
}

fn walk(root: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Trouble::file(&folder))? {
            let entry = entry.map_err(Trouble::file(&folder))?;
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && NOT_SOURCE.iter().all(|name| entry.file_name() != *name) {
                waiting.push(path);
            } else if let (false, Ok(path)) = (is_folder, path.strip_prefix(root)) {
                files.push(path.to_owned());
            }
        }
    }
    Ok(files)
}

/// Folders of tools in a tree without git.
const NOT_SOURCE: &[&str] = &["target", "node_modules"];
