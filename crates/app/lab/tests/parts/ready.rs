//! Whether a test that builds worlds can run here.

use std::path::Path;

/// Worlds need root and nftables here, and a test may need more: what, and whether it is there. Where
/// something lacks the test is skipped, which is a failure where the harness is strict.
pub(crate) fn is_ready(test: &str, more: &[(&str, bool)]) -> bool {
    let root = rustix::process::geteuid().is_root();
    let worlds = [("root", root), ("nftables", Path::new("/usr/sbin/nft").exists())];
    let lacking = worlds.iter().chain(more).filter(|(_, is_there)| !is_there);
    let lacking: Vec<&str> = lacking.map(|(what, _)| *what).collect();
    if lacking.is_empty() {
        return true;
    }
    let why = format!("needs {}", lacking.join(", "));
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "skipped: {test}: {why}");
    eprintln!("skipped: {test}: {why}");
    false
}
