//! One SARIF 2.1.0 document (OASIS, Static Analysis Results Interchange Format); docs/scan-sarif.md
//! says what stands where. Section numbers below are those of the standard.
//!
//! Results are written as they come. What stands behind them in the document, rules and
//! notifications, waits in memory, and each has a limit that is told when it is reached.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::{Value, json};
use watchglass_channel::{Finding, Omission, What};
use watchglass_walk::{PassedOver, Trouble};

use super::{Looked, Out, Print, Summary, words};
use crate::escape;
use crate::run::Disposed;

/// A document that grows.
pub(super) struct Sarif {
    out: Out,
    began: bool,
    results: u64,
    rules: BTreeSet<(String, Kind)>,
    notifications: Vec<Value>,
    /// Notifications beyond those.
    more: u64,
    /// Whether one of them is an error.
    failed: bool,
}

/// Where the name of a rule comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Signature,
    Heuristic,
}

impl Sarif {
    pub(super) fn new(out: Out) -> Self {
        let (rules, notifications) = (BTreeSet::new(), Vec::new());
        Self { out, began: false, results: 0, rules, notifications, more: 0, failed: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.began, true) {
            return Ok(());
        }
        let bases = json!({ BASE: base() });
        write!(
            self.out,
            "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[{{\
             \"columnKind\":\"unicodeCodePoints\",\"originalUriBaseIds\":{bases},\"results\":["
        )
    }

    fn result(&mut self, looked: &Looked<'_>, finding: &Finding) -> io::Result<()> {
        let name = looked.names.of(finding.what);
        let kind = match finding.what {
            What::Signature(_) => Kind::Signature,
            What::Heuristic(_) => Kind::Heuristic,
        };
        if self.rules.len() < MAX_RULES {
            self.rules.insert((name.clone(), kind));
        }
        let mut says = format!("{name} found");
        let mut place = json!({ "artifactLocation": artifact(looked.path) });
        let mut location = json!({});
        if finding.member.names().is_empty() {
            if let Some(offset) = finding.offset {
                // 3.30.11: of the file that the location names.
                place["region"] = json!({ "byteOffset": offset });
            }
        } else {
            let member = escape::member(finding.member.names());
            says = format!("{says} in the member {member}");
            // 3.33: a place within the file, by its name.
            let name =
                escape::member(finding.member.names().last_chunk::<1>().map_or(&[], |one| one));
            location["logicalLocations"] =
                json!([{ "name": name, "fullyQualifiedName": member, "kind": "member" }]);
        }
        location["physicalLocation"] = place;
        let mut result = json!({
            "ruleId": name, "level": "error", "message": { "text": says },
            "locations": [location],
        });
        if let Some(disposed) = looked.disposed {
            result["properties"] = json!({ "disposed": said(disposed) });
        }
        let comma = if self.results > 0 { "," } else { "" };
        self.results += 1;
        write!(self.out, "{comma}\n{result}")
    }

    /// 3.58; a place is left out where there is none.
    fn notify(&mut self, id: &str, level: &str, says: &str, path: Option<&[u8]>) {
        self.failed |= level == "error";
        if self.notifications.len() >= MAX_NOTIFICATIONS {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mut one = notification(id, level, says);
        if let Some(path) = path {
            let place = json!({ "artifactLocation": artifact(path) });
            one["locations"] = json!([{ "physicalLocation": place }]);
        }
        self.notifications.push(one);
    }

    fn not_scanned(&mut self, path: &[u8], one: &Omission) {
        let says = match one.member.names() {
            [] => one.text.to_string(),
            names => format!("{}: {}", escape::member(names), one.text),
        };
        self.notify(one.code.word(), "warning", &says, Some(path));
    }

    fn invocation(&mut self, summary: &Summary<'_>) -> Value {
        let more = (self.more > 0).then(|| format!("{} more were not told", self.more));
        let ends = [
            ("fatal", "error", summary.fatal),
            (
                "interrupted",
                "error",
                summary.interrupted.then_some("files after these were not scanned"),
            ),
            ("more", "warning", more.as_deref()),
        ];
        for (id, level, says) in ends {
            // Beyond the limit too: without these the document would look whole.
            self.notifications.extend(says.map(|says| notification(id, level, says)));
        }
        let counts = summary.counts;
        json!({
            // 3.20.14: whether the tool did its work, not whether it found something; 3.20.21: with an
            // error among the notifications it did not, also where something was found beside it.
            "executionSuccessful": summary.exit_code <= 1 && !self.failed,
            "exitCode": summary.exit_code,
            "toolExecutionNotifications": std::mem::take(&mut self.notifications),
            "properties": {
                "files": counts.files, "cached": counts.known, "infected": counts.infected,
                "in_part": counts.in_part, "not_scanned": counts.not_scanned,
                "empty": counts.empty, "passed_over": counts.passed_over,
                "errors": counts.errors, "bytes_read": counts.read,
                "bytes_scanned": counts.scanned, "seconds": summary.seconds,
                "signatures": summary.signatures, "jail_missing": words(summary.missing),
            },
        })
    }

    fn tool(&mut self) -> Value {
        let rules = std::mem::take(&mut self.rules).into_iter().map(|(id, kind)| {
            let says = match kind {
                Kind::Signature => "A signature of the database.",
                Kind::Heuristic => "A heuristic of the engine.",
            };
            json!({ "id": id, "shortDescription": { "text": says } })
        });
        json!({ "driver": {
            "name": "Watchglass", "version": env!("CARGO_PKG_VERSION"),
            "rules": rules.collect::<Vec<Value>>(),
        } })
    }
}

impl Print for Sarif {
    fn warn(&mut self, says: &str) -> io::Result<()> {
        self.notify("warning", "warning", says, None);
        Ok(())
    }

