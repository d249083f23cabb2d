//! Test runners, and what they counted.
//!
//! A test that cannot run here prints `skipped: NAME: WHY` on stderr and returns, or panics where
//! `WATCHGLASS_STRICT=1` is set. To its runner it has passed; here it is taken out of the passed
//! and counted as skipped. A test marked `#[ignore]` is skipped as well; subjects that other tests
//! start and measurements are marked so too, and are named as what they are instead.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, PipeReader};
use std::path::Path;
use std::process::Command;

use super::{Counts, Outcome, Skip};
use crate::command::OnSkip;
use crate::place::{Place, find_program, output};
use crate::trouble::Trouble;

/// Runs every test of the workspace: with nextest, which gives each a process of its own, where it
/// is installed, and with `cargo test` elsewhere.
pub(super) fn all_tests(place: &Place, on_skip: OnSkip) -> Result<Outcome, Trouble> {
    if find_program("cargo-nextest").is_some() {
        nextest(place, on_skip)
    } else {
        cargo_test(place, &["--workspace", "--all-targets"], on_skip)
    }
}

/// Runs `cargo test` with these arguments and reads its lines.
pub(super) fn cargo_test(
    place: &Place,
    arguments: &[&str],
    on_skip: OnSkip,
) -> Result<Outcome, Trouble> {
    let mut cargo = place.cargo(["test", "--quiet", "--no-fail-fast", "--target-dir"]);
    // `--quiet` is cargo's; libtest's own (one dot for a test) would hide the names.
    cargo.arg(place.target()).args(arguments).args(["--", "--show-output", "--format=pretty"]);
    let reader = merged_output(tell_on_skip(&mut cargo, on_skip))?;
    let mut child = cargo.spawn().map_err(Trouble::start("cargo test"))?;
    drop(cargo); // with it goes our end of the pipe, or the lines would never end
    let mut lines = LibtestLines::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(Trouble::start("cargo test"))?;
        let line = String::from_utf8_lossy(&line);
        if lines.read(&line) == Show::Yes {
            eprintln!("{line}");
        }
    }
    let status = child.wait().map_err(Trouble::start("cargo test"))?;
    Ok(lines.outcome(status.success()))
}

fn nextest(place: &Place, on_skip: OnSkip) -> Result<Outcome, Trouble> {
    let junit = place.target().join("nextest/default/junit.xml");
    if junit.exists() {
        std::fs::remove_file(&junit).map_err(Trouble::file(&junit))?;
    }
    let mut cargo = place.cargo(["nextest", "run", "--workspace", "--all-targets", "--target-dir"]);
    cargo.arg(place.target()).args(["--no-fail-fast", "--no-tests=pass", "--status-level=slow"]);
    let status =
        tell_on_skip(&mut cargo, on_skip).status().map_err(Trouble::start("cargo nextest"))?;
    let mut outcome = from_junit(&junit)?;
    if !status.success() && outcome.counts.failed == 0 {
        outcome.counts.failed = 1; // it did not come to running them
    }
    outcome.add_ignored(ignored(place)?);
    Ok(outcome)
}

fn tell_on_skip(command: &mut Command, on_skip: OnSkip) -> &mut Command {
    match on_skip {
        OnSkip::Fail => command.env("WATCHGLASS_STRICT", "1"),
        OnSkip::List => command.env_remove("WATCHGLASS_STRICT"),
    }
}

/// Both streams in one pipe, so that their lines stay in order.
fn merged_output(command: &mut Command) -> Result<PipeReader, Trouble> {
    let (reader, writer) = std::io::pipe().map_err(Trouble::start("pipe"))?;
    let second = writer.try_clone().map_err(Trouble::start("pipe"))?;
    command.stdout(writer).stderr(second);
    Ok(reader)
}

/// Reads what libtest prints.
#[derive(Debug, Default)]
struct LibtestLines {
    counts: Counts,
    /// Skips that tests told of, which libtest counted as passed.
    told: BTreeSet<Skip>,
    ignored: Vec<Skip>,
    in_output_of_passed: bool,
}

/// Whether a line is for the person who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Yes,
    No,
}

