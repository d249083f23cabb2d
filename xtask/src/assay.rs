//! `./x assay`: from a fresh machine to a report.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::packages::{self, Need};
use crate::place::{Place, forget_cargo, succeed};
use crate::trouble::Trouble;

/// Sets up what is missing, builds, and becomes `watchglass assay`, so that its signals and its
/// exit code are the caller's without a chore in between.
///
/// What can be assayed on this machine, with which tier, is the command's decision and not made
/// here: a missing package is no reason to stop.
///
/// # Errors
/// When the build fails or the command does not start.
pub(crate) fn run(place: &Place, arguments: Vec<OsString>) -> Result<ExitCode, Trouble> {
    packages::provide(&[Need::Build, Need::Assay]);
    build(place)?;
    let program = place.target().join("release/watchglass");
    let mut command = Command::new(&program);
    command.arg("assay").args(with_product(place.root(), arguments));
    forget_cargo(&mut command);
    Err(Trouble::Start { program: program.display().to_string(), source: command.exec() })
}

/// Builds what an assay starts: the command, the lab and the offline checker, with the specimens.
///
/// # Errors
/// When the build fails.
pub(crate) fn build(place: &Place) -> Result<(), Trouble> {
    eprintln!("x: building (the first time takes minutes)");
    let packages = APPS.iter().flat_map(|app| ["--package", app]);
    succeed(&mut place.cargo(["build", "--release", "--quiet"].into_iter().chain(packages)))
}

/// Puts the product file in front where the caller named none, with another to fall back on: a
/// machine that cannot make ClamAV's root can still assay the reference product.
fn with_product(root: &Path, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = arguments.first_mut() else { return default_products(root).to_vec() };
    if !first.as_encoded_bytes().starts_with(b"-") {
        if let Some(product) = known_product(root, first) {
            *first = product.into();
        }
        return arguments;
    }
    if arguments.iter().any(needs_no_product) {
        return arguments;
    }
    arguments.splice(0..0, default_products(root));
    arguments
}

/// `clamav` means `products/clamav.toml` of the repository, unless the caller has such a file.
fn known_product(root: &Path, name: &OsStr) -> Option<PathBuf> {
    if Path::new(name).exists() || name.as_encoded_bytes().contains(&b'/') {
        return None;
    }
    let product = root.join("products").join(name).with_extension("toml");
    product.is_file().then_some(product)
}

fn needs_no_product(argument: &OsString) -> bool {
    ["--self-test", "--help", "-h"].iter().any(|option| argument == option)
}

fn default_products(root: &Path) -> [OsString; 3] {
    let product = |name: &str| root.join("products").join(name).into();
    [product("clamav.toml"), "--or-else".into(), product("reference.toml")]
}

/// Packages to build for an assay.
const APPS: &[&str] =
    &["watchglass", "watchglass-lab", "watchglass-recheck", "watchglass-specimens"];

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Vec<OsString> {
        with_product(Path::new("/repository"), words.iter().map(OsString::from).collect())
    }

    #[test]
    fn clamav_is_assayed_where_no_product_is_named() {
        let default = [
            "/repository/products/clamav.toml",
            "--or-else",
            "/repository/products/reference.toml",
        ];
        assert_eq!(given(&[]), default);
        assert_eq!(given(&["-o", "out"]), [&default[..], &["-o", "out"]].concat());
    }

    #[test]
    fn a_named_product_and_other_acts_pass_unchanged() {
        for words in [&["my.toml", "-o", "out"][..], &["diff", "a", "b"], &["--self-test"]] {
            assert_eq!(given(words), words);
        }
    }

    #[test]
    fn a_bare_name_finds_the_product_file_of_the_repository() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("products")).unwrap();
        let file = root.path().join("products/clamav.toml");
        std::fs::write(&file, "").unwrap();
        assert_eq!(with_product(root.path(), vec!["clamav".into()]), [file]);
    }
}
