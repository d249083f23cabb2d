//! Roots of Debian packages, made by mmdebstrap(1).

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::RootError;

/// Changes when roots are made in another way, so that old ones are not taken for new ones.
const FORMAT: u32 = 1;
/// What every root has beside the product: trust in certificates, and the means to hasten a clock.
const BASE: &[&str] = &["ca-certificates", "libfaketime"];
const PREFIX: &str = "root-";

/// The root with these packages.
pub(super) fn root(
    packages: &[String],
    cache: &Path,
    say: &mut dyn FnMut(&str),
    cancelled: &AtomicBool,
) -> Result<PathBuf, RootError> {
    let packages = wanted(packages)?;
    let sources = sources(Path::new("/etc/apt"))?;
    let suite = suite()?;
    let root = cache.join(name(&packages, &sources, &suite));
    if root.exists() {
        return Ok(root);
    }
    fs::create_dir_all(cache).map_err(RootError::io(cache))?;
    say(&format!("making a root of {} once: about half a minute", list(&packages)));
    let part = cache.join(format!(".part-{}", std::process::id()));
    let made = make(&packages, &sources, &suite, &part, say, cancelled);
    let done = made.and_then(|()| fs::rename(&part, &root).map_err(RootError::io(&root)));
    if done.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_dir_all(&part);
    }
    done.map(|()| root)
}

pub(super) fn cached(cache: &Path) -> Result<Vec<PathBuf>, RootError> {
    let Ok(entries) = fs::read_dir(cache) else { return Ok(Vec::new()) };
    let mut roots = Vec::new();
    for entry in entries {
        let entry = entry.map_err(RootError::io(cache))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            roots.push(entry.path());
        }
    }
    Ok(roots)
}

fn wanted(packages: &[String]) -> Result<BTreeSet<String>, RootError> {
    let known =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let wrong = packages.iter().find(|name| name.starts_with('-') || !name.bytes().all(known));
    if let Some(package) = wrong {
        return Err(RootError::BadPackageName { package: package.clone() });
    }
    Ok(packages.iter().cloned().chain(BASE.iter().map(|name| (*name).to_owned())).collect())
}

fn list(packages: &BTreeSet<String>) -> String {
    packages.iter().cloned().collect::<Vec<_>>().join(" ")
}

fn name(packages: &BTreeSet<String>, sources: &str, suite: &str) -> String {
    let mut digest = Sha256::new();
    for part in [&FORMAT.to_string(), suite, std::env::consts::ARCH, sources, &list(packages)] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest = watchglass_events::Digest(digest.finalize().into()).to_string();
    format!("{PREFIX}{}", digest.get(..32).unwrap_or_default())
}

/// The machine's own apt sources, so that its mirrors and keys are used.
fn sources(apt: &Path) -> Result<String, RootError> {
    let folder = apt.join("sources.list.d");
    let mut paths = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(&folder) {
        paths.extend(entries.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    let suite = suite()?;
    // Sources of others than the distribution name other suites.
    let usable =
        |path: &&PathBuf| path.extension().is_some_and(|end| end == "sources" || end == "list");
    let texts = paths.iter().filter(usable).filter_map(|path| fs::read_to_string(path).ok());
    let ours: Vec<String> =
        texts.filter(|text| text.contains(&suite) && text.contains("main")).collect();
    // The two formats cannot be mixed in one file; deb822 is the newer one.
    let newer: Vec<String> = ours.iter().filter(|text| text.contains("Types:")).cloned().collect();
    let chosen = if newer.is_empty() { ours } else { newer };
    if chosen.is_empty() {
        return Err(RootError::NoSources { folder: apt.to_owned() });
    }
    Ok(chosen.join("\n\n"))
}

/// `VERSION_CODENAME` of os-release(5).
fn suite() -> Result<String, RootError> {
    let path = Path::new("/etc/os-release");
    let text = fs::read_to_string(path).map_err(RootError::io(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let missing = RootError::Missing {
        what: "VERSION_CODENAME in /etc/os-release",
        help: "roots of packages are made on Debian and its kin",
    };
    line.map(|suite| suite.trim_matches('"').to_owned()).ok_or(missing)
}

fn make(
    packages: &BTreeSet<String>,
    sources: &str,
    suite: &str,
    part: &Path,
    say: &mut dyn FnMut(&str),
    cancelled: &AtomicBool,
) -> Result<(), RootError> {
    let include = packages.iter().cloned().collect::<Vec<_>>().join(",");
    let mut child = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--mode=root", "--format=directory"])
        .arg(format!("--include={include}"))
        .args(["--aptopt=Acquire::Retries \"3\"", "--dpkgopt=path-exclude=/usr/share/man/*"])
        .arg(suite)
        .arg(part)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                RootError::ToolMissing { tool: "mmdebstrap", package: "mmdebstrap" }
            }
            _ => RootError::io("mmdebstrap")(error),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it has died already, its own message says why.
        let _ = stdin.write_all(sources.as_bytes());
    }
    let messages = follow(&mut child, say);
    wait(&mut child, cancelled)?;
    let messages = messages.join().unwrap_or_default();
    let status = child.wait().map_err(RootError::io("mmdebstrap"))?;
    if status.success() { Ok(()) } else { Err(reason(&messages, part)) }
}

/// Reads what mmdebstrap says, so that it never waits for a reader.
fn follow(child: &mut Child, say: &mut dyn FnMut(&str)) -> std::thread::JoinHandle<Vec<String>> {
    say("downloading and unpacking packages");
    let stderr = child.stderr.take();
    std::thread::spawn(move || {
        let lines = stderr.map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let mut kept: Vec<String> = lines.map_while(Result::ok).take(100_000).collect();
        kept.drain(..kept.len().saturating_sub(2_000));
        kept
    })
}

fn wait(child: &mut Child, cancelled: &AtomicBool) -> Result<(), RootError> {
    while child.try_wait().map_err(RootError::io("mmdebstrap"))?.is_none() {
        if cancelled.load(Ordering::Relaxed) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(RootError::Cancelled);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The line that says why, out of many that say that.
fn reason(messages: &[String], part: &Path) -> RootError {
    let find = |text: &str| messages.iter().find(|line| line.contains(text)).cloned();
    if let Some(line) = find("Unable to locate package") {
        let package = line.rsplit(' ').next().unwrap_or_default().to_owned();
        return RootError::UnknownPackage { package };
    }
    if find("No space left on device").is_some() {
        return RootError::DiskFull { folder: part.parent().unwrap_or(part).to_owned() };
    }
    if let Some(line) = find("Could not resolve").or_else(|| find("Could not connect")) {
        return RootError::Unreachable { line };
    }
    let line = find("E: ").unwrap_or_else(|| messages.last().cloned().unwrap_or_default());
    RootError::Failed { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_apt_would_take_for_an_option_is_refused() {
        for name in ["--force", "a b", "a,b", "A", "../x"] {
            assert!(wanted(&[name.to_owned()]).is_err(), "{name}");
        }
        assert!(wanted(&["libstdc++6".to_owned()]).is_ok());
    }

    #[test]
    fn an_unknown_package_is_named() {
        let lines = ["I: x".to_owned(), "E: Unable to locate package no-such-thing".to_owned()];
        let error = reason(&lines, Path::new("/cache/.part"));
        assert!(
            matches!(error, RootError::UnknownPackage { package } if package == "no-such-thing")
        );
    }
}
