//! What the person typed.

use std::error::Error;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use lexopt::prelude::*;
use watchglass_channel::{Setup, Switch};
use watchglass_engine::Limits;
use watchglass_walk::{CrossFilesystems, FollowLinks, HardLinks, Places, Policy, Recursion};

use crate::choice::{Chosen, Pattern};
use crate::database::UseCache;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Act {
    Print(String),
    Scan(Box<Options>),
}

/// The options of a scan.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) databases: Vec<PathBuf>,
    pub(crate) paths: Vec<Vec<u8>>,
    pub(crate) list: Option<PathBuf>,
    pub(crate) separator: u8,
    pub(crate) policy: Policy,
    pub(crate) chosen: Chosen,
    pub(crate) setup: Setup,
    /// For each file, milliseconds.
    pub(crate) max_scan_time: u32,
    pub(crate) jobs: usize,
    pub(crate) unwanted: bool,
    pub(crate) cache: UseCache,
    /// Where verdicts are kept, if not where sets are.
    pub(crate) verdicts: Option<PathBuf>,
    pub(crate) infected_only: bool,
    pub(crate) summary: bool,
    pub(crate) form: Form,
    pub(crate) progress: bool,
    pub(crate) heuristics_only: bool,
    pub(crate) require_jail: bool,
    pub(crate) disposal: Option<Disposal>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
    Sarif,
}

/// What becomes of files in which something was found.
#[derive(Clone, Debug)]
pub(crate) enum Disposal {
    Remove,
    Move(Vec<u8>),
    Copy(Vec<u8>),
}

pub(crate) const HELP: &str = "\
Scans files for malicious code, each in a jail without paths or network.

Usage: watchglass scan [OPTIONS] PATH…

Databases:
  -d, --database PATH      a signature set, a folder of sets, a .cvd/.cld, or a compiled file; may be
                           given again. Default: /var/lib/clamav
      --heuristics-only    scan without a database
      --no-cache           compile sets again, scan every file, and keep nothing. Otherwise what was
                           compiled is kept, the two last used, and which contents were clean, two
                           million of them, in $XDG_CACHE_HOME/watchglass, /var/cache/watchglass
                           (root) or ~/.cache/watchglass
      --cache FILE         keep which contents were clean in FILE, and a key in FILE.key. A content is
                           clean as before only for the same database, program and options
      --detect-pua         signatures of what not everybody minds, too

Which files:
  -r, --recursive          enter folders inside of folders
  -f, --file-list FILE     also scan the paths in FILE, one a line; - is standard input
  -0, --null               paths in FILE end with a zero byte
      --exclude REGEX, --include REGEX
                           not files whose path matches; only those; may be given again
      --exclude-dir REGEX, --include-dir REGEX
                           the same for folders
      --exclude-glob GLOB  neither files nor folders such as `*.log` or `/home/*/tmp`
      --cross-fs=yes/no    enter other filesystems (default yes)
      --follow-dir-symlinks=0/1/2, --follow-file-symlinks=0/1/2
                           never, those named (default), always
      --max-dir-recursion N  folders inside of each other (default 15, most 512)
      --hard-links=each/once  a file of several names (default each)

How they are scanned:
  -z, --allmatch           tell every signature that matches
      --scan-archive=yes/no     look into containers (default yes)
      --heuristic-alerts=yes/no overlapping zips and the like (default yes)
      --alert-encrypted --alert-broken --alert-macros --alert-exceeds-max
      --max-filesize N     bytes of a file or member, with K, M or G (default 100M)
      --max-scansize N     bytes unpacked of one file (default 400M)
      --max-files N        members of one file (default 10000)
      --max-recursion N    containers inside of each other (default 17)
      --max-scantime MS    milliseconds for one file (default 120000)
  -j, --jobs N             workers (default: one for each core)
      --require-jail       an error if a wall of the jail is missing on this machine

What becomes of files in which something was found:
      --remove             their names are removed, of each the one that was scanned
      --move DIR           they are moved to DIR, which must be there; a name that is taken gets `.001`
                           behind it. To another filesystem they are copied and then removed
      --copy DIR           copies are put there, which nobody else can read and nobody run
                           Another worker, which has seen no other file, must find something as well.
                           Only the file that was scanned is touched, whoever renames meanwhile, and
                           never one that a symbolic link led to. What could not be done is told, and
                           the exit code is 2. A scan without these tells which files it would be

Output:
  -i, --infected           tell only files in which something was found
      --no-summary
      --no-progress        no files/s, MB/s and time left on a terminal; for the time left all files
                           are counted while the scan runs, without opening them
      --json               one JSON object a line (docs/scan-json.md)
      --sarif              one SARIF 2.1.0 document (docs/scan-sarif.md), such as code scanning services
                           take: watchglass scan -r --sarif . > scan.sarif
  -h, --help, -V, --version

