//! One JSON object a line; docs/scan-json.md says what stands in it.

use std::io::{self, Write as _};

use serde_json::{Value, json};
use watchglass_channel::{Member, Omission};
use watchglass_dispose::Done;
use watchglass_walk::{PassedOver, Trouble};

use super::{Looked, Out, Print, Summary, reason, words};
use crate::run::Disposed;

/// Lines for programs.
pub(super) struct Json {
    out: Out,
}

impl Json {
    pub(super) fn new(out: Out) -> Self {
        Self { out }
    }

    fn line(&mut self, mut line: Value) -> io::Result<()> {
        line["schema"] = json!(SCHEMA);
        writeln!(self.out, "{line}")
    }

    /// A line about a path.
    fn about(&mut self, path: &[u8], mut line: Value) -> io::Result<()> {
        put_name(&mut line, "path", path);
        self.line(line)
    }
}

impl Print for Json {
    fn warn(&mut self, says: &str) -> io::Result<()> {
        self.line(json!({ "kind": "warning", "text": says }))
    }

    fn looked(&mut self, looked: &Looked<'_>) -> io::Result<()> {
        let outcome = looked.outcome;
        let verdict = match (outcome.findings.is_empty(), outcome.not_scanned.is_empty()) {
            (false, _) => "found",
            (true, false) => "not-scanned",
            (true, true) => "clean",
        };
        let findings: Vec<Value> =
            outcome.findings.iter().map(|one| finding(looked, one)).collect();
        let omissions: Vec<Value> = outcome.not_scanned.iter().map(omission).collect();
        let mut line = json!({
            "kind": "file", "verdict": verdict, "cached": false, "type": outcome.file_type,
            "size": outcome.seen.size, "read": outcome.seen.read,
            "objects": outcome.seen.objects, "bytes": outcome.seen.bytes,
            "findings": findings, "more_findings": outcome.more_findings,
            "not_scanned": omissions, "more_not_scanned": outcome.more_not_scanned,
        });
        if let Some(disposed) = looked.disposed {
            line["disposed"] = of_disposed(disposed);
        }
        self.about(looked.path, line)
    }

    fn known(&mut self, path: &[u8], bytes: u64) -> io::Result<()> {
        let line = json!({
            "kind": "file", "verdict": "clean", "cached": true, "size": bytes, "read": bytes,
            "findings": [], "not_scanned": [],
        });
        self.about(path, line)
    }

    fn ended(&mut self, path: &[u8], size: u64, reason: &str) -> io::Result<()> {
        let omission = json!({ "member": [], "code": "worker-ended", "reason": reason });
        let line = json!({
            "kind": "file", "verdict": "not-scanned", "cached": false, "size": size, "findings": [],
            "not_scanned": [omission],
        });
        self.about(path, line)
    }

    fn empty(&mut self, path: &[u8]) -> io::Result<()> {
        self.about(path, json!({ "kind": "file", "verdict": "empty", "cached": false, "size": 0 }))
    }

    fn passed_over(&mut self, path: &[u8], why: PassedOver) -> io::Result<()> {
        self.about(path, json!({ "kind": "passed-over", "code": reason(why).0 }))
    }

    fn trouble(&mut self, trouble: &Trouble) -> io::Result<()> {
        let Trouble { path, call, error } = trouble;
        self.about(path, json!({ "kind": "error", "call": call, "error": error.to_string() }))
    }

    fn finish(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let counts = summary.counts;
        self.line(json!({
            "kind": "summary", "signatures": summary.signatures,
            "engine": env!("CARGO_PKG_VERSION"),
            "files": counts.files, "cached": counts.known, "infected": counts.infected, "in_part": counts.in_part,
            "not_scanned": counts.not_scanned, "empty": counts.empty,
            "passed_over": counts.passed_over, "errors": counts.errors,
            "disposed": counts.disposed, "not_disposed": counts.not_disposed,
            "bytes_read": counts.read, "bytes_scanned": counts.scanned,
            "seconds": summary.seconds, "jail_missing": words(summary.missing),
            "jail_refused": summary.refused,
            "database": summary.database, "interrupted": summary.interrupted,
            "error": summary.fatal,
        }))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn finding(looked: &Looked<'_>, one: &watchglass_channel::Finding) -> Value {
    json!({
        "name": looked.names.of(one.what),
        "heuristic": matches!(one.what, watchglass_channel::What::Heuristic(_)),
        "member": of_member(&one.member),
        "offset": one.offset,
    })
}

fn of_disposed(disposed: &Disposed) -> Value {
    let to = |word, to: &[u8]| {
        let mut value = json!({ "done": word });
        put_name(&mut value, "to", to);
        value
    };
    match disposed {
        Ok(Done::Removed(others)) => json!({ "done": "removed", "other_names": others.0 }),
        Ok(Done::Moved(path, others)) => {
            let mut value = to("moved", path);
            value["other_names"] = json!(others.0);
            value
        }
        Ok(Done::Copied(path)) => to("copied", path),
        Ok(Done::AlreadyThere) => json!({ "done": "already-there" }),
        Err(error) => json!({ "done": "nothing", "error": error.to_string() }),
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

fn of_member(member: &Member) -> Value {
    let names = member.names().iter().map(|name| {
        let mut value = json!({});
        put_name(&mut value, "name", name);
        value
    });
    names.collect()
}

fn omission(one: &Omission) -> Value {
    json!({
        "member": of_member(&one.member), "type": one.file_type,
        "code": one.code.word(), "reason": one.text,
    })
}

/// Version of the lines. It changes with a change that is no addition.
const SCHEMA: u32 = 1;
