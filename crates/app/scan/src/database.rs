//! The database that opener and workers map.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde_json::{Value, json};
use watchglass_cache::{Cache, Kept, Key};
use watchglass_database::{Algorithm, Database, HashRole};
use watchglass_signatures::PotentiallyUnwanted;
use watchglass_sys::mapping::Mapped;

use crate::compiler::{self, Compiled, Jail, Told};
use crate::in_one_line;
use crate::sources::{Files, at};

/// A database that workers map as well.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// For the workers.
    pub(crate) file: File,
    /// For the names.
    pub(crate) mapped: Mapped,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
}

/// Whether what is compiled is kept for the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseCache {
    Yes,
    No,
}

/// Where Debian, Fedora and freshclam itself keep ClamAV's sets.
pub(crate) const STANDARD_FOLDER: &str = "/var/lib/clamav";

/// Makes a database of what was named; of the standard folder when nothing was. Nothing when there
/// is no set at all.
///
/// # Errors
/// When what was named cannot be read, or is no set.
pub(crate) fn load(
    named: &[PathBuf],
    unwanted: PotentiallyUnwanted,
    use_cache: UseCache,
    jail: Jail,
) -> Result<Option<Loaded>, Box<dyn Error>> {
    if let [only] = named
        && is_compiled(only)?
    {
        return compiled(only).map(Some);
    }
    if let Some(path) = named.iter().find(|path| is_compiled(path).unwrap_or(false)) {
        return Err(at(path, &"a compiled database stands alone, not beside others"));
    }
    let standard = PathBuf::from(STANDARD_FOLDER);
    let named = match named {
        [] if standard.is_dir() => std::slice::from_ref(&standard),
        named => named,
    };
    let files = Files::list(named)?;
    if files.is_empty() {
        return Ok(None);
    }
    let mut warnings = Vec::new();
    let cache = match use_cache {
        UseCache::Yes => open_cache("compiled signatures", &mut warnings).zip(files.key(unwanted)),
        UseCache::No => None,
    };
    let kept = cache.as_ref().and_then(|(cache, key)| of_cache(cache.get(key)?));
    let mut loaded = match kept {
        Some(loaded) => loaded,
        None => match compile(&files, unwanted, jail, cache.as_ref(), &mut warnings)? {
            Some(loaded) => loaded,
            None => return Ok(None),
        },
    };
    loaded.warnings.extend(warnings);
    Ok(Some(loaded))
}

/// How many signatures detect something.
pub(crate) fn signatures(database: &Database<'_>) -> usize {
    let detect = [HashRole::File, HashRole::Section, HashRole::Imports];
    let count = |role| {
        let hashes = database.hashes(role);
        Algorithm::ALL.into_iter().map(move |algorithm| hashes.count(algorithm)).sum::<usize>()
    };
    detect.into_iter().map(count).sum::<usize>() + database.signatures().count()
}

/// A compiled file that the person named.
///
/// Whoever cuts a mapped file short ends each process that looks at what is gone (`SIGBUS`). Where
/// nobody but this user and root may write it, mapping it gives nobody a power that he lacks: those
/// may end our processes anyway. `database build` replaces a file and never cuts one. All others are
/// copied into memory that is sealed; that costs 1 ms and one megabyte for each megabyte (0.16 s for
/// 3.38 million signatures, instead of 0.01 s).
fn compiled(path: &Path) -> Result<Loaded, Box<dyn Error>> {
    let file = File::open(path).map_err(|error| at(path, &error))?;
    let ours = only_we_write(&file).map_err(|error| at(path, &error))?;
    let file = if ours { file } else { sealed_copy(file).map_err(|error| at(path, &error))? };
    let mapped = Mapped::of(&file).map_err(|error| at(path, &error))?;
    let database = Database::open(mapped.as_ref()).map_err(|error| at(path, &error))?;
    if !ours {
        // Its digest names what it holds, in the cache of verdicts too: somebody else may have
        // changed the one without the other.
        database.verify().map_err(|error| at(path, &error))?;
    }
    Ok(Loaded { file, mapped, warnings: compiled_long_ago(path).into_iter().collect() })
}

/// A compiled file does not say how old its sources are; they are no younger than itself.
fn compiled_long_ago(path: &Path) -> Option<String> {
    let age = std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()?;
    (age > OLD).then(|| {
        let days = age.as_secs() / DAY_SECONDS;
        format!(
            "the signatures were compiled {days} days ago; get new ones with `freshclam` and compile them with `watchglass database build`"
        )
    })
}