A line is `PATH: NAME FOUND`, `PATH: OK`, `PATH: Empty file`, or `PATH: NOT SCANNED (MEMBER: REASON)`
for a file of which a part was not looked at.

Exit codes: 0 nothing found, 1 something found, 2 an error, or no database, 130 interrupted

Examples: watchglass scan -r -i /home
          watchglass scan -r --move=/var/quarantine /srv/uploads";

/// Reads the command line.
///
/// # Errors
/// For what is no option, or no value of one.
pub(crate) fn parse(arguments: &mut lexopt::Parser) -> Result<Act, Box<dyn Error>> {
    let mut options = Options::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Act::Print(HELP.to_owned())),
            Short('V') | Long("version") => {
                let version = concat!("watchglass-scan ", env!("CARGO_PKG_VERSION"));
                return Ok(Act::Print(version.to_owned()));
            }
            Short('d') | Long("database") => options.databases.push(arguments.value()?.into()),
            Short('f') | Long("file-list") => options.list = Some(arguments.value()?.into()),
            Value(path) => options.paths.push(path.into_vec()),
            other => {
                // Owned, so that the value of the option can be asked for.
                let name = name_of(&other);
                if !options.flag(&name, arguments)?
                    && !options.limit(&name, arguments)?
                    && !options.place(&name, arguments)?
                {
                    return Err(format!("`{name}` is no option; see --help").into());
                }
            }
        }
    }
    if options.paths.is_empty() && options.list.is_none() {
        return Err("PATH is missing; see --help".into());
    }
    Ok(Act::Scan(Box::new(options)))
}

fn name_of(argument: &lexopt::Arg<'_>) -> String {
    match argument {
        Short(letter) => format!("-{letter}"),
        Long(name) => format!("--{name}"),
        Value(_) => String::new(),
    }
}

impl Options {
    fn new() -> Self {
        let limits = Limits::CLAMAV;
        let setup = Setup {
            max_scan_size: limits.max_scan_size,
            max_file_size: limits.max_file_size,
            max_files: limits.max_files,
            max_recursion: limits.max_recursion,
            max_ratio: limits.max_ratio,
            max_steps: limits.max_steps,
            switches: 0,
        };
        Self {
            databases: Vec::new(),
            paths: Vec::new(),
            list: None,
            separator: b'\n',
            policy: Policy::default(),
            chosen: Chosen::default(),
            setup: setup.with(Switch::Unpack, true).with(Switch::AlertHeuristics, true),
            max_scan_time: 120_000,
            jobs: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            unwanted: false,
            cache: UseCache::Yes,
            verdicts: None,
            infected_only: false,
            summary: true,
            form: Form::Text,
            progress: true,
            heuristics_only: false,
            require_jail: false,
            disposal: None,
        }
    }

    /// Options that are on, or off with `=no`, as clamscan has it.
    fn flag(&mut self, name: &str, arguments: &mut lexopt::Parser) -> Result<bool, Box<dyn Error>> {
        let switch = match name {
            "-z" | "--allmatch" => Switch::AllMatches,
            "--scan-archive" => Switch::Unpack,
            "--heuristic-alerts" => Switch::AlertHeuristics,
            "--alert-encrypted" => Switch::AlertEncrypted,
            "--alert-broken" => Switch::AlertBroken,
            "--alert-macros" => Switch::AlertMacros,
            "--alert-exceeds-max" => Switch::AlertLimits,
            _ => return self.plain_flag(name, arguments),
        };
        self.setup = self.setup.with(switch, yes(name, arguments)?);
        Ok(true)
    }