    fn looked(&mut self, looked: &Looked<'_>) -> io::Result<()> {
        self.begin()?;
        for finding in &looked.outcome.findings {
            self.result(looked, finding)?;
        }
        for one in &looked.outcome.not_scanned {
            self.not_scanned(looked.path, one);
        }
        let (findings, omissions) = (looked.outcome.more_findings, looked.outcome.more_not_scanned);
        if findings > 0 || omissions > 0 {
            let says = format!("{findings} more findings, {omissions} more members not scanned");
            self.notify("more", "warning", &says, Some(looked.path));
        }
        if let Some(Err(error)) = looked.disposed {
            self.notify("not-disposed", "error", &error.to_string(), Some(looked.path));
        }
        Ok(())
    }

    fn known(&mut self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn ended(&mut self, path: &[u8], _: u64, reason: &str) -> io::Result<()> {
        self.notify("worker-ended", "error", reason, Some(path));
        Ok(())
    }

    fn empty(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn passed_over(&mut self, _: &[u8], _: PassedOver) -> io::Result<()> {
        Ok(())
    }

    fn trouble(&mut self, trouble: &Trouble) -> io::Result<()> {
        let Trouble { path, call, error } = trouble;
        self.notify("unreadable", "error", &format!("{call}: {error}"), Some(path));
        Ok(())
    }

    fn finish(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        self.begin()?;
        let invocation = self.invocation(summary);
        let tool = self.tool();
        writeln!(self.out, "\n],\"tool\":{tool},\"invocations\":[{invocation}]}}]}}")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn notification(id: &str, level: &str, says: &str) -> Value {
    json!({ "descriptor": { "id": id }, "level": level, "message": { "text": says } })
}

fn said(disposed: &Disposed) -> &'static str {
    use watchglass_dispose::Done;
    match disposed {
        Ok(Done::Removed(_)) => "removed",
        Ok(Done::Moved(..)) => "moved",
        Ok(Done::Copied(_)) => "copied",
        Ok(Done::AlreadyThere) => "already-there",
        Err(_) => "nothing",
    }
}

/// Where a file is (3.4).
fn artifact(path: &[u8]) -> Value {
    let path = resolved(path);
    match path.as_ref() {
        [b'/', ..] => json!({ "uri": uri(&path) }),
        _ => json!({ "uri": uri(&path), "uriBaseId": BASE }),
    }
}

/// What relative references are relative to (3.14.14): the folder that the scan was started in.
fn base() -> Value {
    let mut base =
        json!({ "description": { "text": "The folder in which the scan was started." } });
    if let Ok(folder) = std::env::current_dir() {
        let uri = uri(folder.as_os_str().as_bytes());
        base["uri"] = format!("{}/", uri.trim_end_matches('/')).into();
    }
    base
}

/// 3.10.2, 4: a path with `..` becomes one without, as the kernel reads it and not by its letters. One
/// that is not there any more stays as it was given.
fn resolved(path: &[u8]) -> Cow<'_, [u8]> {
    let is_up = |names: &[u8]| names == b"/../";
    let last = [path, b"/"].concat().windows(4).rposition(is_up).map(|at| at.saturating_add(3));
    let Some(end) = last.or_else(|| (path.starts_with(b"../") || path == b"..").then_some(2))
    else {
        return path.into();
    };
    let (up, rest) = path.split_at(end.min(path.len()));
    match std::fs::canonicalize(Path::new(OsStr::from_bytes(up))) {
        Ok(folder) => [folder.as_os_str().as_bytes(), rest].concat().into(),
        Err(_) => path.into(),
    }
}

/// A path as a reference (RFC 3986): whatever its bytes are, they can be had back from it. Without
/// empty names and `.` (3.10.2, 2 and 3), which name the same file.
fn uri(path: &[u8]) -> String {
    let is_name = |name: &&[u8]| !name.is_empty() && *name != b".";
    let mut names = path.split(|byte| *byte == b'/').filter(is_name).map(escaped);
    match path {
        [b'/', ..] => names.fold("file://".to_owned(), |uri, name| uri + "/" + &name),
        _ => {
            let first = names.next().unwrap_or_else(|| ".".to_owned());
            names.fold(first, |uri, name| uri + "/" + &name)
        }
    }
}

/// A colon too: in a first name it would begin a scheme (RFC 3986, 4.2).
fn escaped(name: &[u8]) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(*byte));
            }
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The name of what relative references are relative to.
const BASE: &str = "START";
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Notifications that wait for the end of the results: some megabytes.
const MAX_NOTIFICATIONS: usize = 10_000;
/// Rules that are listed; results name theirs whether it is listed or not (3.27.5).
const MAX_RULES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri(b"/a b/\xff%"), "file:///a%20b/%FF%25");
        assert_eq!(uri(b"a:b/c"), "a%3Ab/c");
        assert_eq!(uri(b"./a"), "a");
        assert_eq!(uri(b"//a/./b//c\n"), "file:///a/b/c%0A");
    }
}