impl LibtestLines {
    fn read(&mut self, line: &str) -> Show {
        if let Some(skip) = told_skip(line) {
            self.told.insert(skip);
        }
        match line {
            "successes:" => self.in_output_of_passed = true,
            "failures:" => self.in_output_of_passed = false,
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.in_output_of_passed = false;
            self.counts.passed += number_before(result, " passed");
            self.counts.failed += number_before(result, " failed");
            return Show::No;
        }
        if let Some(skip) = ignored_by_libtest(line) {
            self.ignored.push(skip);
            return Show::No;
        }
        let passed = line.starts_with("test ") && line.ends_with(" ... ok");
        let begins = line.starts_with("running ");
        if self.in_output_of_passed || passed || begins || line.is_empty() {
            Show::No
        } else {
            Show::Yes
        }
    }

    fn outcome(mut self, ended_well: bool) -> Outcome {
        if !ended_well && self.counts.failed == 0 {
            self.counts.failed = 1; // it did not come to running them
        }
        let told = u64::try_from(self.told.len()).unwrap_or(u64::MAX);
        self.counts.passed = self.counts.passed.saturating_sub(told);
        let skipped = self.told.into_iter().collect();
        let mut outcome = Outcome { counts: self.counts, skipped, remarks: Vec::new() };
        outcome.add_ignored(self.ignored);
        outcome
    }
}

fn told_skip(line: &str) -> Option<Skip> {
    let (name, why) = line.trim().strip_prefix("skipped: ")?.split_once(": ")?;
    Some(Skip { name: name.to_owned(), why: why.to_owned() })
}

