//! Roots of Debian packages, made by mmdebstrap(1) and kept in a cache.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::UnshareFlags;
use sha2::{Digest as _, Sha256};
use watchglass_sys::namespace;
use watchglass_sys::process::{Fork, fork};

use super::{Kind, Preparation, PreparedRoot, range};
use crate::RootError;
use crate::names::WorldName;

/// A root in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedRoot {
    /// Its key.
    pub key: String,
    /// Its folder.
    pub folder: PathBuf,
    /// When it was last used.
    pub used: SystemTime,
}

pub(super) fn prepare(
    packages: &[String],
    preparation: &mut Preparation<'_>,
) -> Result<PreparedRoot, RootError> {
    check_names(packages)?;
    let recipe = Recipe::of_machine(packages)?;
    let key = recipe.key();
    let folder = preparation.cache.join(format!("root-{key}"));
    if !folder.is_dir() {
        require_users()?;
        fs::create_dir_all(preparation.cache).map_err(RootError::io(preparation.cache))?;
        let _turn = await_turn(preparation)?;
        // Whoever was first may have made it.
        if !folder.is_dir() {
            check_known(packages, &ask("apt-cache", "apt", &policy_of(packages))?)?;
            build(&recipe, &folder, preparation)?;
        }
    }
    touch(&folder)?;
    Ok(PreparedRoot { kind: Kind::Folder(folder), key: Some(key), products: packages.to_vec() })
}

/// One root is made at a time in a cache, or several labs that want the same one would each make
/// it. The lock is on the folder itself and goes with whoever holds it.
fn await_turn(preparation: &mut Preparation<'_>) -> Result<File, RootError> {
    let cache = preparation.cache;
    let folder = File::open(cache).map_err(RootError::io(cache))?;
    let mut said = false;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(RootError::io(cache)(error)),
        }
        if preparation.cancel.load(Ordering::Relaxed) {
            return Err(RootError::Cancelled);
        }
        if !said {
            (preparation.progress)("another lab is making a root: waiting");
            said = true;
        }
        std::thread::sleep(CANCEL_PERIOD);
    }
}

/// What stands in the way of a root, as far as it can be told without making it.
pub(super) fn check(packages: &[String], cache: &Path) -> Result<(), RootError> {
    check_names(packages)?;
    let key = Recipe::of_machine(packages)?.key();
    if cache.join(format!("root-{key}")).is_dir() {
        return Ok(());
    }
    require_users().and_then(|()| require_tool())
}

/// The roots of a cache, the one last used first.
///
/// # Errors
/// [`RootError::Io`] when the folder cannot be read.
pub fn list(cache: &Path) -> Result<Vec<CachedRoot>, RootError> {
    let mut roots = Vec::new();
    for (name, folder) in entries(cache)? {
        let Some(key) = name.strip_prefix("root-") else { continue };
        let used = fs::metadata(&folder)
            .and_then(|found| found.modified())
            .map_err(RootError::io(&folder))?;
        roots.push(CachedRoot { key: key.to_owned(), folder, used });
    }
    roots.sort_by_key(|root| std::cmp::Reverse(root.used));
    Ok(roots)
}

/// Removes all but the `keep` roots that were last used, and what interrupted labs left half-made.
/// Returns the names of what was removed.
///
/// # Errors
/// [`RootError::Io`] when something cannot be removed.
pub fn prune(cache: &Path, keep: usize) -> Result<Vec<String>, RootError> {
    let mut removed = sweep(cache)?;
    for root in list(cache)?.into_iter().skip(keep) {
        // Renamed first: a half-removed root must not be taken for a whole one.
        let doomed =
            cache.join(format!("{HALF_MADE}{}", WorldName::fresh().map_err(RootError::io(cache))?));
        fs::rename(&root.folder, &doomed).map_err(RootError::io(&root.folder))?;
        range::remove(&doomed).map_err(RootError::io(&doomed))?;
        removed.push(root.key);
    }
    Ok(removed)
}

