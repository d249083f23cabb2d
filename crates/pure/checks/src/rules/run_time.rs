//! U5, D1, P1: life without a network, detection, cost.

use std::collections::BTreeSet;

use watchglass_events::{Event, What};

use super::Draft;
use super::files::judged;
use crate::case::{Case, Run};
use crate::results::{CheckResult, Finding, State};

/// U5: does it protect without its maker?
pub(super) fn u5(case: &Case) -> CheckResult {
    let draft = Draft::new(case, "U5", "Q4", "Protects without its maker")
        .reproduce("Look at what the scan printed in run C")
        .dispute("Show that protection goes on where nothing answers.");
    let (Some(offline), Some(online)) = (case.run("C"), case.run("B")) else {
        return draft.result(State::NotTested, "The campaign has no run without a network.");
    };
    let (with, without) = (detected(online), detected(offline));
    if with.is_empty() {
        return draft.result(State::Inconclusive, "It reported no sample with a network either.");
    }
    let missing = with.difference(&without).count();
    if missing > 0 {
        return draft.result(
            State::Broken,
            format!(
                "{missing} of {} samples that it reports with a network it misses without.",
                with.len()
            ),
        );
    }
    draft.result(
        State::Kept,
        format!("It reports the same {} samples with and without a network.", with.len()),
    )
}

/// D1: does it detect?
pub(super) fn d1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "D1", "Q5", "Detection and false positives")
        .reproduce("Look at what the scan printed in run A1")
        .dispute("Show the report of the sample that is missing here.");
    let Some(run) = case.run("A1") else {
        return draft.result(State::NotTested, "The campaign has no run A1.");
    };
    let found = detected(run);
    let samples: Vec<_> = run.planted.samples().collect();
    let due = samples.iter().filter(|sample| sample.detect).count();
    let hit = samples.iter().filter(|sample| sample.detect && found.contains(&sample.path)).count();
    let false_alarms: Vec<_> =
        samples.iter().filter(|sample| !sample.detect && found.contains(&sample.path)).collect();
    for sample in &false_alarms {
        draft.find(Finding {
            text: format!("{} is reported, and there is nothing in it", sample.path),
            breaks: true,
            file: Some(sample.path.clone()),
            ..Finding::default()
        });
    }
    for sample in samples.iter().filter(|sample| sample.detect && !found.contains(&sample.path)) {
        draft.find(Finding {
            text: format!("{} is not reported", sample.path),
            file: Some(sample.path.clone()),
            ..Finding::default()
        });
    }
    if !false_alarms.is_empty() {
        return draft.result(State::Broken, "It reports files in which there is nothing.");
    }
    draft.result(
        State::Inconclusive,
        format!("EICAR only: {hit} of {due} test samples reported, no clean twin among them."),
    )
}

/// Samples whose path the product printed on a line that says more than that it is clean.
fn detected(run: &Run) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for event in &run.lab.events {
        let What::Printed { bytes, .. } = &event.what else { continue };
        for line in bytes.as_bytes().split(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            if !line.contains("FOUND") {
                continue;
            }
            let named = run
                .planted
                .samples()
                .filter(|sample| line.starts_with(&format!("{}:", sample.path)));
            found.extend(named.map(|sample| sample.path.clone()));
        }
    }
    found
}

/// P1: what does it cost?
pub(super) fn p1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "P1", "Q5", "Performance cost")
        .reproduce("Subtract the marks of the phase in lab.log")
        .dispute("Measure on a machine of your own; the recording is part of the time.")
        .blind("Time under recording; the product file claims no figure to hold it against.");
    for run in judged(case) {
        for step in run.processes.steps() {
            let Some(took) =
                step.to_ns.checked_sub(step.from_ns).filter(|_| step.to_ns != u64::MAX)
            else {
                continue;
            };
            let seconds = took.checked_div(1_000_000).unwrap_or(0);
            draft.find(Finding {
                text: format!(
                    "Phase {}, step {}, took {seconds} ms in run {}",
                    step.phase, step.number, run.plan.name
                ),
                ..Finding::default()
            });
        }
    }
    if draft.findings.is_empty() {
        return draft.result(State::NotTested, "No phase ran to its end.");
    }
    draft.result(State::Inconclusive, "Measured; nothing is claimed to hold it against.")
}

/// The last event of a run, for its length.
pub(crate) fn ended_ns(run: &Run) -> u64 {
    let last = |event: &Event| event.at_ns;
    run.lab.events.iter().map(last).max().unwrap_or(0)
}
