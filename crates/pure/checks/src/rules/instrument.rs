//! M2, N8: did the instrument itself work? What it did not see weakens every result that rests on it.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_events::{Event, Source, What};

use super::Draft;
use crate::case::{Case, Run};
use crate::contacts::{Contacts, tokens};
use crate::results::{CheckResult, Finding, SourceFacts, State};

/// What is wrong with the sources of a campaign.
#[derive(Debug, Default)]
pub(super) struct Trust {
    faults: BTreeMap<Source, String>,
}

impl Trust {
    /// Looks for losses, logs that broke off, and canaries that a source missed.
    pub(super) fn of(case: &Case) -> Self {
        let mut trust = Self::default();
        for run in &case.runs {
            trust.losses(run);
            trust.cuts(run);
            trust.totals(run);
            trust.canaries(run);
        }
        trust
    }

    fn fault(&mut self, source: Source, run: &Run, what: &str) {
        let sentence = format!("{} {what} in run {}", name(source), run.plan.name);
        self.faults.entry(source).or_insert(sentence);
    }

    fn losses(&mut self, run: &Run) {
        for event in &run.lab.events {
            let What::SourceEnded { of, emitted, received, lost, .. } = &event.what else {
                continue;
            };
            if *lost > 0 || received.checked_add(*lost) != Some(*emitted) {
                self.fault(*of, run, &format!("lost {lost} of {emitted} records"));
            }
        }
    }

    fn cuts(&mut self, run: &Run) {
        let kernel = kernel_source(case_tier(run));
        let logs = [
            (Source::Lab, &run.lab),
            (kernel, &run.sensor),
            (Source::Gate, &run.gate),
            (Source::Overlay, &run.overlay),
        ];
        for (source, log) in logs {
            if let Some(why) = &log.cut {
                self.fault(source, run, &format!("broke off ({why})"));
            }
        }
        if let Some(why) = &run.link.cut {
            self.fault(Source::Capture, run, &format!("is incomplete ({why})"));
        }
    }

    /// What a source says it gave has to be in its log. The kernel's sources sum some of their
    /// records up, so their logs cannot be counted.
    fn totals(&mut self, run: &Run) {
        let ends = |event: &Event| matches!(event.what, What::SourceEnded { of: Source::Lab, .. });
        if !run.lab.events.iter().any(ends) {
            self.fault(Source::Lab, run, "did not come to its end");
        }
        for event in &run.lab.events {
            let What::SourceEnded { of, received, .. } = &event.what else { continue };
            let log = match of {
                Source::Gate => &run.gate,
                Source::Overlay => &run.overlay,
                _ => continue,
            };
            if u64::try_from(log.events.len()) != Ok(*received) {
                let held = log.events.len();
                self.fault(*of, run, &format!("gave {received} records, its log holds {held}"));
            }
        }
    }

    fn canaries(&mut self, run: &Run) {
        let expected = expected(run);
        if expected.is_empty() {
            self.fault(Source::Lab, run, "placed no canary");
        }
        for (token, sources) in expected {
            for source in sources {
                if !saw(run, source, &token) {
                    self.fault(source, run, "missed a canary");
                }
            }
        }
    }

    /// Turns a result that rests on a source that failed into *inconclusive*. What is broken stays
    /// broken: an instrument that misses things does not invent them.
    pub(super) fn weaken(&self, result: &mut CheckResult) {
        let rests_on = rests_on(&result.id);
        let mut faults = self.faults.iter().filter(|(source, _)| rests_on.contains(source));
        let Some((_, fault)) = faults.next() else { return };
        if result.state == State::Kept {
            result.state = State::Inconclusive;
            result.reason = format!("{fault}; without that: {}", result.reason);
        }
        result.blind.push(format!("{fault}."));
    }
}

/// The sources that a check rests on.
fn rests_on(check: &str) -> &'static [Source] {
    const KERNEL: &[Source] = &[Source::Lab, Source::Ptrace, Source::Tracepoint];
    const NETWORK: &[Source] = &[
        Source::Lab,
        Source::Ptrace,
        Source::Tracepoint,
        Source::Cgroup,
        Source::Gate,
        Source::Capture,
    ];
    match check {
        "I1" | "R1" | "R2" | "X1" | "R3-seen" => KERNEL,
        "W1" => &[Source::Lab, Source::Ptrace, Source::Tracepoint, Source::Overlay],
        "N1" | "T1" => NETWORK,
        "N2" | "N3" | "N7" | "N8" => &[Source::Lab, Source::Gate, Source::Capture, Source::Uprobe],
        _ => &[],
    }
}

fn case_tier(run: &Run) -> watchglass_events::Tier {
    let tier = |event: &Event| match event.what {
        What::RunStarted { tier, .. } => Some(tier),
        _ => None,
    };
    run.lab.events.iter().find_map(tier).unwrap_or(watchglass_events::Tier::T0)
}

fn kernel_source(tier: watchglass_events::Tier) -> Source {
    match tier {
        watchglass_events::Tier::T0 => Source::Ptrace,
        _ => Source::Tracepoint,
    }
}