/// Removes what dead labs left half-made in a cache.
pub(crate) fn sweep(cache: &Path) -> Result<Vec<String>, RootError> {
    let mut swept = Vec::new();
    for (name, folder) in entries(cache)? {
        let Some(lab) = name.strip_prefix(HALF_MADE).and_then(WorldName::parse) else { continue };
        if lab.lab_lives() {
            continue;
        }
        range::remove(&folder).map_err(RootError::io(&folder))?;
        swept.push(name);
    }
    Ok(swept)
}

fn entries(cache: &Path) -> Result<Vec<(String, PathBuf)>, RootError> {
    let listing = match fs::read_dir(cache) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(RootError::io(cache))?,
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.map_err(RootError::io(cache))?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(entries)
}

/// Everything that decides what is in a root.
struct Recipe {
    packages: Vec<String>,
    suite: String,
    architecture: String,
    sources: String,
    options: Vec<String>,
}

impl Recipe {
    fn of_machine(packages: &[String]) -> Result<Self, RootError> {
        let mut packages: Vec<_> =
            packages.iter().cloned().chain(EXTRA.map(str::to_owned)).collect();
        packages.sort();
        packages.dedup();
        Ok(Self {
            packages,
            suite: suite()?,
            architecture: ask("dpkg", "dpkg", &["--print-architecture"])?.trim().to_owned(),
            sources: sources(Path::new("/etc/apt"))?,
            options: apt_options(&ask("apt-config", "apt", &["dump"])?),
        })
    }

    /// Versions are not part of it: a mirror that moves on gives a new root only after the old one
    /// was pruned, so that two assays of one week compare. The inventory says what was tested.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        let parts =
            [FORMAT, &self.packages.join(" "), &self.suite, &self.architecture, &self.sources];
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn check_names(packages: &[String]) -> Result<(), RootError> {
    // Debian Policy 5.6.1, with the architecture that apt allows behind a colon.
    let sound = |name: &str| {
        name.len() >= 2
            && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c))
    };
    match packages.iter().find(|name| !sound(name)) {
        Some(package) => Err(RootError::BadPackageName { package: package.clone() }),
        None => Ok(()),
    }
}

/// The files of a root belong to many users.
fn require_users() -> Result<(), RootError> {
    if range::is_ordinary() { crate::world::range_of_users() } else { Ok(()) }
}

/// The suite's name from os-release(5), which mmdebstrap wants beside the sources.
fn suite() -> Result<String, RootError> {
    let path = Path::new("/etc/os-release");
    let text = fs::read_to_string(path).map_err(RootError::io(path))?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.unwrap_or("stable").trim_matches('"').to_owned())
}

/// The machine's own apt sources, in the order of their names, as one text of either format.
/// mmdebstrap reads both formats but not mixed, so the older one wins where both are used.
fn sources(folder: &Path) -> Result<String, RootError> {
    let mut paths = vec![folder.join("sources.list")];
    let further = folder.join("sources.list.d");
    let mut listed: Vec<_> = entries(&further)?.into_iter().map(|(_, path)| path).collect();
    listed.sort();
    paths.extend(listed);
    let (mut lines, mut stanzas) = (String::new(), String::new());
    for path in paths {
        let into = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => &mut lines,
            Some("sources") => &mut stanzas,
            _ => continue,
        };
        let Ok(text) = fs::read_to_string(&path) else { continue };
        into.push_str(&without_comments(&text));
        into.push('\n');
    }
    let chosen = if lines.trim().is_empty() { stanzas } else { lines };
    if chosen.trim().is_empty() {
        return Err(RootError::NoSources { folder: folder.to_owned() });
    }
    Ok(chosen)
}

fn without_comments(text: &str) -> String {
    let kept: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    kept.join("\n") + "\n"
}

