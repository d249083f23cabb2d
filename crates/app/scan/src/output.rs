//! What the person reads.

use std::io::{self, BufWriter, Stdout, Write};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use watchglass_channel::{Code, Finding, Hello, Member, Omission, Outcome, Wall, What};
use watchglass_database::{Database, NameId};
use watchglass_engine::Heuristic;
use watchglass_walk::{PassedOver, Trouble};

use crate::database::{self, Loaded, STANDARD_FOLDER};
use crate::escape;
use crate::options::Options;
use crate::progress::Progress;
use crate::run::Event;
use crate::worker::Ended;

/// Prints lines and counts them.
#[derive(Debug)]
pub(crate) struct Output<'o> {
    options: &'o Options,
    database: Option<&'o Database<'o>>,
    out: BufWriter<Stdout>,
    began: Instant,
    counts: Counts,
    progress: Progress,
    missing: Vec<Wall>,
    fatal: Option<String>,
}

#[derive(Debug, Default)]
struct Counts {
    files: u64,
    infected: u64,
    in_part: u64,
    not_scanned: u64,
    empty: u64,
    passed_over: u64,
    errors: u64,
    read: u64,
    scanned: u64,
}

/// Prints a text. A closed pipe is a normal end.
pub(crate) fn print(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

impl<'o> Output<'o> {
    pub(crate) fn new(options: &'o Options, database: Option<&'o Database<'o>>) -> Self {
        Self {
            options,
            database,
            out: BufWriter::new(io::stdout()),
            began: Instant::now(),
            counts: Counts::default(),
            progress: Progress::new(options.progress),
            missing: Vec::new(),
            fatal: None,
        }
    }

    /// What is to be known before the first file.
    pub(crate) fn begin(&mut self, loaded: Option<&Loaded>) {
        // Whoever does not read this will be told by the first file.
        if let Some(loaded) = loaded {
            for warning in &loaded.warnings {
                let _ = self.warn(warning);
            }
        }
        if self.lacks_database() {
            let _ = self.warn(&no_database());
        }
        let _ = self.out.flush();
    }

    /// Tells one event.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn tell(&mut self, event: Event) -> io::Result<()> {
        self.progress.clear();
        self.line(event)?;
        self.out.flush()?;
        self.progress.show(self.counts.files, self.counts.read);
        Ok(())
    }

    fn line(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Hello(hello) => return self.hello(&hello),
            Event::Fatal(says) => {
                self.fatal.get_or_insert(says);
                return Ok(());
            }
            Event::Looked { outcome: Err(Ended::Interrupted), .. } => return Ok(()),
            Event::Looked { path, outcome: Ok(outcome), .. } => self.looked(&path, &outcome)?,
            Event::Looked { path, size, outcome: Err(ended) } => self.ended(&path, size, &ended)?,
            Event::Empty { path } => self.empty(&path)?,
            Event::PassedOver { path, why } => self.passed_over(&path, why)?,
            Event::Trouble(trouble) => self.trouble(&trouble)?,
        }
        Ok(())
    }

    /// Nothing happened for a while.
    pub(crate) fn tick(&mut self) {
        self.progress.show(self.counts.files, self.counts.read);
    }

    /// The summary and the exit code.
    pub(crate) fn finish(&mut self, interrupted: bool) -> u8 {
        self.progress.clear();
        let seconds = self.began.elapsed().as_secs_f64();
        let code = self.exit_code(interrupted);
        // Nobody may be left who reads it; the exit code says the same.
        let _ = if self.options.json {
            self.json_summary(seconds, interrupted)
        } else {
            self.text_summary(seconds, interrupted)
        };
        let _ = self.out.flush();
        code
    }

    fn exit_code(&self, interrupted: bool) -> u8 {
        let counts = &self.counts;
        if self.fatal.is_some() {
            2
        } else if interrupted {
            130
        } else if counts.infected > 0 {
            1
        } else {
            u8::from(counts.errors > 0 || counts.not_scanned > 0 || self.lacks_database()) * 2
        }
    }

    fn lacks_database(&self) -> bool {
        self.database.is_none() && !self.options.heuristics_only
    }

    fn hello(&mut self, hello: &Hello) -> io::Result<()> {
        if self.missing.is_empty() && !hello.missing.is_empty() {
            self.missing.clone_from(&hello.missing);
            let says = format!("the jail lacks: {}", words(&self.missing).join(", "));
            self.warn(&says)?;
        }
        Ok(())
    }

    fn looked(&mut self, path: &[u8], outcome: &Outcome) -> io::Result<()> {
        let counts = &mut self.counts;
        counts.files += 1;
        counts.read = counts.read.saturating_add(outcome.seen.read);
        counts.scanned = counts.scanned.saturating_add(outcome.seen.bytes);
        let complete = outcome.not_scanned.is_empty();
        let found = !outcome.findings.is_empty();
        counts.infected += u64::from(found);
        counts.in_part += u64::from(!complete);
        counts.errors +=
            u64::from(outcome.not_scanned.iter().any(|one| one.code == Code::Unreadable));
        if self.options.json {
            return self.json_looked(path, outcome);
        }
        let path = escape::name(path);
        for finding in &outcome.findings {
            writeln!(self.out, "{path}: {} FOUND", self.name(finding.what))?;
        }
        if self.options.infected_only {
            return Ok(());
        }
        if let [first, others @ ..] = outcome.not_scanned.as_slice() {
            let more = outcome.more_not_scanned.saturating_add(others.len() as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(self.out, "{path}: NOT SCANNED ({}{more})", omission(first))?;
        } else if !found {
            writeln!(self.out, "{path}: OK")?;
        }
        Ok(())
    }

    fn ended(&mut self, path: &[u8], size: u64, ended: &Ended) -> io::Result<()> {
        self.counts.not_scanned += 1;
        let reason = ended.to_string();
        if self.options.json {
            let omission = json!({ "member": [], "code": "worker-ended", "reason": reason });
            return self.json(
                json!({
                    "kind": "file", "verdict": "not-scanned", "size": size, "findings": [],
                    "not_scanned": [omission],
                }),
                path,
            );
        }
        writeln!(self.out, "{}: NOT SCANNED ({reason})", escape::name(path))
    }

    fn empty(&mut self, path: &[u8]) -> io::Result<()> {
        self.counts.empty += 1;
        if self.options.json {
            return self.json(json!({ "kind": "file", "verdict": "empty", "size": 0 }), path);
        }
        if self.options.infected_only {
            return Ok(());
        }
        writeln!(self.out, "{}: Empty file", escape::name(path))
    }

    fn passed_over(&mut self, path: &[u8], why: PassedOver) -> io::Result<()> {
        self.counts.passed_over += 1;
        let (code, says) = reason(why);
        if self.options.json {
            return self.json(json!({ "kind": "passed-over", "code": code }), path);
        }
        if self.options.infected_only || why == PassedOver::Folder {
            return Ok(());
        }
        writeln!(self.out, "{}: {says}", escape::name(path))
    }

    fn trouble(&mut self, trouble: &Trouble) -> io::Result<()> {
        let Trouble { path, call, error } = trouble;
        self.counts.errors += 1;
        if self.options.json {
            let error = error.to_string();
            return self.json(json!({ "kind": "error", "call": call, "error": error }), path);
        }
        writeln!(self.out, "{}: NOT SCANNED ({call}: {error})", escape::name(path))
    }

    fn name(&self, what: What) -> String {
        match what {
            What::Signature(number) => {
                let name = self.database.and_then(|database| database.name(NameId(number)));
                // A worker that tells a number without a name is broken, and something was found.
                name.unwrap_or_else(|| format!("Unknown.Signature-{number}"))
            }
            What::Heuristic(number) => Heuristic::from_number(number)
                .map_or_else(|| format!("Unknown.Heuristic-{number}"), |one| one.name().to_owned()),
        }
    }

    fn warn(&mut self, says: &str) -> io::Result<()> {
        if self.options.json {
            let line = json!({ "schema": SCHEMA, "kind": "warning", "text": says });
            writeln!(self.out, "{line}")
        } else {
            writeln!(self.out, "WARNING: {says}")
        }
    }

    fn text_summary(&mut self, seconds: f64, interrupted: bool) -> io::Result<()> {
        if self.options.summary {
            let counts = &self.counts;
            let known = self.database.map_or(0, database::signatures);
            writeln!(
                self.out,
                "\n----------- SCAN SUMMARY -----------\n\
                 Known viruses: {known}\n\
                 Engine version: watchglass {}\n\
                 Scanned files: {}\n\
                 Infected files: {}\n\
                 Scanned in part: {}\n\
                 Not scanned: {}\n\
                 Empty files: {}\n\
                 Passed over: {}\n\
                 Errors: {}\n\
                 Data scanned: {}\n\
                 Data read: {}\n\
                 Time: {seconds:.3} sec",
                env!("CARGO_PKG_VERSION"),
                counts.files,
                counts.infected,
                counts.in_part,
                counts.not_scanned,
                counts.empty,
                counts.passed_over,
                counts.errors,
                megabytes(counts.scanned),
                megabytes(counts.read),
            )?;
            if !self.missing.is_empty() {
                let missing = words(&self.missing).join(", ");
                writeln!(self.out, "Jail: this machine has no {missing}")?;
            }
        }
        if let Some(fatal) = &self.fatal {
            writeln!(self.out, "ERROR: {fatal}")?;
        } else if interrupted {
            writeln!(self.out, "INTERRUPTED: files after these were not scanned")?;
        }
        if self.lacks_database() {
            self.warn(&no_database())?;
        }
        Ok(())
    }

    fn json_summary(&mut self, seconds: f64, interrupted: bool) -> io::Result<()> {
        let counts = &self.counts;
        let line = json!({
            "schema": SCHEMA, "kind": "summary",
            "signatures": self.database.map_or(0, database::signatures),
            "engine": env!("CARGO_PKG_VERSION"),
            "files": counts.files, "infected": counts.infected, "in_part": counts.in_part,
            "not_scanned": counts.not_scanned, "empty": counts.empty,
            "passed_over": counts.passed_over, "errors": counts.errors,
            "bytes_read": counts.read, "bytes_scanned": counts.scanned, "seconds": seconds,
            "jail_missing": words(&self.missing), "database": self.database.is_some(),
            "interrupted": interrupted, "error": self.fatal,
        });
        writeln!(self.out, "{line}")
    }

    fn json_looked(&mut self, path: &[u8], outcome: &Outcome) -> io::Result<()> {
        let verdict = match (outcome.findings.is_empty(), outcome.not_scanned.is_empty()) {
            (false, _) => "found",
            (true, false) => "not-scanned",
            (true, true) => "clean",
        };
        let findings: Vec<Value> = outcome.findings.iter().map(|one| self.finding(one)).collect();
        let omissions: Vec<Value> = outcome.not_scanned.iter().map(json_omission).collect();
        self.json(
            json!({
                "kind": "file", "verdict": verdict, "type": outcome.file_type,
                "size": outcome.seen.size, "read": outcome.seen.read,
                "objects": outcome.seen.objects, "bytes": outcome.seen.bytes,
                "findings": findings, "more_findings": outcome.more_findings,
                "not_scanned": omissions, "more_not_scanned": outcome.more_not_scanned,
            }),
            path,
        )
    }

    fn finding(&self, one: &Finding) -> Value {
        json!({
            "name": self.name(one.what),
            "heuristic": matches!(one.what, What::Heuristic(_)),
            "member": json_member(&one.member),
            "offset": one.offset,
        })
    }

    /// A line about a path.
    fn json(&mut self, mut line: Value, path: &[u8]) -> io::Result<()> {
        line["schema"] = json!(SCHEMA);
        put_name(&mut line, "path", path);
        writeln!(self.out, "{line}")
    }
}

