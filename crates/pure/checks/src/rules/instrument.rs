//! M2, N8: did the instrument itself work? What it did not see weakens every result that rests on it.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_events::{Event, Name, Process, Source, Tier, What};
use watchglass_evidence::WorldKind;

use super::Draft;
use super::sources::{ALL, RestsOn};
use crate::case::{Case, Run};
use crate::clear_text::is_tls_library;
use crate::contacts::MAX_CANARIES;
use crate::results::{CheckResult, Finding, SourceFacts, State};

/// What is wrong with the sources of a campaign.
#[derive(Debug, Default)]
pub(super) struct Trust {
    faults: BTreeMap<Source, Vec<String>>,
    /// Sources that saw no canary at all, not even one that sang before anything of the subject ran.
    blind: BTreeSet<Source>,
    /// Sources that a run had no use for, one sentence each.
    idle: Vec<String>,
}

impl Trust {
    /// Looks for losses, logs that broke off, sources that were not exercised, and canaries that a
    /// source missed.
    pub(super) fn of(case: &Case) -> Self {
        let mut trust = Self { blind: ALL.iter().copied().collect(), ..Self::default() };
        for run in &case.runs {
            let canaries: Vec<Canary<'_>> = canaries(run).collect();
            if canaries.len() > MAX_CANARIES {
                trust.fault(Source::Lab, run, "placed more canaries than can be followed");
            }
            let canaries = canaries.get(..MAX_CANARIES).unwrap_or(&canaries);
            trust.losses(run);
            trust.cuts(run);
            trust.totals(run);
            trust.places(run, canaries);
            trust.exercise(run, case.campaign.world, canaries);
            trust.canaries(run, canaries);
        }
        trust
    }