/// The machine's proxies and checks of dates. They are needed to reach its mirrors and are removed
/// from the finished root.
fn apt_options(dump: &str) -> Vec<String> {
    let wanted = |line: &&str| {
        let key = line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let value = line.split('"').nth(1).unwrap_or_default();
        let of_network = key.ends_with("::proxy") || key.ends_with("::cainfo");
        let of_dates = matches!(key.as_str(), "acquire::check-valid-until" | "acquire::check-date");
        key.starts_with("acquire::") && (of_network || of_dates) && !value.is_empty()
    };
    dump.lines().filter(wanted).map(str::to_owned).collect()
}

fn policy_of(packages: &[String]) -> Vec<&str> {
    ["policy", WITNESS].into_iter().chain(packages.iter().map(String::as_str)).collect()
}

/// A package that the machine's own lists do not have is told at once, and not when mmdebstrap has
/// fetched them anew. A machine without lists leaves it to mmdebstrap.
///
/// apt-cache(8) policy prints nothing for an unknown name, and a block that begins with `NAME:` for
/// any other, also for one that others provide.
fn check_known(packages: &[String], policy: &str) -> Result<(), RootError> {
    let has_lists = policy.lines().any(|line| line.ends_with(" Packages"));
    let known = |name: &&String| policy.lines().any(|line| line.strip_suffix(':') == Some(name));
    match packages.iter().find(|name| !known(name)) {
        Some(package) if has_lists => Err(RootError::UnknownPackage { package: package.clone() }),
        _ => Ok(()),
    }
}

fn ask(tool: &'static str, package: &'static str, arguments: &[&str]) -> Result<String, RootError> {
    let output = match Command::new(tool).args(arguments).env("LC_ALL", "C.UTF-8").output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RootError::ToolMissing { tool, package });
        }
        output => output.map_err(RootError::io(tool))?,
    };
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn build(
    recipe: &Recipe,
    folder: &Path,
    preparation: &mut Preparation<'_>,
) -> Result<(), RootError> {
    let cache = preparation.cache;
    sweep(cache)?;
    let name = WorldName::fresh().map_err(RootError::io(cache))?;
    let half_made = cache.join(format!("{HALF_MADE}{name}"));
    (preparation.progress)(&format!("making a root of {}", recipe.packages.join(", ")));
    let built = run(recipe, &half_made, preparation).and_then(|()| finish(&half_made, folder));
    if built.is_err() {
        // The error that made it fail is the one to tell.
        let _ = range::remove(&half_made);
    }
    built
}

/// Labs on different machines may make the same root in a shared cache at once: the first to finish
/// wins.
fn finish(half_made: &Path, folder: &Path) -> Result<(), RootError> {
    match fs::rename(half_made, folder) {
        Err(_) if folder.is_dir() => range::remove(half_made).map_err(RootError::io(half_made)),
        renamed => renamed.map_err(RootError::io(folder)),
    }
}

/// Runs mmdebstrap under a helper that kills it, and removes what it made, when the lab ends in
/// whatever way.
fn run(
    recipe: &Recipe,
    half_made: &Path,
    preparation: &mut Preparation<'_>,
) -> Result<(), RootError> {
    require_tool()?;
    let target = if range::is_ordinary() { Path::new(range::TARGET) } else { half_made };
    let program = preparation.program.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let mut helper = Command::new(&program)
        .arg(crate::ROLE_ROOT)
        .arg(half_made)
        .args(arguments(recipe, target))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RootError::io(&program))?;
    let lines = lines_of(&mut helper);
    let mut pipe = helper.stdin.take();
    if range::is_ordinary() {
        range::give_maps(&helper, || lines.recv().ok())?;
    }
    if let Some(pipe) = &mut pipe {
        let sources = recipe.sources.as_bytes();
        let length = (sources.len() as u64).to_le_bytes();
        pipe.write_all(&length)
            .and_then(|()| pipe.write_all(sources))
            .map_err(RootError::io(&program))?;
    }
    let mut log = Vec::new();
    let finished = follow(&lines, &mut log, preparation);
    // Closed only now: for the helper the end of its input is the end of the lab.
    drop(pipe.filter(|_| finished == Finished::Cancelled));
    let status = helper.wait().map_err(RootError::io(&program))?;
    match (finished, status.success()) {
        (Finished::Cancelled, _) => Err(RootError::Cancelled),
        (Finished::Ended, true) => Ok(()),
        (Finished::Ended, false) => Err(explain(&log, preparation.cache)),
    }
}