/// `test NAME ... ignored` or `test NAME ... ignored, WHY`.
fn ignored_by_libtest(line: &str) -> Option<Skip> {
    let (name, why) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let why = why.strip_prefix(", ").unwrap_or("marked #[ignore]");
    Some(Skip { name: name.to_owned(), why: why.to_owned() })
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split_once(word).map_or("", |(before, _)| before);
    before.rsplit([' ', ';']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Reads the JUnit file of nextest, which holds the output of passing tests too. Without a file
/// nothing was run.
fn from_junit(path: &Path) -> Result<Outcome, Trouble> {
    if !path.exists() {
        return Ok(Outcome::default());
    }
    let text = std::fs::read_to_string(path).map_err(Trouble::file(path))?;
    Ok(read_junit(&text))
}

/// One `<testcase` for a test; what tests printed is escaped, so it cannot look like one.
fn read_junit(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for case in text.split("<testcase ").skip(1) {
        if case.contains("<failure") || case.contains("<error") {
            outcome.counts.failed += 1;
        } else if let Some(skip) = case.split(['\n', '>']).find_map(told_skip) {
            outcome.skipped.push(Skip { name: unescaped(&skip.name), why: unescaped(&skip.why) });
        } else {
            outcome.counts.passed += 1;
        }
    }
    outcome
}

/// The five entities of XML 1.0, §4.6, with the tag that may end the line cut off.
fn unescaped(text: &str) -> String {
    let text = text.split('<').next().unwrap_or_default();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&")
}

impl Outcome {
    /// What is marked `#[ignore]` is skipped, or named where it leaves nothing untested.
    fn add_ignored(&mut self, ignored: Vec<Skip>) {
        for skip in ignored {
            match NO_TESTS.iter().find(|(end, _)| skip.name.ends_with(end)) {
                Some((_, what)) => self.remarks.push(format!("no test: {}: {what}", skip.name)),
                None => self.skipped.push(skip),
            }
        }
    }
}

/// What is marked `#[ignore]` and yet leaves nothing untested: ends of names, each with what it is.
/// Any other ignored test counts as skipped.
const NO_TESTS: &[(&str, &str)] = &[
    ("megabytes_per_second", "a measurement"),
    ("many_pages_are_as_clamav_has_them", "the same comparison on chosen folders, for minutes"),
    ("lab_that_waits", "a subject that another test starts and kills"),
    ("subject_of_a_bomb", "a subject that other tests start"),
    ("subject_of_cuts", "the same"),
    ("subject_of_mutations", "the same"),
    ("subject_of_opens", "the same"),
    ("subject_of_slow_signatures", "the same"),
    ("ptrace_subject::parks_and_runs", "a subject that other tests start"),
    ("ptrace_subject::supervises", "a subject that other tests start"),
];

/// Tests marked `#[ignore]`, by name: nextest only counts them.
fn ignored(place: &Place) -> Result<Vec<Skip>, Trouble> {
    let list = ["nextest", "list", "--workspace", "--all-targets", "--run-ignored=only"];
    let mut cargo = place.cargo(list);
    cargo.args(["--message-format=oneline", "--target-dir"]).arg(place.target());
    let Ok(listed) = output(&mut cargo) else { return Ok(Vec::new()) }; // did not compile: told
    let listed = String::from_utf8_lossy(&listed);
    let names = listed.lines().filter(|line| !line.trim().is_empty());
    let skip =
        |name: &str| Skip { name: name.trim().to_owned(), why: "marked #[ignore]".to_owned() };
    Ok(names.map(skip).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, ended_well: bool) -> Outcome {
        let mut lines = LibtestLines::default();
        text.lines().for_each(|line| {
            lines.read(line);
        });
        lines.outcome(ended_well)
    }

    fn skip(name: &str, why: &str) -> Skip {
        Skip { name: name.to_owned(), why: why.to_owned() }
    }

    const LIBTEST: &str = "
running 3 tests
test a ... ok
test b ... ignored, issue 7
test c ... ok

successes:

---- c stdout ----
skipped: c: no namespaces here


successes:
    a
    c

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test d ... FAILED

failures:

---- d stdout ----
thread 'd' panicked

failures:
    d

test result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.0s
";

    #[test]
    fn sums_the_binaries_and_takes_the_skipped_out_of_the_passed() {
        let outcome = read(LIBTEST, false);
        assert_eq!(outcome.counts, Counts { passed: 13, failed: 1 });
        assert_eq!(outcome.skipped, [skip("c", "no namespaces here"), skip("b", "issue 7")]);
    }

    #[test]
    fn subjects_and_measurements_are_named_and_other_ignored_tests_are_skips() {
        let mut outcome = Outcome::default();
        let why = "marked #[ignore]";
        outcome.add_ignored(vec![skip("a::ptrace_subject::supervises", why), skip("b::t", why)]);
        assert_eq!(outcome.skipped, [skip("b::t", why)]);
        let named = "no test: a::ptrace_subject::supervises: a subject that other tests start";
        assert_eq!(outcome.remarks, [named]);
    }

    #[test]
    fn what_a_failed_test_printed_is_shown_and_what_a_passed_one_printed_is_not() {
        let mut lines = LibtestLines::default();
        let shown: Vec<_> = LIBTEST.lines().filter(|line| lines.read(line) == Show::Yes).collect();
        assert!(shown.contains(&"thread 'd' panicked") && shown.contains(&"test d ... FAILED"));
        assert!(!shown.contains(&"skipped: c: no namespaces here"));
    }

    #[test]
    fn tests_that_do_not_compile_are_a_failure() {
        assert_eq!(read("error[E0425]: cannot find value", false).counts.failed, 1);
        assert_eq!(read("", true).counts, Counts::default());
    }

    #[test]
    fn reads_the_skips_of_passing_tests_from_junit() {
        let outcome = read_junit(
            "<testsuites tests=\"3\">\n<testsuite name=\"x\">\
             <testcase name=\"a\" time=\"0.1\">\n<system-out>running 1 test</system-out>\
             <system-err>skipped: a: needs &lt;CAP_BPF&gt; &amp; root</system-err></testcase>\n\
             <testcase name=\"b\"><failure type=\"test failure\">skipped: b: no</failure></testcase>\
             <testcase name=\"c\"></testcase></testsuite></testsuites>",
        );
        assert_eq!(outcome.counts, Counts { passed: 1, failed: 1 });
        assert_eq!(outcome.skipped, [skip("a", "needs <CAP_BPF> & root")]);
    }
}