/// An access list of the file shows in the bits of its group (acl(5)).
fn only_we_write(file: &File) -> io::Result<bool> {
    let stat = file.metadata()?;
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&stat.uid());
    Ok(ours && stat.mode() & 0o022 == 0)
}

/// What was compiled before; nothing where it is damaged.
fn of_cache(kept: Kept) -> Option<Loaded> {
    let notes: Value = serde_json::from_slice(&kept.notes).ok()?;
    // Nobody else can write there: see `watchglass_cache`.
    let mapped = Mapped::of(&kept.file).ok()?;
    Database::open(mapped.as_ref()).ok()?;
    let warnings = notes["warnings"].as_array()?.iter();
    let mut warnings: Vec<String> = warnings.filter_map(Value::as_str).map(str::to_owned).collect();
    warnings.extend(notes["newest_seconds"].as_u64().and_then(warning_of_age));
    Some(Loaded { file: kept.file, mapped, warnings })
}

fn compile(
    files: &Files,
    unwanted: PotentiallyUnwanted,
    jail: Jail,
    cache: Option<&(Cache, Key)>,
    warnings: &mut Vec<String>,
) -> Result<Option<Loaded>, Box<dyn Error>> {
    // What the jail lacks is told by the workers.
    let Compiled { file, told, .. } = compiler::compile(files, unwanted, jail)?;
    let mapped = Mapped::of(&file)?;
    // Whole, once: the compiler has read hostile bytes.
    Database::open(mapped.as_ref())?.verify()?;
    let mut lasting = told.warnings.clone();
    lasting.extend(warning_of_bad(&told));
    if let Some((cache, key)) = cache {
        match cache.put(key, mapped.as_ref(), notes(&told, &lasting).to_string().as_bytes()) {
            Ok(kept) => return Ok(of_cache(kept)),
            Err(error) => {
                let error = in_one_line(&error);
                warnings.push(format!("compiled signatures are not kept: {error}"));
            }
        }
    }
    lasting.extend(told.newest.and_then(warning_of_age));
    Ok(Some(Loaded { file, mapped, warnings: lasting }))
}

/// What is told again at each start.
fn notes(told: &Told, warnings: &[String]) -> Value {
    json!({ "schema": 1, "warnings": warnings, "newest_seconds": told.newest })
}

fn warning_of_bad(told: &Told) -> Option<String> {
    let left: u64 = told.not_compiled.values().fold(0, |sum, count| sum.saturating_add(*count));
    let bad = u64::try_from(told.bad.len()).unwrap_or(u64::MAX).saturating_add(told.more_bad);
    (left > 0 || bad > 0).then(|| {
        format!(
            "{left} signatures are of kinds that this version does not know, {bad} lines are bad: they are not looked for; `watchglass database build` lists them"
        )
    })
}

fn warning_of_age(newest_seconds: u64) -> Option<String> {
    let newest = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(newest_seconds))?;
    let age = SystemTime::now().duration_since(newest).ok()?;
    let days = age.as_secs() / DAY_SECONDS;
    let old = age > OLD;
    old.then(|| format!("the newest signatures are {days} days old; get new ones with `freshclam`"))
}

/// The folder of all that is kept, or a warning: the first of `XDG_CACHE_HOME`, `/var/cache` for root, `~/.cache`, that there is.
pub(crate) fn open_cache(what: &str, warnings: &mut Vec<String>) -> Option<Cache> {
    let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = rustix::process::geteuid().is_root().then(|| PathBuf::from("/var/cache"));
    let home = || of("HOME").map(|home| home.join(".cache"));
    let folder = of("XDG_CACHE_HOME").or(root).or_else(home)?.join("watchglass");
    match Cache::open(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            warnings.push(format!("{what} are not kept: {}", in_one_line(&error)));
            None
        }
    }
}

/// A copy that nobody changes or cuts short any more.
fn sealed_copy(mut from: File) -> io::Result<File> {
    seal(|file| io::copy(&mut from, file).map(drop))
}

fn seal(write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("watchglass-database", flags)?);
    write(&mut file)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

/// Whether a path is that of a compiled file, by its first bytes.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_compiled(path: &Path) -> Result<bool, Box<dyn Error>> {
    if path.is_dir() {
        return Ok(false);
    }
    let file = File::open(path).map_err(|error| at(path, &error))?;
    let mut magic = [0; 8];
    Ok(file.read_at(&mut magic, 0).map_err(|error| at(path, &error))? == 8 && &magic == b"WGLASSDB")
}

const DAY_SECONDS: u64 = 86_400;
/// ClamAV's sets change daily; clamscan warns after seven days as well.
const OLD: Duration = Duration::from_secs(7 * DAY_SECONDS);