fn require_tool() -> Result<(), RootError> {
    ask("mmdebstrap", "mmdebstrap", &["--version"]).map(drop)
}

fn arguments(recipe: &Recipe, target: &Path) -> Vec<String> {
    let mut arguments = vec!["--variant=minbase".to_owned(), "--mode=root".to_owned()];
    arguments.push(format!("--include={}", recipe.packages.join(",")));
    arguments.push(format!("--architectures={}", recipe.architecture));
    arguments.extend(recipe.options.iter().map(|option| format!("--aptopt={option}")));
    // What mmdebstrap copies from the machine, and what names its mirrors and proxies.
    let removed = "rm -f \"$1/etc/resolv.conf\" \"$1/etc/hostname\" \"$1/etc/machine-id\" \
                   \"$1/etc/apt/apt.conf.d/99mmdebstrap\" \"$1/var/log/\"*.log \"$1/var/log/apt/\"*";
    arguments.push(format!("--customize-hook={removed}"));
    let sources = format!(
        "rm -f \"$1/etc/apt/sources.list.d/\"*; \
         echo 'deb http://deb.debian.org/debian {} main' > \"$1/etc/apt/sources.list\"",
        recipe.suite
    );
    arguments.push(format!("--customize-hook={sources}"));
    arguments.extend([recipe.suite.clone(), target.display().to_string(), "-".to_owned()]);
    arguments
}

fn lines_of(helper: &mut Child) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stderr) = helper.stderr.take() {
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Finished {
    Ended,
    Cancelled,
}

fn follow(
    lines: &Receiver<String>,
    log: &mut Vec<String>,
    preparation: &mut Preparation<'_>,
) -> Finished {
    loop {
        if preparation.cancel.load(Ordering::Relaxed) {
            return Finished::Cancelled;
        }
        match lines.recv_timeout(CANCEL_PERIOD) {
            Ok(line) => {
                let step = line.strip_prefix("I: ").filter(|step| !step.contains("-hook "));
                if let Some(step) = step {
                    (preparation.progress)(step);
                }
                if log.len() < MAX_LOG_LINES {
                    log.push(line);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Finished::Ended,
        }
    }
}

/// Finds the one line that tells a person what to do.
fn explain(log: &[String], cache: &Path) -> RootError {
    let after = |marker: &str| {
        log.iter().find_map(|line| line.split_once(marker).map(|(_, rest)| rest.trim().to_owned()))
    };
    let missing = after("Unable to locate package ").or_else(|| {
        let rest = after("E: Package '")?;
        let (name, reason) = rest.split_once('\'')?;
        reason.contains("no installation candidate").then(|| name.to_owned())
    });
    if let Some(package) = missing {
        return RootError::UnknownPackage { package };
    }
    if log
        .iter()
        .any(|line| line.contains("No space left on device") || line.contains("enough free space"))
    {
        return RootError::DiskFull { folder: cache.to_owned() };
    }
    let network = [
        "Could not resolve",
        "Could not connect",
        "Temporary failure resolving",
        "Failed to fetch",
    ];
    let line = |wanted: &dyn Fn(&str) -> bool| log.iter().find(|line| wanted(line)).cloned();
    if let Some(line) = line(&|line| network.iter().any(|marker| line.contains(marker))) {
        return RootError::Unreachable { line };
    }
    let error = line(&|line| line.starts_with("E: ")).or_else(|| log.last().cloned());
    RootError::Failed { line: error.unwrap_or_else(|| "it said nothing".to_owned()) }
}

fn touch(folder: &Path) -> Result<(), RootError> {
    let file = File::open(folder).map_err(RootError::io(folder))?;
    // A cache that may only be read is as good.
    let _ = file.set_modified(SystemTime::now());
    Ok(())
}

/// The helper: `PROGRAM world-root FOLDER ARGUMENTS…`, with the sources on standard input, which
/// stays open as long as the lab lives. mmdebstrap runs in a pid namespace, so that killing its
/// first process kills all that it started.
#[expect(
    clippy::disallowed_methods,
    reason = "this role speaks to the lab through its standard streams"
)]
pub(crate) fn run_role(arguments: &[std::ffi::OsString]) -> ExitCode {
    match help(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "E: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help(arguments: &[std::ffi::OsString]) -> io::Result<bool> {
    let Some((folder, arguments)) = arguments.split_first() else {
        return Err(io::Error::other("no folder given"));
    };
    rustix::process::setsid()?;
    let is_ordinary = range::is_ordinary();
    if is_ordinary {
        range::enter()?;
    }
    if folder == range::REMOVE {
        return remove(arguments);
    }
    let sources = read_sources()?;
    namespace::unshare(UnshareFlags::NEWPID | UnshareFlags::NEWNS)?;
    let child = match fork()? {
        Fork::Parent(child) => child,
        Fork::Child => {
            let folder = is_ordinary.then_some(Path::new(folder));
            std::process::exit(if bootstrap(folder, arguments, &sources)? { 0 } else { 1 })
        }
    };
    let done = await_child_or_lab(child)?;
    if !done {
        let _ = fs::remove_dir_all(folder);
    }
    Ok(done)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this role speaks to the lab through its standard streams"
)]
fn read_sources() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_SOURCES_BYTES {
        return Err(io::Error::other("the sources are too long"));
    }
    let mut sources = Vec::new();
    input.take(length).read_to_end(&mut sources)?;
    Ok(sources)
}

