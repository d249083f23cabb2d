//! The closing table of `./x test`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use super::{Counts, Outcome, Skip};
use crate::command::OnSkip;

/// What came of every step.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<(&'static str, Duration, Outcome)>,
}

impl Report {
    /// Adds a step.
    pub(super) fn add(&mut self, name: &'static str, took: Duration, outcome: Outcome) {
        eprintln!("x: {name}: {} ({:.1} s)", word(&outcome), took.as_secs_f64());
        self.rows.push((name, took, outcome));
    }

    /// The table, the skipped tests by name, and the line that counts.
    pub(super) fn text(&self, on_skip: OnSkip) -> String {
        let mut text = String::new();
        for (name, took, outcome) in &self.rows {
            let (word, Counts { passed, failed }) = (word(outcome), outcome.counts);
            let skipped = outcome.skipped.len();
            let counts = format!("{passed} passed, {failed} failed, {skipped} skipped");
            let _ = writeln!(text, "{word:8} {name:17} {:7.1} s  {counts}", took.as_secs_f64());
        }
        self.outcomes().flat_map(|outcome| &outcome.remarks).for_each(|remark| {
            let _ = writeln!(text, "{remark}");
        });
        for Skip { name, why } in self.skipped() {
            let _ = writeln!(text, "skipped: {name}: {why}");
        }
        if on_skip == OnSkip::Fail && self.skipped().next().is_some() {
            text.push_str("--strict: what is skipped counts as a failure of this run\n");
        }
        let Counts { passed, failed } = self.counts();
        let _ =
            writeln!(text, "{passed} passed, {failed} failed, {} skipped", self.skipped().count());
        text
    }

    /// 1 when something failed, or was skipped where that is a failure.
    pub(super) fn exit_code(&self, on_skip: OnSkip) -> ExitCode {
        let skip_fails = on_skip == OnSkip::Fail && self.skipped().next().is_some();
        if self.counts().failed > 0 || skip_fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.rows.iter().map(|(_, _, outcome)| outcome)
    }

    fn skipped(&self) -> impl Iterator<Item = &Skip> {
        self.outcomes().flat_map(|outcome| &outcome.skipped)
    }

    fn counts(&self) -> Counts {
        self.outcomes().fold(Counts::default(), |sum, outcome| Counts {
            passed: sum.passed + outcome.counts.passed,
            failed: sum.failed + outcome.counts.failed,
        })
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome.counts {
        Counts { failed: 1.., .. } => "FAILED",
        Counts { passed: 1.., .. } => "ok",
        Counts { .. } if outcome.skipped.is_empty() => "-",
        Counts { .. } => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        let mut report = Report::default();
        for outcome in outcomes {
            report.add("step", Duration::from_millis(1500), outcome.clone());
        }
        report
    }

    fn many(passed: u64, failed: u64) -> Outcome {
        Outcome { counts: Counts { passed, failed }, ..Outcome::default() }
    }

    #[test]
    fn the_last_line_sums_every_step() {
        let report =
            report(&[many(10, 0), Outcome::passed(), Outcome::skipped("t", "why"), many(3, 2)]);
        let text = report.text(OnSkip::List);
        assert_eq!(text.lines().last(), Some("14 passed, 2 failed, 1 skipped"));
        assert!(text.contains("skipped: t: why\n"), "{text}");
        assert_eq!(report.exit_code(OnSkip::List), ExitCode::FAILURE);
    }

    #[test]
    fn a_skip_fails_a_strict_run_only() {
        let report = report(&[Outcome::passed(), Outcome::skipped("t", "why")]);
        assert_eq!(report.exit_code(OnSkip::List), ExitCode::SUCCESS);
        assert_eq!(report.exit_code(OnSkip::Fail), ExitCode::FAILURE);
        assert_eq!(report.text(OnSkip::Fail).lines().last(), Some("1 passed, 0 failed, 1 skipped"));
    }

    #[test]
    fn a_remark_counts_as_nothing() {
        let report = report(&[Outcome::passed(), Outcome::remark("advisories: not checked")]);
        let text = report.text(OnSkip::Fail);
        assert!(text.contains("\nadvisories: not checked\n"), "{text}");
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed, 0 skipped"));
        assert_eq!(report.exit_code(OnSkip::Fail), ExitCode::SUCCESS);
    }
}