/// The canaries of a run, each with the sources that must see it.
fn expected(run: &Run) -> BTreeMap<String, BTreeSet<Source>> {
    let mut expected: BTreeMap<String, BTreeSet<Source>> = BTreeMap::new();
    for event in &run.lab.events {
        if let What::CanaryPlaced { token, expect, .. } = &event.what {
            expected.entry(token.clone()).or_default().extend(expect);
        }
    }
    expected
}

/// Whether a source saw a canary.
fn saw(run: &Run, source: Source, token: &str) -> bool {
    let sensed = |test: &dyn Fn(&What) -> bool| {
        run.sensor.events.iter().any(|event| event.source == source && test(&event.what))
    };
    let contains =
        |bytes: &[u8]| bytes.windows(token.len().max(1)).any(|window| window == token.as_bytes());
    match source {
        Source::Lab => true,
        Source::Ptrace | Source::Tracepoint => sensed(&|what| match what {
            What::Opened { path, error: None, .. } => contains(path.as_bytes()),
            _ => false,
        }),
        Source::Cgroup => {
            let contacts = Contacts::of(run);
            contacts.of_canary().any(|(end, _)| {
                sensed(&|what| match what {
                    What::Connected { peer, .. } | What::Sent { peer: Some(peer), .. } => {
                        *peer == watchglass_events::Peer::Internet { address: end.0, port: end.1 }
                    }
                    _ => false,
                })
            })
        }
        Source::Uprobe => sensed(&|what| match what {
            What::Tls { data, .. } => contains(data.as_bytes()),
            _ => false,
        }),
        Source::Overlay => run.overlay.events.iter().any(|event| match &event.what {
            What::Differs { path, .. } => contains(path.as_bytes()),
            _ => false,
        }),
        Source::Gate => run.gate.events.iter().any(|event| match &event.what {
            What::StreamData { data, .. } | What::Datagram { data, .. } => {
                contains(data.as_bytes())
            }
            _ => false,
        }),
        Source::Capture => run.link.flows.iter().any(|flow| contains(&flow.sent)),
    }
}

fn name(source: Source) -> &'static str {
    match source {
        Source::Lab => "the lab",
        Source::Ptrace => "ptrace",
        Source::Tracepoint => "the kernel's tracepoints",
        Source::Cgroup => "the cgroup hooks",
        Source::Uprobe => "the probes on TLS libraries",
        Source::Overlay => "the difference on disk",
        Source::Gate => "the gate",
        Source::Capture => "the packet capture",
    }
}

/// M2: did every source prove in the run that it sees?
pub(super) fn m2(case: &Case, trust: &Trust) -> CheckResult {
    let mut draft = Draft::new(case, "M2", "M", "Every source proves that it sees")
        .reproduce("Look for the canary tokens in lab.log (`canary_placed`) in every other part of the run")
        .dispute("Show a source that saw a canary and missed the same act of the product.");
    for fault in trust.faults.values() {
        draft.find(Finding { text: format!("{fault}."), ..Finding::default() });
    }
    match trust.faults.values().next() {
        None => draft
            .result(State::Kept, "Every source saw its canaries in every run and lost nothing."),
        Some(first) => {
            draft.result(State::Inconclusive, format!("Not every source can be trusted: {first}."))
        }
    }
}

/// N8: was a known beacon seen?
pub(super) fn n8(case: &Case) -> CheckResult {
    let draft = Draft::new(case, "N8", "M", "Positive control: a known beacon is seen")
        .reproduce("Look for the canary's host in gate.log and packets.pcapng")
        .dispute("The control is the lab's own; there is nothing of the product in it.");
    let networked: Vec<&Run> = case.runs.iter().filter(|run| run.plan.network).collect();
    let blind = networked.iter().find(|run| {
        let seen =
            |token: &String| saw(run, Source::Gate, token) && saw(run, Source::Capture, token);
        !tokens(run).iter().any(seen)
    });
    match (networked.is_empty(), blind) {
        (true, _) => draft.result(State::Inconclusive, "No run had a network."),
        (false, Some(run)) => draft.result(State::Inconclusive, format!("The beacon was not seen in run {}.", run.plan.name)),
        (false, None) => draft.result(State::Kept, "The lab's own beacon was seen at the gate and on the link in every run with a network."),
    }
}

/// What every source recorded, for the report.
pub(crate) fn source_facts(case: &Case) -> Vec<SourceFacts> {
    let mut facts = Vec::new();
    for run in &case.runs {
        let expected = expected(run);
        for event in &run.lab.events {
            let What::SourceEnded { of, emitted, received, lost, .. } = &event.what else {
                continue;
            };
            let due: Vec<&String> = expected
                .iter()
                .filter(|(_, sources)| sources.contains(of))
                .map(|(token, _)| token)
                .collect();
            let seen = due.iter().filter(|token| saw(run, *of, token)).count();
            facts.push(SourceFacts {
                run: run.plan.name.clone(),
                source: name(*of).to_owned(),
                emitted: *emitted,
                received: *received,
                lost: *lost,
                canaries: format!("{seen} of {}", due.len()),
            });
        }
    }
    facts
}
