//! One run of a scanner, and what it cost.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::{Place, succeed};
use crate::trouble::Trouble;

/// A scanner with its set.
#[derive(Clone)]
pub(super) struct Scanner {
    words: Vec<OsString>,
}

/// What a run cost and found.
pub(super) struct Run {
    /// Seconds of processors, user and system, children among them.
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
    /// KiB of the largest process.
    peak_kib: u64,
    /// File and name.
    pub(super) found: BTreeSet<(Vec<u8>, String)>,
}

impl Run {
    pub(super) fn peak_mib(&self) -> u64 {
        self.peak_kib.div_ceil(1024)
    }
}

/// Builds the scanner for release; gives the command.
pub(super) fn build(place: &Place) -> Result<PathBuf, Trouble> {
    let packages = ["-p", "watchglass", "-p", "watchglass-scan", "-p", "watchglass-worker"];
    succeed(
        place
            .cargo(["build", "--quiet", "--release"])
            .args(packages)
            .arg("--target-dir")
            .arg(place.target()),
    )?;
    Ok(place.target().join("release/watchglass"))
}

/// Compiles a folder of sets.
pub(super) fn compile(ours: &Path, set: &Path, database: &Path) -> Result<Run, Trouble> {
    let words =
        [ours.into(), "database".into(), "build".into(), set.into(), "-o".into(), database.into()];
    let words: [OsString; 6] = words;
    measured(&words, &set.with_extension("time"))
}

impl Scanner {
    pub(super) fn ours(program: &Path, database: &Path, jobs: u32) -> Self {
        let words = [program.into(), "scan".into(), "--allmatch".into(), "--no-summary".into()];
        let mut words: Vec<OsString> = words.into();
        words.extend(["--infected".into(), "--no-cache".into(), "-d".into(), database.into()]);
        words.extend([OsString::from("--jobs"), jobs.to_string().into()]);
        Self { words }
    }

    pub(super) fn with_jobs(&self, jobs: u32) -> Self {
        let mut words = self.words.clone();
        words.pop();
        words.push(jobs.to_string().into());
        Self { words }
    }

    pub(super) fn theirs(set: &Path) -> Self {
        let words = ["clamscan", "--allmatch", "--no-summary", "--infected"].map(OsString::from);
        let mut words: Vec<OsString> = words.into();
        words.extend([OsString::from("-d"), set.into()]);
        Self { words }
    }

    /// Scans these files.
    pub(super) fn run(&self, files: &[PathBuf], folder: &Path) -> Result<Run, Trouble> {
        let list = folder.join("files");
        let lines = files.iter().flat_map(|file| [file.as_os_str().as_bytes(), b"\n"]);
        let lines: Vec<u8> = lines.flatten().copied().collect();
        fs::write(&list, lines).map_err(Trouble::file(&list))?;
        let mut words = self.words.clone();
        words.extend(["--file-list".into(), list.into()]);
        measured(&words, &folder.join("time"))
    }
}

/// Runs a command under time(1), which counts its children too.
fn measured(words: &[OsString], figures: &Path) -> Result<Run, Trouble> {
    let mut command = Command::new("/usr/bin/time");
    command.args(["-q", "-f", "%U %S %e %M", "-o"]).arg(figures).args(words);
    let ended = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let ended = ended.map_err(Trouble::start("/usr/bin/time"))?;
    // 1 is a finding; 2 an error about single files, which both tell in their lines.
    if ended.status.code().is_none() {
        let program = words.first().map(|word| word.to_string_lossy().into_owned());
        let says = ended.status.to_string();
        return Err(Trouble::Program { program: program.unwrap_or_default(), says });
    }
    let text = fs::read_to_string(figures).map_err(Trouble::file(figures))?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[user, system, wall_s, peak] = numbers.as_slice() else {
        let says = format!("four figures expected: {text}");
        return Err(Trouble::Content { path: figures.to_owned(), says });
    };
    let peak_kib = format!("{peak:.0}").parse().unwrap_or(0);
    Ok(Run { cpu_s: user + system, wall_s, peak_kib, found: found(&ended.stdout) })
}

/// `PATH: NAME FOUND` lines.
fn found(text: &[u8]) -> BTreeSet<(Vec<u8>, String)> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b" FOUND"));
    let split = |line: &[u8]| {
        let colon = line.windows(2).rposition(|pair| pair == b": ")?;
        let name = String::from_utf8_lossy(&line[colon + 2..]).into_owned();
        Some((line[..colon].to_vec(), name))
    };
    lines.filter_map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_scanners_are_read() {
        let text = b"/a: b: Win.Test FOUND\n/c: OK\n/d: NOT SCANNED (x: y)\n";
        assert_eq!(found(text), [(b"/a: b".to_vec(), "Win.Test".to_owned())].into());
    }
}
