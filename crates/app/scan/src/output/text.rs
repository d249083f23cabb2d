//! Lines as clamscan has them.

use std::io::{self, Write as _};

use watchglass_channel::{Omission, Outcome};
use watchglass_dispose::Done;
use watchglass_walk::{PassedOver, Trouble};

use super::{Looked, Out, Print, Summary, reason, words};
use crate::escape;
use crate::options::{Disposal, Options};
use crate::run::Disposed;

/// Lines for people.
pub(super) struct Text<'o> {
    options: &'o Options,
    out: Out,
}

impl<'o> Text<'o> {
    pub(super) fn new(options: &'o Options, out: Out) -> Self {
        Self { options, out }
    }

    fn disposed(&mut self, path: &str, disposed: &Disposed) -> io::Result<()> {
        match disposed {
            Ok(Done::Removed(others)) => writeln!(self.out, "{path}: Removed.{}", more(others.0)),
            Ok(Done::Moved(to, others)) => {
                writeln!(self.out, "{path}: moved to '{}'{}", escape::name(to), more(others.0))
            }
            Ok(Done::Copied(to)) => {
                writeln!(self.out, "{path}: copied to '{}'", escape::name(to))
            }
            Ok(Done::AlreadyThere) => writeln!(self.out, "{path}: is in that folder already"),
            Err(error) => {
                let not = match self.options.disposal {
                    Some(Disposal::Move(_)) => "NOT MOVED",
                    Some(Disposal::Copy(_)) => "NOT COPIED",
                    _ => "NOT REMOVED",
                };
                writeln!(self.out, "{path}: {not} ({error})")
            }
        }
    }

    fn not_scanned(&mut self, path: &str, outcome: &Outcome) -> io::Result<()> {
        let [first, others @ ..] = outcome.not_scanned.as_slice() else { return Ok(()) };
        let more = outcome.more_not_scanned.saturating_add(others.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(self.out, "{path}: NOT SCANNED ({}{more})", omission(first))
    }

    fn counts(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let counts = summary.counts;
        writeln!(
            self.out,
            "\n----------- SCAN SUMMARY -----------\n\
             Known viruses: {}\n\
             Engine version: watchglass {}\n\
             Scanned files: {}\n\
             Clean as before: {}\n\
             Infected files: {}\n\
             Scanned in part: {}\n\
             Not scanned: {}\n\
             Empty files: {}\n\
             Passed over: {}\n\
             Errors: {}",
            summary.signatures,
            env!("CARGO_PKG_VERSION"),
            counts.files,
            counts.known,
            counts.infected,
            counts.in_part,
            counts.not_scanned,
            counts.empty,
            counts.passed_over,
            counts.errors,
        )?;
        let (done, not_done) = match self.options.disposal {
            None => return self.amounts(summary),
            Some(Disposal::Remove) => ("Removed", "Not removed"),
            Some(Disposal::Move(_)) => ("Moved", "Not moved"),
            Some(Disposal::Copy(_)) => ("Copied", "Not copied"),
        };
        let (disposed, not_disposed) = (counts.disposed, counts.not_disposed);
        writeln!(self.out, "{done} files: {disposed}\n{not_done}: {not_disposed}")?;
        self.amounts(summary)
    }

    fn amounts(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        writeln!(
            self.out,
            "Data scanned: {}\nData read: {}\nTime: {:.3} sec",
            megabytes(summary.counts.scanned),
            megabytes(summary.counts.read),
            summary.seconds,
        )?;
        if summary.missing.is_empty() {
            return Ok(());
        }
        let missing = words(summary.missing).join(", ");
        writeln!(self.out, "Jail: this machine has no {missing}")
    }
}

impl Print for Text<'_> {
    fn warn(&mut self, says: &str) -> io::Result<()> {
        writeln!(self.out, "WARNING: {says}")
    }

    fn looked(&mut self, looked: &Looked<'_>) -> io::Result<()> {
        let (path, outcome) = (escape::name(looked.path), looked.outcome);
        for finding in &outcome.findings {
            writeln!(self.out, "{path}: {} FOUND", looked.names.of(finding.what))?;
        }
        if let Some(disposed) = looked.disposed {
            self.disposed(&path, disposed)?;
        }
        if self.options.infected_only {
            return Ok(());
        }
        self.not_scanned(&path, outcome)?;
        if outcome.findings.is_empty() && outcome.not_scanned.is_empty() {
            writeln!(self.out, "{path}: OK")?;
        }
        Ok(())
    }

    fn known(&mut self, path: &[u8], _: u64) -> io::Result<()> {
        if self.options.infected_only {
            return Ok(());
        }
        writeln!(self.out, "{}: OK", escape::name(path))
    }

    fn ended(&mut self, path: &[u8], _: u64, reason: &str) -> io::Result<()> {
        writeln!(self.out, "{}: NOT SCANNED ({reason})", escape::name(path))
    }

    fn empty(&mut self, path: &[u8]) -> io::Result<()> {
        if self.options.infected_only {
            return Ok(());
        }
        writeln!(self.out, "{}: Empty file", escape::name(path))
    }

    fn passed_over(&mut self, path: &[u8], why: PassedOver) -> io::Result<()> {
        if self.options.infected_only || why == PassedOver::Folder {
            return Ok(());
        }
        writeln!(self.out, "{}: {}", escape::name(path), reason(why).1)
    }

    fn trouble(&mut self, trouble: &Trouble) -> io::Result<()> {
        let Trouble { path, call, error } = trouble;
        writeln!(self.out, "{}: NOT SCANNED ({call}: {error})", escape::name(path))
    }

    fn finish(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        if self.options.summary {
            self.counts(summary)?;
        }
        if let Some(fatal) = summary.fatal {
            writeln!(self.out, "ERROR: {fatal}")?;
        } else if summary.interrupted {
            writeln!(self.out, "INTERRUPTED: files after these were not scanned")?;
        }
        summary.no_database.map_or(Ok(()), |says| self.warn(says))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn more(other_names: u64) -> String {
    match other_names {
        0 => String::new(),
        1 => " It has another name elsewhere (hard link).".to_owned(),
        more => format!(" It has {more} other names elsewhere (hard links)."),
    }
}

fn omission(one: &Omission) -> String {
    let shortened = if one.member.is_shortened() { "…" } else { "" };
    match one.member.names() {
        [] => one.text.to_string(),
        names => format!("{}{shortened}: {}", escape::member(names), one.text),
    }
}

/// MiB as clamscan has them.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes.saturating_mul(100) >> 20;
    format!("{}.{:02} MiB", hundredths / 100, hundredths % 100)
}
