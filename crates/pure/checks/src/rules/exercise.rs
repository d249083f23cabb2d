//! Whether the product did what it was made to do. What was not exercised earns nothing.

use watchglass_events::{Outcome, What};

use crate::case::{Case, Run};

/// Commands that did not end as the product file expects, one sentence each.
pub(super) fn failed_steps(case: &Case) -> Vec<String> {
    case.runs
        .iter()
        .filter(|run| run.plan.configured && run.plan.network)
        .flat_map(failures)
        .collect()
}

/// Commands of one run that did not end as the product file expects.
pub(super) fn failures(run: &Run) -> Vec<String> {
    let name = &run.plan.name;
    let mut failures = Vec::new();
    if let Some(cut) = &run.lab.cut {
        failures.push(format!("run {name} broke off: {cut}"));
    }
    for event in &run.lab.events {
        if let What::StepEnded { phase, outcome, expected: false, .. } = &event.what {
            failures.push(format!("run {name}, phase {phase}: {}", in_words(outcome)));
        }
    }
    for phase in &run.plan.phases {
        let ran =
            |what: &What| matches!(what, What::StepEnded { phase: ended, .. } if ended == phase);
        if !run.lab.events.iter().any(|event| ran(&event.what)) {
            failures.push(format!("run {name}, phase {phase}: it did not run to its end"));
        }
    }
    failures
}

/// An outcome for people.
pub(crate) fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(code) => format!("exit code {code}"),
        Outcome::Signalled(signal) => format!("killed by signal {signal}"),
        Outcome::Stopped(code) => format!("stopped by the lab, exit code {code}"),
        Outcome::TimedOut => "outlived its time and was killed".to_owned(),
        Outcome::NotStarted(why) => format!("could not be started: {why}"),
        Outcome::Interrupted => "interrupted".to_owned(),
        Outcome::Unknown => "ended in a way that was not seen".to_owned(),
    }
}