    fn plain_flag(
        &mut self,
        name: &str,
        arguments: &mut lexopt::Parser,
    ) -> Result<bool, Box<dyn Error>> {
        match name {
            "-r" | "--recursive" => {
                self.policy.recursion =
                    if yes(name, arguments)? { Recursion::Yes } else { Recursion::No };
            }
            "-i" | "--infected" => self.infected_only = yes(name, arguments)?,
            "-0" | "--null" => self.separator = 0,
            "--no-progress" => self.progress = false,
            "--no-summary" => self.summary = false,
            "--json" => self.print_as(Form::Json)?,
            "--sarif" => self.print_as(Form::Sarif)?,
            "--detect-pua" => self.unwanted = yes(name, arguments)?,
            "--no-cache" => self.cache = UseCache::No,
            "--heuristics-only" => self.heuristics_only = true,
            "--require-jail" => self.require_jail = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn limit(
        &mut self,
        name: &str,
        arguments: &mut lexopt::Parser,
    ) -> Result<bool, Box<dyn Error>> {
        match name {
            "--max-filesize" => self.setup.max_file_size = size(&arguments.value()?)?,
            "--max-scansize" => self.setup.max_scan_size = size(&arguments.value()?)?,
            "--max-files" => self.setup.max_files = arguments.value()?.parse()?,
            "--max-recursion" => self.setup.max_recursion = arguments.value()?.parse()?,
            "--max-scantime" => self.max_scan_time = arguments.value()?.parse()?,
            "--max-dir-recursion" => self.policy.max_depth = arguments.value()?.parse()?,
            "--cache" => self.verdicts = Some(arguments.value()?.into()),
            "-j" | "--jobs" => {
                self.jobs = arguments.value()?.parse::<NonZeroUsize>()?.get().min(MAX_JOBS);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn place(
        &mut self,
        name: &str,
        arguments: &mut lexopt::Parser,
    ) -> Result<bool, Box<dyn Error>> {
        match name {
            "--exclude" => self.chosen.exclude.push(regex(name, arguments)?),
            "--include" => self.chosen.include.push(regex(name, arguments)?),
            "--exclude-dir" => self.chosen.exclude_folder.push(regex(name, arguments)?),
            "--include-dir" => self.chosen.include_folder.push(regex(name, arguments)?),
            "--exclude-glob" => {
                let glob = arguments.value()?.string()?;
                let pattern = Pattern::glob(&glob).map_err(|error| format!("{name}: {error}"))?;
                self.chosen.exclude.push(pattern.clone());
                self.chosen.exclude_folder.push(pattern);
            }
            "--follow-dir-symlinks" => self.policy.folder_links = links(arguments)?,
            "--follow-file-symlinks" => self.policy.file_links = links(arguments)?,
            "--remove" if yes(name, arguments)? => self.dispose(Disposal::Remove)?,
            "--remove" => {}
            "--move" => {
                let folder = arguments.value()?.into_vec();
                self.dispose(Disposal::Move(folder))?;
            }
            "--copy" => {
                let folder = arguments.value()?.into_vec();
                self.dispose(Disposal::Copy(folder))?;
            }
            "--cross-fs" => {
                self.policy.cross = if yes(name, arguments)? {
                    CrossFilesystems::Yes
                } else {
                    CrossFilesystems::No
                };
            }
            "--hard-links" => {
                self.policy.hard_links = match arguments.value()?.string()?.as_str() {
                    "each" => HardLinks::Each,
                    "once" => HardLinks::Once,
                    _ => return Err("--hard-links takes `each` or `once`".into()),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn print_as(&mut self, form: Form) -> Result<(), Box<dyn Error>> {
        if ![Form::Text, form].contains(&self.form) {
            return Err("one of --json and --sarif; see --help".into());
        }
        self.form = form;
        Ok(())
    }

    fn dispose(&mut self, how: Disposal) -> Result<(), Box<dyn Error>> {
        if self.disposal.replace(how).is_some() {
            return Err("one of --remove, --move and --copy, once; see --help".into());
        }
        self.policy.places = Places::Keep;
        Ok(())
    }
}

fn yes(name: &str, arguments: &mut lexopt::Parser) -> Result<bool, Box<dyn Error>> {
    // What follows a letter is the next letter.
    if !name.starts_with("--") {
        return Ok(true);
    }
    match arguments.optional_value() {
        None => Ok(true),
        Some(value) => match value.string()?.as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(format!("{name} takes `yes` or `no`").into()),
        },
    }
}

fn regex(name: &str, arguments: &mut lexopt::Parser) -> Result<Pattern, Box<dyn Error>> {
    let text = arguments.value()?.string()?;
    Pattern::regex(&text).map_err(|error| format!("{name}: {error}").into())
}

fn links(arguments: &mut lexopt::Parser) -> Result<FollowLinks, Box<dyn Error>> {
    match arguments.value()?.string()?.as_str() {
        "0" => Ok(FollowLinks::Never),
        "1" => Ok(FollowLinks::Named),
        "2" => Ok(FollowLinks::Always),
        _ => Err("0, 1 or 2: never follow links, those named, all".into()),
    }
}

/// Bytes with clamscan's letters; they are powers of 1024.
fn size(value: &OsString) -> Result<u64, Box<dyn Error>> {
    let text = value.to_str().unwrap_or_default();
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    let number = number.filter(|number| (1..=MAX_SIZE).contains(number));
    number.ok_or_else(|| format!("`{text}` is no size from 1 to 2G, such as 100M").into())
}

/// Bytes of a file that are read into memory at most, as clamscan has it.
const MAX_SIZE: u64 = 2 << 30;
/// Workers: each has a buffer of the largest file it saw.
const MAX_JOBS: usize = 256;
