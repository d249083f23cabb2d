//! What the person reads.

mod json;
mod sarif;
mod text;

use std::io::{self, BufWriter, Stdout, Write};
use std::process::ExitCode;
use std::time::Instant;

use watchglass_channel::{Code, Hello, Outcome, Wall, What};
use watchglass_database::{Database, NameId};
use watchglass_engine::Heuristic;
use watchglass_walk::{PassedOver, Trouble};

use crate::database::{self, STANDARD_FOLDER};
use crate::options::{Form, Options};
use crate::progress::Progress;
use crate::run::{Disposed, Event};
use crate::worker::Ended;

/// Prints lines and counts them.
pub(crate) struct Output<'o> {
    options: &'o Options,
    names: Names<'o>,
    form: Box<dyn Print + 'o>,
    began: Instant,
    counts: Counts,
    progress: Progress,
    missing: Vec<Wall>,
    /// Calls that each worker tried and that were refused.
    refused: u16,
    fatal: Option<String>,
}

/// A form that results are printed in. Each method says one thing; all fail when nobody reads any
/// more.
trait Print {
    /// What the person should know.
    fn warn(&mut self, says: &str) -> io::Result<()>;
    /// A file was looked into.
    fn looked(&mut self, looked: &Looked<'_>) -> io::Result<()>;
    /// The content of a file is one that was clean before.
    fn known(&mut self, path: &[u8], bytes: u64) -> io::Result<()>;
    /// A file cost its worker.
    fn ended(&mut self, path: &[u8], size: u64, reason: &str) -> io::Result<()>;
    /// A file without content.
    fn empty(&mut self, path: &[u8]) -> io::Result<()>;
    /// Something that is not looked into.
    fn passed_over(&mut self, path: &[u8], why: PassedOver) -> io::Result<()>;
    /// Something that could not be opened.
    fn trouble(&mut self, trouble: &Trouble) -> io::Result<()>;
    /// The end.
    fn finish(&mut self, summary: &Summary<'_>) -> io::Result<()>;
    /// Sees all to the reader.
    fn flush(&mut self) -> io::Result<()>;
}

/// A file that was looked into.
struct Looked<'l> {
    path: &'l [u8],
    outcome: &'l Outcome,
    disposed: Option<&'l Disposed>,
    names: Names<'l>,
}

/// What the last lines tell.
struct Summary<'s> {
    counts: &'s Counts,
    signatures: usize,
    database: bool,
    /// Says so where there should be one.
    no_database: Option<&'s str>,
    missing: &'s [Wall],
    refused: u16,
    fatal: Option<&'s str>,
    interrupted: bool,
    seconds: f64,
    exit_code: u8,
}

#[derive(Debug, Default)]
struct Counts {
    files: u64,
    known: u64,
    infected: u64,
    in_part: u64,
    not_scanned: u64,
    empty: u64,
    passed_over: u64,
    errors: u64,
    read: u64,
    scanned: u64,
    disposed: u64,
    not_disposed: u64,
}

/// Names of what can be found.
#[derive(Clone, Copy)]
struct Names<'d>(Option<&'d Database<'d>>);

