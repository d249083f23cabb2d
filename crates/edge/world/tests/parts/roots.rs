//! Roots of packages.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use watchglass_claims::{Install, Product};
use watchglass_events::Outcome;
use watchglass_world::{Preparation, PreparedRoot, RootError};

use crate::Test;
use crate::setting::{Setting, run, run_as, shell, skip};

pub(crate) const TESTS: &[Test] = &[
    ("a_root_of_packages_runs_its_product", a_root_of_packages_runs_its_product),
    ("names_a_package_that_does_not_exist", names_a_package_that_does_not_exist),
    ("a_cancelled_root_leaves_nothing", a_cancelled_root_leaves_nothing),
    (
        "the_inventory_names_every_file_of_the_product",
        the_inventory_names_every_file_of_the_product,
    ),
];

/// ClamAV as `products/clamav.toml` installs it. The lab's own tests want the same root and share
/// this cache, so that it is made once, by whoever comes first.
fn clamav(name: &str) -> Option<PreparedRoot> {
    if !rustix::process::geteuid().is_root() {
        skip(name, "it needs root");
        return None;
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots");
    let packages = packages_of_clamav();
    let packages: Vec<_> = packages.iter().map(String::as_str).collect();
    match prepare(&cache, &packages, &AtomicBool::new(false)) {
        Ok(root) => Some(root),
        Err(error @ (RootError::ToolMissing { .. } | RootError::Unreachable { .. })) => {
            skip(name, &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn packages_of_clamav() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../products/clamav.toml");
    let product = Product::parse_bytes(&std::fs::read(file).expect("a product file"));
    match product.expect("a product").install {
        Install::Debian { packages, .. } => packages,
        Install::Host { .. } => panic!("ClamAV is installed from packages"),
    }
}

pub(crate) fn prepare(
    cache: &std::path::Path,
    packages: &[&str],
    cancel: &AtomicBool,
) -> Result<PreparedRoot, RootError> {
    let packages = packages.iter().map(|name| (*name).to_owned()).collect();
    let install = Install::Debian { packages, files: Vec::new() };
    let mut progress = |step: &str| eprintln!("  {step}");
    PreparedRoot::prepare(
        &install,
        &mut Preparation { cache, program: None, progress: &mut progress, cancel },
    )
}

fn a_root_of_packages_runs_its_product() {
    let Some(root) = clamav("a_root_of_packages_runs_its_product") else { return };
    let mut setting = Setting::host();
    setting.root = root;
    let Some(mut world) = setting.world("product") else { return };
    let (outcome, version) = run(&mut world, &["clamscan", "--version"]);
    assert_eq!(outcome, Outcome::Exited(0));
    assert!(version.starts_with("ClamAV "), "{version}");
    let owners =
        shell(&mut world, "stat -c %U:%G /usr /etc/shadow /var/lib/clamav; cat /etc/hostname");
    assert_eq!(owners, "root:root\nroot:shadow\nclamav:clamav\nglass\n");
    let (_, own) = run_as(
        &mut world,
        "clamav",
        &["sh", "-c", "id -un; cd /var/lib/clamav && echo x >f && stat -c %U f"],
    );
    assert_eq!(own, "clamav\nclamav\n");
    assert_eq!(
        shell(
            &mut world,
            "ls /etc/resolv.conf /etc/apt/apt.conf.d/99mmdebstrap 2>&1 | grep -c cannot"
        ),
        "2\n"
    );
}

fn names_a_package_that_does_not_exist() {
    if !rustix::process::geteuid().is_root() {
        return skip("names_a_package_that_does_not_exist", "it needs root");
    }
    let cache = tempfile::tempdir().expect("a folder");
    let failed =
        prepare(cache.path(), &["clamavv-nowhere"], &AtomicBool::new(false)).expect_err("refused");
    if matches!(failed, RootError::ToolMissing { .. } | RootError::Unreachable { .. }) {
        return skip("names_a_package_that_does_not_exist", &failed.to_string());
    }
    assert!(
        matches!(&failed, RootError::UnknownPackage { package } if package == "clamavv-nowhere"),
        "{failed}"
    );
    assert_eq!(std::fs::read_dir(cache.path()).expect("a folder").count(), 0);
}

fn a_cancelled_root_leaves_nothing() {
    if !rustix::process::geteuid().is_root() {
        return skip("cancelled root", "it needs root");
    }
    let cache = tempfile::tempdir().expect("a folder");
    let failed = prepare(cache.path(), &["hello"], &AtomicBool::new(true)).expect_err("cancelled");
    assert!(matches!(failed, RootError::Cancelled), "{failed}");
    assert_eq!(std::fs::read_dir(cache.path()).expect("a folder").count(), 0);
}

fn the_inventory_names_every_file_of_the_product() {
    let Some(root) = clamav("the_inventory_names_every_file_of_the_product") else { return };
    let inventory = root.inventory().expect("an inventory");
    assert!(inventory.packages.iter().any(|package| package.name == "libc6"));
    let scanner =
        inventory.files.iter().find(|file| file.path == "/usr/bin/clamscan").expect("listed");
    assert_eq!(scanner.package, "clamav");
    let content = std::fs::read(root.folder().join("usr/bin/clamscan")).expect("read");
    assert_eq!(scanner.digest, Some(watchglass_events::Digest::of(&content)));
    let packages = packages_of_clamav();
    assert!(inventory.files.iter().all(|file| packages.contains(&file.package)));
}