    fn fault(&mut self, source: Source, run: &Run, what: &str) {
        let sentence = format!("{} {what} in run {}", name(source), run.plan.name);
        let sentences = self.faults.entry(source).or_default();
        if sentences.len() < MAX_FAULTS && !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
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
        let logs = [
            (Source::Lab, &run.lab),
            (kernel_source(tier(run)), &run.sensor),
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

    /// Between the first and the last canary lies everything that the subject did.
    fn places(&mut self, run: &Run, canaries: &[Canary<'_>]) {
        let at = |found: &dyn Fn(&What) -> bool| {
            let rows = run.lab.events.iter().filter(|event| found(&event.what));
            rows.map(|event| event.seq).collect::<Vec<u64>>()
        };
        let started = at(&|what| matches!(what, What::StepStarted { .. }));
        let ended = at(&|what| matches!(what, What::StepEnded { .. }));
        let (first, last) = (canaries.first(), canaries.last());
        let before = first.is_some_and(|first| started.iter().all(|step| first.row < *step));
        let after = last.is_some_and(|last| ended.iter().all(|step| *step < last.row));
        if !before {
            self.fault(Source::Lab, run, "placed no canary before the first phase");
        }
        if !after {
            self.fault(Source::Lab, run, "placed no canary after the last phase");
        }
    }

    /// Every source that the run used must be exercised by every canary, whatever the lab expected.
    fn exercise(&mut self, run: &Run, world: WorldKind, canaries: &[Canary<'_>]) {
        for source in used(run, world) {
            let exercised = canaries.iter().all(|canary| canary.expect.contains(&source));
            if exercised {
                continue;
            }
            let none = |canary: &Canary<'_>| canary.libraries.is_some_and(<[Name]>::is_empty);
            if source != Source::Uprobe || !canaries.iter().all(none) {
                self.fault(source, run, "was not exercised by every canary");
            } else if let Some(path) = mapped_library(run) {
                self.fault(source, run, &format!("met {path}, which no canary spoke through,"));
            } else {
                self.blind.remove(&source);
                self.idle.push(format!(
                    "Run {}: the root holds no TLS library that could be probed, so the probes were not needed.",
                    run.plan.name
                ));
            }
        }
    }

    fn canaries(&mut self, run: &Run, canaries: &[Canary<'_>]) {
        for canary in canaries {
            for source in canary.expect {
                if saw(run, *source, canary) {
                    self.blind.remove(source);
                } else {
                    self.fault(*source, run, "missed a canary");
                }
            }
        }
    }

    /// Turns a result that rests on a source that failed into *inconclusive*.
    ///
    /// What is broken stays broken where a source failed now and then: what it missed does not take
    /// back what it saw, and a product must not talk its way out by killing canaries. But a source
    /// that told nothing at all leaves things without the names by which they are judged, so that
    /// an honest product can look broken.
    pub(super) fn weaken(&self, result: &mut CheckResult, rests_on: RestsOn) {
        let faults = self.faults.iter().filter(|(source, _)| rests_on.contains(**source));
        let faults: Vec<(&Source, &String)> =
            faults.flat_map(|(source, all)| all.iter().map(move |fault| (source, fault))).collect();
        let nameless = faults.iter().find(|(source, _)| self.leaves_nameless(**source));
        let weak = match result.state {
            State::Kept => faults.first(),
            State::Broken => nameless,
            State::Inconclusive | State::NotTested => None,
        };
        if let Some((_, fault)) = weak {
            result.state = State::Inconclusive;
            result.reason = format!("{fault}; without that: {}", result.reason);
        }
        result.blind.extend(faults.iter().map(|(_, fault)| format!("{fault}.")));
        if rests_on.contains(Source::Uprobe) {
            result.blind.extend(self.idle.iter().cloned());
        }
    }

    /// The gate names hosts; the kernel source says whose a process is.
    fn leaves_nameless(&self, source: Source) -> bool {
        matches!(source, Source::Gate | Source::Ptrace | Source::Tracepoint)
            && self.blind.contains(&source)
    }
}

/// A canary as the lab announced it.
struct Canary<'a> {
    row: u64,
    token: &'a str,
    process: Process,
    expect: &'a [Source],
    libraries: Option<&'a [Name]>,
}

fn canaries(run: &Run) -> impl Iterator<Item = Canary<'_>> {
    run.lab.events.iter().filter_map(|event| match &event.what {
        What::CanaryPlaced { token, process, expect, libraries } => Some(Canary {
            row: event.seq,
            token,
            process: *process,
            expect,
            libraries: libraries.as_deref(),
        }),
        _ => None,
    })
}

/// The sources that a run used, by its tier, its world, and whether anything answered.
fn used(run: &Run, world: WorldKind) -> Vec<Source> {
    let tier = tier(run);
    let mut used = vec![kernel_source(tier), Source::Overlay];
    if world != WorldKind::InPlace {
        used.push(Source::Capture);
    }
    if tier != Tier::T0 {
        used.push(Source::Cgroup);
    }
    if run.plan.network {
        used.push(Source::Gate);
        if tier != Tier::T0 {
            used.push(Source::Uprobe);
        }
    }
    used
}

/// A TLS library that the subject mapped to run it.
fn mapped_library(run: &Run) -> Option<&Name> {
    run.sensor.events.iter().find_map(|event| match &event.what {
        What::Mapped { path: Some(path), executable: true, .. } => {
            is_tls_library(path).then_some(path)
        }
        _ => None,
    })
}

fn tier(run: &Run) -> Tier {
    let tier = |event: &Event| match event.what {
        What::RunStarted { tier, .. } => Some(tier),
        _ => None,
    };
    run.lab.events.iter().find_map(tier).unwrap_or(Tier::T0)
}

fn kernel_source(tier: Tier) -> Source {
    match tier {
        Tier::T0 => Source::Ptrace,
        Tier::T1 | Tier::T2 => Source::Tracepoint,
    }
}

/// Whether a source saw a canary.
fn saw(run: &Run, source: Source, canary: &Canary<'_>) -> bool {
    let token = canary.token.as_bytes();
    let contains = |bytes: &[u8]| {
        !token.is_empty() && bytes.windows(token.len()).any(|window| window == token)
    };
    let sensed = |test: &dyn Fn(&What) -> bool| {
        let mut its = run.sensor.events.iter().filter(|event| {
            event.source == source
                && event.actor.is_some_and(|actor| actor.process == canary.process)
        });
        its.any(|event| test(&event.what))
    };
    match source {
        Source::Lab => true,
        Source::Ptrace | Source::Tracepoint => {
            // What is no run of the lab's own program is no canary, whatever the lab's log says.
            run.processes.ran_the_lab(canary.process)
                && sensed(&|what| match what {
                    What::Opened { path, error: None, .. } => contains(path.as_bytes()),
                    _ => false,
                })
        }
        // It asks the resolver whether or not anything answers.
        Source::Cgroup => sensed(&|what| {
            matches!(what, What::Connected { .. } | What::Sent { peer: Some(_), .. })
        }),
        Source::Uprobe => canary.libraries.is_some_and(|libraries| {
            let through = |through: &Name| {
                sensed(&|what| match what {
                    What::Tls { library, data, .. } => {
                        library == through && contains(data.as_bytes())
                    }
                    _ => false,
                })
            };
            !libraries.is_empty() && libraries.iter().all(through)
        }),
        Source::Overlay => run.overlay.events.iter().any(|event| match &event.what {
            What::Differs { path, .. } => contains(path.as_bytes()),
            _ => false,
        }),
        // A question for its name is not enough: the gate must have read a stream.
        Source::Gate => run.gate.events.iter().any(|event| match &event.what {
            What::StreamData { data, .. } => contains(data.as_bytes()),
            _ => false,
        }),
        Source::Capture => run.link.flows.iter().any(|flow| contains(&flow.sent)),
    }
}

/// A source for people.
pub(super) fn name(source: Source) -> &'static str {
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

/// Most sentences on one source; a hostile campaign could have one for each of its canaries.
const MAX_FAULTS: usize = 8;

/// M2: did every source prove in the run that it sees?
pub(super) fn m2(case: &Case, trust: &Trust) -> CheckResult {
    let mut draft = Draft::new(case, "M2", "M", "Every source proves that it sees")
        .reproduce("Look for the canary tokens in lab.log (`canary_placed`) in every other part of the run")
        .dispute("Show a source that saw a canary and missed the same act of the product.");
    for fault in trust.faults.values().flatten() {
        draft.find(Finding { text: format!("{fault}."), ..Finding::default() });
    }
    match trust.faults.values().flatten().next() {
        None => {
            let placed: usize = case.runs.iter().map(|run| canaries(run).count()).sum();
            let reason = format!(
                "Every source saw each of {placed} canaries that it was to see, before, between \
                 and after the phases, and lost nothing."
            );
            draft.result(State::Kept, reason)
        }
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
        let seen = |canary: Canary<'_>| {
            saw(run, Source::Gate, &canary) && saw(run, Source::Capture, &canary)
        };
        !canaries(run).any(seen)
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
        let canaries: Vec<Canary<'_>> = canaries(run).collect();
        for event in &run.lab.events {
            let What::SourceEnded { of, emitted, received, lost, .. } = &event.what else {
                continue;
            };
            let due = canaries.iter().filter(|canary| canary.expect.contains(of));
            let due: Vec<&Canary<'_>> = due.collect();
            let seen = due.iter().filter(|canary| saw(run, *of, canary)).count();
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
