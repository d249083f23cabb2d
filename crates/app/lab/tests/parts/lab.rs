//! The lab as a test starts it.

use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) const LAB: &str = env!("CARGO_BIN_EXE_watchglass-lab");

/// The command that assays a product and leaves all it makes in a folder, but for the roots.
pub(crate) fn assay(product: &Path, folder: &Path, cache: &Path) -> Command {
    let mut command = Command::new(LAB);
    command
        .arg("assay")
        .arg(product)
        .arg("--no-progress")
        .arg("--output")
        .arg(folder.join("bundle"))
        .arg("--cache")
        .arg(cache)
        .arg("--state")
        .arg(folder.join("state"))
        .stdin(Stdio::null());
    command
}