/// Prints a text. A closed pipe is a normal end.
pub(crate) fn print(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

impl<'o> Output<'o> {
    pub(crate) fn new(options: &'o Options, database: Option<&'o Database<'o>>) -> Self {
        let out = BufWriter::new(io::stdout());
        let form: Box<dyn Print + 'o> = match options.form {
            Form::Text => Box::new(text::Text::new(options, out)),
            Form::Json => Box::new(json::Json::new(out)),
            Form::Sarif => Box::new(sarif::Sarif::new(out)),
        };
        Self {
            options,
            names: Names(database),
            form,
            began: Instant::now(),
            counts: Counts::default(),
            progress: Progress::new(options.progress),
            missing: Vec::new(),
            refused: 0,
            fatal: None,
        }
    }

    /// What is to be known before the first file.
    pub(crate) fn begin(&mut self, warnings: &[String]) {
        // Whoever does not read this will be told by the first file.
        if let Some(says) = self.no_database() {
            let _ = self.form.warn(&says);
        }
        for warning in warnings {
            let _ = self.form.warn(warning);
        }
        let _ = self.form.flush();
    }

    /// Tells one event.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn tell(&mut self, event: Event) -> io::Result<()> {
        self.progress.clear();
        self.event(event)?;
        self.form.flush()?;
        self.progress.show(self.counts.seen(), self.counts.read);
        Ok(())
    }

    fn event(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Hello(hello) => self.hello(&hello),
            Event::Fatal(says) => {
                self.fatal.get_or_insert(says);
                Ok(())
            }
            Event::Looked { outcome: Err(Ended::Interrupted), .. } => Ok(()),
            Event::Looked { path, outcome: Ok(outcome), disposed, .. } => {
                self.counts.add(&outcome, disposed.as_ref());
                self.form.looked(&Looked {
                    path: &path,
                    outcome: &outcome,
                    disposed: disposed.as_ref(),
                    names: self.names,
                })
            }
            Event::Looked { path, size, outcome: Err(ended), .. } => {
                self.counts.not_scanned += 1;
                self.form.ended(&path, size, &ended.to_string())
            }
            Event::Known { path, bytes } => {
                self.counts.known += 1;
                self.counts.read = self.counts.read.saturating_add(bytes);
                self.form.known(&path, bytes)
            }
            Event::Counted(files) => {
                self.progress.set_total(files);
                Ok(())
            }
            Event::Warning(says) => self.form.warn(&says),
            Event::Empty { path } => {
                self.counts.empty += 1;
                self.form.empty(&path)
            }
            Event::PassedOver { path, why } => {
                self.counts.passed_over += 1;
                self.form.passed_over(&path, why)
            }
            Event::Trouble(trouble) => {
                self.counts.errors += 1;
                self.form.trouble(&trouble)
            }
        }
    }

    /// Whether somebody sees how far the scan is.
    pub(crate) fn is_watched(&self) -> bool {
        self.progress.is_seen()
    }

    /// Nothing happened for a while.
    pub(crate) fn tick(&mut self) {
        self.progress.show(self.counts.seen(), self.counts.read);
    }

    /// The summary and the exit code.
    pub(crate) fn finish(&mut self, interrupted: bool) -> u8 {
        self.progress.clear();
        let exit_code = self.exit_code(interrupted);
        let no_database = self.no_database();
        let summary = Summary {
            counts: &self.counts,
            signatures: self.names.0.map_or(0, database::signatures),
            database: self.names.0.is_some(),
            no_database: no_database.as_deref(),
            missing: &self.missing,
            refused: self.refused,
            fatal: self.fatal.as_deref(),
            interrupted,
            seconds: self.began.elapsed().as_secs_f64(),
            exit_code,
        };
        // Nobody may be left who reads it; the exit code says the same.
        let _ = self.form.finish(&summary).and_then(|()| self.form.flush());
        exit_code
    }

    fn exit_code(&self, interrupted: bool) -> u8 {
        let counts = &self.counts;
        if self.fatal.is_some() {
            2
        } else if interrupted {
            130
        } else if counts.not_disposed > 0 {
            2
        } else if counts.infected > 0 {
            1
        } else {
            u8::from(counts.errors > 0 || counts.not_scanned > 0 || self.no_database().is_some())
                * 2
        }
    }

    fn no_database(&self) -> Option<String> {
        let lacks = self.names.0.is_none() && !self.options.heuristics_only;
        lacks.then(|| {
            format!(
                "no signatures: only the test file and heuristics are looked for. `freshclam` gets ClamAV's into {STANDARD_FOLDER}, `-d PATH` names others, `--heuristics-only` wants none"
            )
        })
    }

    fn hello(&mut self, hello: &Hello) -> io::Result<()> {
        self.refused = hello.refused;
        if self.missing.is_empty() && !hello.missing.is_empty() {
            self.missing.clone_from(&hello.missing);
            let says = format!("the jail lacks: {}", words(&self.missing).join(", "));
            self.form.warn(&says)?;
        }
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, outcome: &Outcome, disposed: Option<&Disposed>) {
        self.files += 1;
        self.read = self.read.saturating_add(outcome.seen.read);
        self.scanned = self.scanned.saturating_add(outcome.seen.bytes);
        self.infected += u64::from(!outcome.findings.is_empty());
        self.in_part += u64::from(!outcome.not_scanned.is_empty());
        self.errors +=
            u64::from(outcome.not_scanned.iter().any(|one| one.code == Code::Unreadable));
        self.disposed += u64::from(disposed.is_some_and(Result::is_ok));
        self.not_disposed += u64::from(disposed.is_some_and(Result::is_err));
    }

    /// Files that are done with.
    fn seen(&self) -> u64 {
        let done = [self.known, self.not_scanned, self.empty];
        done.iter().fold(self.files, |sum, count| sum.saturating_add(*count))
    }
}

impl Names<'_> {
    fn of(self, what: What) -> String {
        match what {
            What::Signature(number) => {
                let name = self.0.and_then(|database| database.name(NameId(number)));
                // A worker that tells a number without a name is broken, and something was found.
                name.unwrap_or_else(|| format!("Unknown.Signature-{number}"))
            }
            What::Heuristic(number) => Heuristic::from_number(number)
                .map_or_else(|| format!("Unknown.Heuristic-{number}"), |one| one.name().to_owned()),
        }
    }
}

/// Why something was passed over: a word for programs, and for people.
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

/// What the form writes to.
type Out = BufWriter<Stdout>;
