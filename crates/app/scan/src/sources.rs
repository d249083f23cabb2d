//! Signature sets on disk.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use watchglass_cache::Key;
use watchglass_database::FORMAT_VERSION;
use watchglass_signatures::container::{Budget, Seal, UnverifiedContainer};
use watchglass_signatures::{
    Maker, PotentiallyUnwanted, Report, SignatureSet, Source, compile_with_rules,
};

use crate::escape;

/// Files that hold signature sets, by their names.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<Named>);

#[derive(Debug)]
struct Named {
    path: PathBuf,
    /// Whether the file itself was named, not its folder: then what is wrong with it is an error.
    /// One broken set of a folder does not take away the protection of the others.
    by_person: bool,
}

/// A source that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its path for people.
    pub(crate) name: String,
    pub(crate) file: File,
    /// Whether it was named, not its folder.
    pub(crate) by_person: bool,
    /// When it was changed, in seconds of Unix time.
    pub(crate) changed: Option<u64>,
}

/// Sets that were read.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    sets: Vec<Set>,
    /// Files of YARA rules, each with its name for messages.
    rules: Vec<(String, Vec<u8>)>,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
    /// When the newest of them was made.
    pub(crate) newest: Option<SystemTime>,
}

/// A set with its bytes.
#[derive(Debug)]
struct Set {
    set: SignatureSet,
    bytes: Vec<u8>,
    maker: Maker,
}

impl Files {
    /// The files that were named, and of each folder those that are sets by their names.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn list(named: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut files = Self::default();
        for path in named {
            if path.is_dir() {
                files.add_folder(path)?;
            } else {
                files.0.push(Named { path: path.clone(), by_person: true });
            }
        }
        Ok(files)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let mut paths = Vec::new();
        for path in entries(folder)? {
            // Sets of YARA rules have folders of their own.
            let is_folder = path.symlink_metadata().is_ok_and(|data| data.is_dir());
            if is_folder {
                add_rules(&path, MAX_FOLDERS, &mut paths)?;
            }
            paths.push(path);
        }
        // The order of a folder is nobody's choice.
        paths.sort();
        let is_set = |path: &Path| {
            is_container(path) || is_yara(path) || SignatureSet::named(&shown(path)).is_ok()
        };
        paths.retain(|path| path.is_file() && is_set(path));
        self.0.extend(paths.into_iter().map(|path| Named { path, by_person: false }));
        Ok(())
    }

    /// What they are without reading them, and which program compiles them: its own file too, since
    /// a version number does not change with each build. Nothing when one of them was written so
    /// short a time ago that it might change again within one tick of the filesystem's clock, or
    /// cannot be looked at.
    pub(crate) fn key(&self, unwanted: PotentiallyUnwanted) -> Option<Key> {
        let program = std::env::current_exe().ok()?;
        let mut key = Key::default()
            .with(&FORMAT_VERSION.to_le_bytes())
            .with(env!("CARGO_PKG_VERSION").as_bytes())
            .with(&[u8::from(unwanted == PotentiallyUnwanted::Take)]);
        for path in self.0.iter().map(|file| &file.path).chain([&program]) {
            let path = std::path::absolute(path).ok()?;
            let stat = std::fs::metadata(&path).ok()?;
            let age = stat.modified().ok().and_then(|then| then.elapsed().ok());
            if age.is_some_and(|age| age < SETTLED) && path != program {
                return None;
            }
            key = key.with(path.as_os_str().as_encoded_bytes());
            let numbers = [stat.dev(), stat.ino(), stat.size()];
            for number in numbers {
                key = key.with(&number.to_le_bytes());
            }
            for time in [stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec()] {
                key = key.with(&time.to_le_bytes());
            }
        }
        Some(key)
    }

    /// Opens them, one when it is asked for; what is wrong with one, and whether a person named it.
    pub(crate) fn open(&self) -> impl Iterator<Item = Result<Opened, (String, bool)>> {
        self.0.iter().map(|Named { path, by_person }| {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
            let (stat, file) =
                opened.map_err(|error| (at(path, &error).to_string(), *by_person))?;
            let changed = stat.modified().ok();
            let changed = changed.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            let changed = changed.map(|time| time.as_secs());
            Ok(Opened { name: shown(path), file, by_person: *by_person, changed })
        })
    }
}

