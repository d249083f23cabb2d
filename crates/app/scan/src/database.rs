//! Finding signatures and making one database of them.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use watchglass_database::{Algorithm, Database, HashRole};
use watchglass_signatures::container::{Budget, Seal, UnverifiedContainer};
use watchglass_signatures::{Maker, PotentiallyUnwanted, Report, SignatureSet, Source, compile};
use watchglass_sys::mapping::Mapped;

use crate::escape;

/// A database that workers map as well.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// For the workers.
    pub(crate) file: File,
    /// For the names.
    pub(crate) mapped: Mapped,
    /// What became of the sources, if it was made of some.
    pub(crate) report: Option<Report>,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
}

/// Where Debian, Fedora and freshclam itself keep ClamAV's sets.
pub(crate) const STANDARD_FOLDER: &str = "/var/lib/clamav";

/// A set with its bytes.
struct Set {
    set: SignatureSet,
    bytes: Vec<u8>,
    maker: Maker,
}

#[derive(Default)]
struct Sets {
    sets: Vec<Set>,
    warnings: Vec<String>,
    newest: Option<SystemTime>,
}

/// Makes a database of what was named; of the standard folder when nothing was. Nothing when there
/// is no set at all.
///
/// # Errors
/// When what was named cannot be read, or is no set.
pub(crate) fn load(
    named: &[PathBuf],
    unwanted: PotentiallyUnwanted,
) -> Result<Option<Loaded>, Box<dyn Error>> {
    if let [only] = named
        && is_compiled(only)?
    {
        let file = File::open(only).map_err(|error| at(only, &error))?;
        let mapped = Mapped::of(&file).map_err(|error| at(only, &error))?;
        Database::open(mapped.as_ref()).map_err(|error| at(only, &error))?;
        return Ok(Some(Loaded { file, mapped, report: None, warnings: Vec::new() }));
    }
    let mut sets = Sets::default();
    for path in named {
        if is_compiled(path)? {
            return Err(at(path, &"a compiled database stands alone, not beside others"));
        }
        sets.add(path, path.is_dir())?;
    }
    if named.is_empty() && Path::new(STANDARD_FOLDER).is_dir() {
        sets.add(Path::new(STANDARD_FOLDER), true)?;
    }
    if sets.sets.is_empty() {
        return Ok(None);
    }
    sets.warn_when_old();
    let sources: Vec<Source<'_>> = sets.sets.iter().map(Set::source).collect();
    let (bytes, report) = compile(&sources, unwanted);
    let file = sealed(&bytes)?;
    let mapped = Mapped::of(&file)?;
    Ok(Some(Loaded { file, mapped, report: Some(report), warnings: sets.warnings }))
}

/// How many digests detect something.
pub(crate) fn signatures(database: &Database<'_>) -> usize {
    let detect = [HashRole::File, HashRole::Section, HashRole::Imports];
    let count = |role| {
        let hashes = database.hashes(role);
        Algorithm::ALL.into_iter().map(move |algorithm| hashes.count(algorithm)).sum::<usize>()
    };
    detect.into_iter().map(count).sum()
}

/// Bytes that nobody changes or cuts short any more, as a file.
fn sealed(bytes: &[u8]) -> Result<File, Box<dyn Error>> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("watchglass-database", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

fn is_compiled(path: &Path) -> Result<bool, Box<dyn Error>> {
    use std::os::unix::fs::FileExt as _;
    if path.is_dir() {
        return Ok(false);
    }
    let file = File::open(path).map_err(|error| at(path, &error))?;
    let mut magic = [0; 8];
    Ok(file.read_at(&mut magic, 0).map_err(|error| at(path, &error))? == 8 && &magic == b"WGLASSDB")
}

impl Set {
    fn source(&self) -> Source<'_> {
        Source { set: self.set.clone(), bytes: &self.bytes, maker: self.maker }
    }
}

impl Sets {
    /// Adds a file, or each file of a folder that is a set by its name.
    fn add(&mut self, path: &Path, folder: bool) -> Result<(), Box<dyn Error>> {
        if !folder {
            return self.add_file(path);
        }
        let entries = std::fs::read_dir(path).map_err(|error| at(path, &error))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|error| at(path, &error))?.path());
        }
        // The order of a folder is nobody's choice.
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            if is_container(path) || SignatureSet::named(&file_name(path)).is_ok() {
                // One that is broken does not take away the protection of the others.
                if let Err(error) = self.add_file(path) {
                    self.warnings.push(error.to_string());
                }
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let bytes = std::fs::read(path).map_err(|error| at(path, &error))?;
        let changed = std::fs::metadata(path).and_then(|data| data.modified()).ok();
        if is_container(path) {
            return self.add_container(path, &bytes);
        }
        let set = SignatureSet::named(&file_name(path)).map_err(|error| at(path, &error))?;
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
        let built = u64::from(container.header().build_seconds);
        let container =
            container.verify(seal, Budget::STANDARD).map_err(|error| at(path, &error))?;
        self.newest =
            self.newest.max(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(built)));
        for member in container.members() {
            match member {
                Ok(member) => {
                    self.sets.push(Set {
                        set: member.set,
                        bytes: member.bytes,
                        maker: Maker::Official,
                    });
                }
                Err(error) => self.warnings.push(at(path, &error).to_string()),
            }
        }
        Ok(())
    }

    fn warn_when_old(&mut self) {
        let Some(newest) = self.newest else { return };
        let Ok(age) = SystemTime::now().duration_since(newest) else { return };
        if age > OLD {
            let days = age.as_secs() / DAY_SECONDS;
            self.warnings.push(format!(
                "the newest signatures are {days} days old; get new ones with `freshclam`"
            ));
        }
    }
}

fn is_container(path: &Path) -> bool {
    matches!(extension(path).as_str(), "cvd" | "cld")
}

fn extension(path: &Path) -> String {
    path.extension().map(|one| one.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> Box<dyn Error> {
    use std::os::unix::ffi::OsStrExt as _;
    format!("{}: {error}", escape::name(path.as_os_str().as_bytes())).into()
}

const DAY_SECONDS: u64 = 86_400;
/// ClamAV's sets change daily; clamscan warns after seven days as well.
const OLD: Duration = Duration::from_secs(7 * DAY_SECONDS);