/// Removes a root once the lab has written the maps.
#[expect(
    clippy::disallowed_methods,
    reason = "this role speaks to the lab through its standard streams"
)]
fn remove(folders: &[std::ffi::OsString]) -> io::Result<bool> {
    io::stdin().lock().read_exact(&mut [0; 1])?;
    folders.iter().try_for_each(fs::remove_dir_all).map(|()| true)
}

/// Process 1 of the namespace: it must live as long as anything that mmdebstrap starts. A folder is
/// given where an ordinary user makes the root in it.
fn bootstrap(
    folder: Option<&Path>,
    arguments: &[std::ffi::OsString],
    sources: &[u8],
) -> io::Result<bool> {
    // The tools look themselves up in /proc.
    range::part_mounts()?;
    let run = || run_mmdebstrap(arguments, sources);
    folder.map_or_else(run, |folder| range::within(folder, run))
}

fn run_mmdebstrap(arguments: &[std::ffi::OsString], sources: &[u8]) -> io::Result<bool> {
    let mut mmdebstrap = Command::new("mmdebstrap")
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = mmdebstrap.stdin.take() {
        input.write_all(sources)?;
    }
    Ok(mmdebstrap.wait()?.success())
}

/// `true` when the child ended well; `false` when it did not, or when the lab is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "this role speaks to the lab through its standard streams"
)]
fn await_child_or_lab(child: Pid) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, poll};
    let pidfd = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty())?;
    let stdin = io::stdin();
    let mut ready = [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut ready, None))?;
    if ready[0].revents().is_empty() {
        rustix::process::kill_process(child, Signal::KILL)?;
    }
    let waited = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    Ok(waited.is_some_and(|(_, status)| status.exit_status() == Some(0)))
}