impl Set {
    fn source(&self) -> Source<'_> {
        Source { set: self.set.clone(), bytes: &self.bytes, maker: self.maker }
    }
}

impl Sets {
    /// Compiles them. Costs seconds for millions of signatures.
    pub(crate) fn compile(&self, unwanted: PotentiallyUnwanted) -> (Vec<u8>, Report) {
        let sources: Vec<Source<'_>> = self.sets.iter().map(Set::source).collect();
        let rules = self.rules.iter().map(|(file, bytes)| watchglass_yara::Source { file, bytes });
        let read = watchglass_yara::read(&rules.collect::<Vec<_>>());
        let (bytes, mut report) = compile_with_rules(&sources, &read.rules, unwanted);
        report.tell(read.bad);
        (bytes, report)
    }

    /// Adds the content of a source, whose path says what it is.
    ///
    /// # Errors
    /// When it is no set, or no signed one where it should be.
    pub(crate) fn add(
        &mut self,
        path: &Path,
        bytes: Vec<u8>,
        changed: Option<SystemTime>,
    ) -> Result<(), Box<dyn Error>> {
        if is_container(path) {
            return self.add_container(path, &bytes);
        }
        if is_yara(path) {
            self.newest = self.newest.max(changed);
            self.rules.push((shown(path), bytes));
            return Ok(());
        }
        let set = SignatureSet::named(&shown(path)).map_err(|error| at(path, &error))?;
        self.newest = self.newest.max(changed);
        self.sets.push(Set { set, bytes, maker: Maker::Other });
        Ok(())
    }

    /// Adds the sets of a signed container; what is wrong with one of them is a warning.
    fn add_container(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let seal = match extension(path).as_str() {
            "cld" => Seal::Info,
            _ => Seal::HeaderAndInfo,
        };
        let container = UnverifiedContainer::parse(bytes).map_err(|error| at(path, &error))?;
        let built = Duration::from_secs(container.header().build_seconds.into());
        let container =
            container.verify(seal, Budget::STANDARD).map_err(|error| at(path, &error))?;
        self.newest = self.newest.max(SystemTime::UNIX_EPOCH.checked_add(built));
        for member in container.members() {
            match member {
                Ok(member) => self.sets.push(Set {
                    // So that a bad line says in which container it stands.
                    set: SignatureSet::named(&format!("{}!{}", shown(path), member.set.file()))
                        .unwrap_or(member.set),
                    bytes: member.bytes,
                    maker: Maker::Official,
                }),
                Err(error) => self.warnings.push(at(path, &error).to_string()),
            }
        }
        Ok(())
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = std::fs::read_dir(folder).map_err(|error| at(folder, &error))?;
    let path = |entry: Result<std::fs::DirEntry, std::io::Error>| {
        entry.map(|entry| entry.path()).map_err(|error| at(folder, &error))
    };
    entries.map(path).collect()
}

/// Files of YARA rules below a folder, so many folders deep.
fn add_rules(folder: &Path, depth: u32, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    for path in entries(folder)? {
        if path.symlink_metadata().is_ok_and(|data| data.is_dir()) {
            add_rules(&path, depth, paths)?;
        } else if is_yara(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

/// An error with its path in front.
pub(crate) fn at(path: &Path, error: &dyn Display) -> Box<dyn Error> {
    format!("{}: {error}", shown(path)).into()
}

fn shown(path: &Path) -> String {
    escape::name(path.as_os_str().as_encoded_bytes())
}

fn is_container(path: &Path) -> bool {
    matches!(extension(path).as_str(), "cvd" | "cld")
}

fn is_yara(path: &Path) -> bool {
    matches!(extension(path).as_str(), "yar" | "yara")
}

fn extension(path: &Path) -> String {
    path.extension().map(|one| one.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Folders of YARA rules that lie in each other; links are not followed.
const MAX_FOLDERS: u32 = 16;
/// No filesystem in use has a coarser clock.
const SETTLED: Duration = Duration::from_secs(2);
