//! `database build`: signature sets into one file.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use serde_json::{Value as Json, json};
use watchglass_cache::write_whole;
use watchglass_database::Database;
use watchglass_signatures::{MAX_BAD_LINES, PotentiallyUnwanted};
use watchglass_sys::mapping::Mapped;

use crate::compiler::{self, Bad, Jail, Told};
use crate::output;
use crate::sources::Files;

const HELP: &str = "\
Compiles signature sets into one file, which `watchglass scan -d FILE` maps in milliseconds.

Usage: watchglass database build [OPTIONS] SOURCES… -o FILE

SOURCES are signature sets by the ends of their names (.hdb, .ndb, .ldb, …), .cvd and .cld with their
signatures checked, YARA rules (.yar, .yara), and folders of those (of YARA rules, folders in them too).

  -o, --output FILE   where to write; it is replaced whole or not at all
      --detect-pua    signatures of what not everybody minds (.hdu, .ndu, …), too
      --all           list every bad line, not the first 20 (at most 1000 are known by place)
      --json          one JSON object (docs/database-json.md)
  -h, --help

Sets are read in a jail without paths or network, with 6 GiB of memory at most. Lines that are no
signatures, and signatures of kinds that this version does not know, are left out
and told.

Exit codes: 0 written, 1 written without some bad lines or broken sets, 2 not written

Example: watchglass database build /var/lib/clamav -o signatures.wgdb";

/// What is to be built.
#[derive(Debug, Default)]
pub(crate) struct Options {
    sources: Vec<PathBuf>,
    output: Option<PathBuf>,
    unwanted: PotentiallyUnwanted,
    all: bool,
    json: bool,
}

/// Builds what the arguments say.
///
/// # Errors
/// When nothing was written.
pub(crate) fn command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    parse(arguments)?.map_or_else(|| Ok(output::print(HELP)), |options| build(&options))
}

/// Builds a database and tells what became of the sets.
///
/// # Errors
/// When nothing was written.
pub(crate) fn build(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let path = options.output.as_deref().ok_or("-o FILE is missing; see --help")?;
    let files = Files::list(&options.sources)?;
    if files.is_empty() {
        return Err("no signature set among SOURCES; see --help".into());
    }
    let compiled = compiler::compile(&files, options.unwanted, Jail::AsFarAsThereIs)?;
    let mapped = Mapped::of(&compiled.file)?;
    let bytes = mapped.as_ref();
    // What is damaged is not to be written: the compiler has read hostile bytes.
    let database = Database::open(bytes)?;
    database.verify()?;
    let digest = *database.digest();
    write_whole(path, bytes)?;
    let report = compiled.told;
    let (missing, bytes) = (&compiled.missing, bytes.len());
    let built = Built { options, report: &report, digest, bytes, missing };
    // The file is there, whether anybody reads this or not.
    let mut out = BufWriter::new(io::stdout());
    let told = if options.json { built.json(&mut out) } else { built.text(&mut out) };
    let _ = told.and_then(|()| out.flush());
    let complete = report.bad.is_empty() && report.warnings.is_empty();
    Ok(ExitCode::from(u8::from(!complete)))
}

impl Options {
    /// One source as it comes.
    pub(crate) fn of(source: PathBuf, output: PathBuf, json: bool) -> Self {
        Self { sources: vec![source], output: Some(output), json, ..Self::default() }
    }
}

fn parse(arguments: &mut lexopt::Parser) -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Short('o') | Long("output") => options.output = Some(arguments.value()?.into()),
            Long("detect-pua") => options.unwanted = PotentiallyUnwanted::Take,
            Long("all") => options.all = true,
            Long("json") => options.json = true,
            Value(path) => options.sources.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.sources.is_empty() {
        return Err("SOURCES are missing; see --help".into());
    }
    Ok(Some(options))
}

struct Built<'b> {
    options: &'b Options,
    report: &'b Told,
    missing: &'b [String],
    digest: [u8; 32],
    bytes: usize,
}

impl Built<'_> {
    fn listed(&self) -> &[Bad] {
        let most = if self.options.all { MAX_BAD_LINES } else { LISTED };
        self.report.bad.get(..most).unwrap_or(&self.report.bad)
    }

    /// Bad lines that are not listed.
    fn more(&self) -> u64 {
        let left = self.report.bad.len() - self.listed().len();
        self.report.more_bad.saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        if !self.missing.is_empty() {
            writeln!(out, "WARNING: the jail lacks: {}", self.missing.join(", "))?;
        }
        for warning in &self.report.warnings {
            writeln!(out, "WARNING: {warning}")?;
        }
        for bad in self.listed() {
            // The file's name came with its control characters shown as codes.
            writeln!(out, "{}:{}: {}", bad.file, bad.line, bad.reason)?;
        }
        if self.more() > 0 {
            writeln!(out, "{} more bad lines", self.more())?;
        }
        counts(out, "taken", &report.taken)?;
        counts(out, "not compiled, since this version does not know them", &report.not_compiled)?;
        for (count, what) in [
            (report.ignored, "ignored, as a set says"),
            (report.passed_over, "passed over, since not everybody minds (--detect-pua)"),
            (report.for_other_engines, "lines for engines of other versions"),
            (report.with_regexes, "taken with regular expressions"),
            (report.unannounced, "taken that each file of their kind is searched for"),
            (
                report.rules.by_start,
                "YARA rules that are run on each file with a certain beginning",
            ),
            (report.rules.always, "YARA rules that are run on each file"),
            (report.rules.never, "YARA rules that hold of no file, left out"),
        ] {
            if count > 0 {
                writeln!(out, "{count:>10} {what}")?;
            }
        }
        let digest = hex(&self.digest);
        writeln!(out, "{:>10} bytes written, digest {digest}", self.bytes)
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        let bad = self
            .listed()
            .iter()
            .map(|bad| json!({ "file": bad.file, "line": bad.line, "reason": bad.reason }));
        let line = json!({
            "schema": SCHEMA, "kind": "database-build", "bytes": self.bytes,
            "digest": hex(&self.digest), "taken": report.taken,
            "not_compiled": report.not_compiled, "ignored": report.ignored,
            "passed_over": report.passed_over, "for_other_engines": report.for_other_engines,
            "with_regexes": report.with_regexes, "unannounced": report.unannounced,
            "yara": {
                "by_content": report.rules.by_content, "by_start": report.rules.by_start,
                "always": report.rules.always, "never": report.rules.never,
            },
            "bad": bad.collect::<Vec<Json>>(), "more_bad": self.more(),
            "warnings": report.warnings, "jail_missing": self.missing,
        });
        writeln!(out, "{line}")
    }
}

fn counts(out: &mut dyn Write, title: &str, counts: &BTreeMap<String, u64>) -> io::Result<()> {
    for (what, count) in counts {
        writeln!(out, "{count:>10} {what} {title}")?;
    }
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bad lines that are listed unless all are wanted.
const LISTED: usize = 20;
/// Version of the JSON lines. It changes with a change that is no addition.
pub(crate) const SCHEMA: u32 = 1;