/// A name as text; where it is no UTF-8, its bytes as well, in hexadecimal digits.
fn put_name(line: &mut Value, key: &str, name: &[u8]) {
    line[key] = json!(String::from_utf8_lossy(name));
    if std::str::from_utf8(name).is_err() {
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        line[format!("{key}_hex")] = json!(hex);
    }
}

fn json_member(member: &Member) -> Value {
    let names = member.names().iter().map(|name| {
        let mut value = json!({});
        put_name(&mut value, "name", name);
        value
    });
    names.collect()
}

fn json_omission(one: &Omission) -> Value {
    json!({
        "member": json_member(&one.member), "type": one.file_type,
        "code": one.code.word(), "reason": one.text,
    })
}

fn omission(one: &Omission) -> String {
    let shortened = if one.member.is_shortened() { "…" } else { "" };
    match one.member.names() {
        [] => one.text.to_string(),
        names => format!("{}{shortened}: {}", escape::member(names), one.text),
    }
}

fn reason(why: PassedOver) -> (&'static str, &'static str) {
    match why {
        PassedOver::Link => ("link", "Symbolic link"),
        PassedOver::Loop => ("loop", "Link to a folder around it"),
        PassedOver::Fifo => ("fifo", "FIFO"),
        PassedOver::Socket => ("socket", "Socket"),
        PassedOver::Device => ("device", "Device"),
        PassedOver::Folder => ("folder", "Folder"),
        PassedOver::TooDeep => ("too-deep", "Folder too deep in others"),
        PassedOver::OtherFilesystem => ("other-filesystem", "Other filesystem"),
        PassedOver::KernelFilesystem => ("kernel-filesystem", "Filesystem of the kernel"),
        PassedOver::Excluded => ("excluded", "Excluded"),
        PassedOver::HardLink => ("hard-link", "Scanned under another name"),
        _ => ("other", "Passed over"),
    }
}

fn words(walls: &[Wall]) -> Vec<&'static str> {
    walls.iter().map(|wall| wall.word()).collect()
}

fn no_database() -> String {
    format!(
        "no signatures: only the test file and heuristics are looked for. `freshclam` gets ClamAV's into {STANDARD_FOLDER}, `-d PATH` names others, `--heuristics-only` wants none"
    )
}

/// MiB as clamscan has them.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes.saturating_mul(100) >> 20;
    format!("{}.{:02} MiB", hundredths / 100, hundredths % 100)
}

/// Version of the JSON lines. It changes with a change that is no addition.
const SCHEMA: u32 = 1;
