//! One SARIF 2.1.0 document (OASIS, Static Analysis Results Interchange Format); docs/scan-sarif.md
//! says what stands where. Section numbers below are those of the standard.
//!
//! Results are written as they come. What stands behind them in the document, rules and
//! notifications, waits in memory, and each has a limit that is told when it is reached.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

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
        Self { out, began: false, results: 0, rules, notifications, more: 0 }
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.began, true) {
            return Ok(());
        }
        write!(
            self.out,
            "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[{{\
             \"columnKind\":\"unicodeCodePoints\",\"results\":["
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
        let mut place = json!({ "artifactLocation": { "uri": uri(looked.path) } });
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
            location["logicalLocations"] =
                json!([{ "fullyQualifiedName": member, "kind": "member" }]);
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
        if self.notifications.len() >= MAX_NOTIFICATIONS {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mut one = notification(id, level, says);
        if let Some(path) = path {
            let place = json!({ "artifactLocation": { "uri": uri(path) } });
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
            ("fatal", summary.fatal),
            ("interrupted", summary.interrupted.then_some("files after these were not scanned")),
            ("more", more.as_deref()),
        ];
        for (id, says) in ends {
            // Beyond the limit too: without these the document would look whole.
            self.notifications.extend(says.map(|says| notification(id, "error", says)));
        }
        let counts = summary.counts;
        json!({
            // 3.20.14: whether the tool did its work, not whether it found something.
            "executionSuccessful": summary.exit_code <= 1,
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

/// A path as a reference (RFC 3986): whatever its bytes are, they can be had back from it.
fn uri(path: &[u8]) -> String {
    let mut uri = match path {
        [b'/', ..] => "file://".to_owned(),
        // A colon in its first name would begin a scheme (RFC 3986, 4.2).
        _ => "./".to_owned(),
    };
    for byte in path.strip_prefix(b"./").unwrap_or(path) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

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
        assert_eq!(uri(b"a:b/c"), "./a%3Ab/c");
        assert_eq!(uri(b"./a"), "./a");
        assert_eq!(uri(b"../a\n"), "./../a%0A");
    }
}
