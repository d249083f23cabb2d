//! Nothing in the tree tells of the machine it was written on.
//!
//! A path of a builder's home, or the mirror that a company uses for its registry, breaks the build
//! for everybody else and tells more than it should. What to look for is taken from the machine
//! itself, so that the rule names no one's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, Rule};
use crate::trouble::Trouble;

/// Looks through every file of the tree.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<Finding>, Trouble> {
    let words = private_words(root);
    let mut broken = Vec::new();
    for file in files {
        let path = root.join(file);
        let bytes = std::fs::read(&path).map_err(Trouble::file(&path))?;
        let text = String::from_utf8_lossy(&bytes);
        for (line, says) in lines_that_tell(file, &text, &words) {
            broken.push(Rule::Private.broken(format!("{}:{line}", file.display()), says));
        }
    }
    Ok(broken)
}

fn lines_that_tell(file: &Path, text: &str, words: &BTreeSet<String>) -> Vec<(usize, String)> {
    let mut told = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
            told.push((number, format!("tells of the machine it was written on: {word}")));
        }
        if let Some(says) = foreign_source(file, line) {
            told.push((number, says.to_owned()));
        }
    }
    told
}

/// Lines that bind the build to one machine's registry, whatever its name.
fn foreign_source(file: &Path, line: &str) -> Option<&'static str> {
    let line = line.trim();
    let is = |name: &str| file.file_name().is_some_and(|own| own == name);
    if is("Cargo.lock") && line.starts_with("source = ") && !line.contains(CRATES_IO) {
        return Some("a crate comes from elsewhere than crates.io");
    }
    if is("package-lock.json") && line.starts_with("\"resolved\"") && !line.contains(NPM) {
        return Some("a package comes from elsewhere than the npm registry");
    }
    let configures = ["[source", "[registries", "[registry", "[net", "[http"];
    if file.starts_with(".cargo") && configures.iter().any(|start| line.starts_with(start)) {
        return Some("where crates come from is for each machine to say, not for the repository");
    }
    None
}

fn private_words(root: &Path) -> BTreeSet<String> {
    let mut words: BTreeSet<_> =
        std::env::vars().filter_map(|(name, value)| host(&name, &value)).collect();
    let folders = ["CARGO_HOME", "RUSTUP_HOME"].into_iter().filter_map(std::env::var_os);
    let folders = folders.map(PathBuf::from).chain(homes()).chain([root.to_owned()]);
    // A short path such as `/src` is a word that any text may use.
    let telling = folders.filter(|folder| folder.components().count() > 2);
    words.extend(telling.filter_map(|folder| folder.to_str().map(str::to_owned)));
    words
}

/// The home folder tells of its owner, except root's, which every machine has.
fn homes() -> impl Iterator<Item = PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.filter(|home| home != Path::new("/root"));
    home.into_iter()
}

/// The host of a proxy or mirror in the environment.
fn host(name: &str, value: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if !MIRRORS.iter().any(|word| name.contains(word)) {
        return None;
    }
    let (_, rest) = value.split_once("://")?;
    let host = rest.split(['/', '?']).next()?.rsplit('@').next()?;
    let host = host.split(':').next().filter(|host| host.contains('.'))?;
    let is_public = PUBLIC.contains(&host) || host.starts_with("127.");
    (!is_public).then(|| host.to_owned())
}

/// Words in the names of variables that hold a mirror's address.
const MIRRORS: &[&str] = &["registr", "mirror", "proxy", "index", "cargo_source"];

/// Hosts that everybody has.
const PUBLIC: &[&str] = &[
    "crates.io",
    "index.crates.io",
    "static.crates.io",
    "github.com",
    "deb.debian.org",
    "registry.npmjs.org",
    "pypi.org",
];

const CRATES_IO: &str = "\"registry+https://github.com/rust-lang/crates.io-index\"";
const NPM: &str = "\"https://registry.npmjs.org/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_in_the_environment_by_the_variable_that_holds_it() {
        let found = host("CARGO_REGISTRIES_X_INDEX", "sparse+https://user@crates.example.net:8/x/");
        assert_eq!(found.as_deref(), Some("crates.example.net"));
        assert_eq!(
            host("HTTPS_PROXY", "http://proxy.example.net").as_deref(),
            Some("proxy.example.net")
        );
        assert_eq!(host("CARGO_REGISTRIES_X_INDEX", "https://index.crates.io/"), None);
        assert_eq!(host("EDITOR", "https://crates.example.net/"), None);
    }

    #[test]
    fn a_crate_from_elsewhere_is_told_by_the_lock_file() {
        let told = |line| lines_that_tell(Path::new("Cargo.lock"), line, &BTreeSet::new()).len();
        assert_eq!(told("source = \"registry+https://crates.example.net/\""), 1);
        assert_eq!(told("source = \"registry+https://github.com/rust-lang/crates.io-index\""), 0);
    }
}