/// Beside what the product names: certificates for its connections, and the clock of idle phases.
const EXTRA: [&str; 2] = ["ca-certificates", "libfaketime"];
/// A package that every machine has, and that its lists name if it has any.
const WITNESS: &str = "dpkg";
/// Changes when roots are made in another way, so that older ones are not used.
const FORMAT: &str = "watchglass root 1";
/// Before the name of what is not finished, or no longer whole.
const HALF_MADE: &str = "half-made-";
const CANCEL_PERIOD: Duration = Duration::from_millis(100);
const MAX_LOG_LINES: usize = 10_000;
const MAX_SOURCES_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn names_the_package_that_does_not_exist() {
        let error =
            explain(&log(&["I: running", "E: Unable to locate package clamavv"]), Path::new("/c"));
        assert_eq!(error.to_string(), "no package `clamavv` in the machine's apt sources");
    }

    #[test]
    fn an_unknown_package_is_told_by_the_machines_lists_where_it_has_any() {
        let packages = log(&["clamav", "default-mta", "clamavv"]);
        let known = "dpkg:\n  Candidate: 1\n        500 http://deb bookworm/main amd64 Packages\n\
                     clamav:\n  Candidate: 1.4\ndefault-mta:\n  Candidate: (none)\n";
        let error = check_known(&packages, known).expect_err("unknown");
        assert!(matches!(&error, RootError::UnknownPackage { package } if package == "clamavv"));
        assert!(check_known(&packages[..2], known).is_ok());
        let no_lists = "dpkg:\n  Candidate: 1\n        100 /var/lib/dpkg/status\n";
        assert!(check_known(&packages, no_lists).is_ok());
    }

    #[test]
    fn tells_a_full_disk_from_a_silent_network() {
        let full = explain(&log(&["dpkg: error: write: No space left on device"]), Path::new("/c"));
        assert_eq!(full.to_string(), "no space left for a root in /c");
        let silent =
            explain(&log(&["W: Temporary failure resolving 'deb.debian.org'"]), Path::new("/c"));
        assert!(matches!(silent, RootError::Unreachable { .. }));
    }

    #[test]
    fn refuses_package_names_that_are_options() {
        for name in ["-o", "a", "Clamav", "clam av", "clam,av", "--include"] {
            assert!(check_names(&[name.to_owned()]).is_err(), "{name}");
        }
        assert!(check_names(&["libstdc++6".to_owned()]).is_ok());
    }

    #[test]
    fn the_key_depends_on_the_set_of_packages_and_on_the_sources() {
        let recipe = |packages: &[&str], sources: &str| Recipe {
            packages: log(packages),
            suite: "bookworm".to_owned(),
            architecture: "amd64".to_owned(),
            sources: sources.to_owned(),
            options: Vec::new(),
        };
        let key = recipe(&["a", "b"], "deb x").key();
        assert_eq!(key, recipe(&["a", "b"], "deb x").key());
        assert_ne!(key, recipe(&["a"], "deb x").key());
        assert_ne!(key, recipe(&["a", "b"], "deb y").key());
        assert_ne!(recipe(&["ab"], "c").key(), recipe(&["a"], "bc").key());
    }

    #[test]
    fn takes_proxies_and_nothing_else_from_the_machines_settings() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://p:3142\";\n\
                    Acquire::Check-Date \"false\";\nAcquire::http::Proxy::x \"\";\nDPkg::Post-Invoke:: \"rm\";\n";
        assert_eq!(
            apt_options(dump),
            ["Acquire::http::Proxy \"http://p:3142\";", "Acquire::Check-Date \"false\";"]
        );
    }

    #[test]
    fn a_cache_is_listed_and_pruned_by_last_use() {
        let cache = tempfile::tempdir().expect("a folder");
        for (key, age) in [("aa", 30), ("bb", 20), ("cc", 10)] {
            let folder = cache.path().join(format!("root-{key}"));
            fs::create_dir(&folder).expect("a folder");
            let used = SystemTime::now() - Duration::from_secs(age);
            File::open(&folder).and_then(|file| file.set_modified(used)).expect("a time");
        }
        let half_made = format!("{HALF_MADE}{}", WorldName::of_a_dead_lab());
        fs::create_dir(cache.path().join(&half_made)).expect("a folder");
        let removed = prune(cache.path(), 1).expect("pruned");
        assert_eq!(removed, [half_made.as_str(), "bb", "aa"]);
        let left: Vec<_> =
            list(cache.path()).expect("listed").into_iter().map(|root| root.key).collect();
        assert_eq!(left, ["cc"]);
    }
}
