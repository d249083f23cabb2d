//! R1, R2, W1, X1: what it reads, writes and runs, held against its claims.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_events::{Change, Event, FileKind, Name, What};

use super::{Draft, exercise};
use crate::case::{Case, Run};
use crate::claimed::covers;
use crate::results::{CheckResult, Finding, State};

/// R1: what does it read, and does it claim so?
pub(super) fn r1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "R1", "Q1", "Inventory of reads")
        .reproduce("watchglass events BUNDLE/runs/A1/sensor.log | jq 'select(.what.event == \"opened\")'")
        .dispute("Name the documentation that claims the path, or show that the opening was not the product's.")
        .blind("An opening for reading counts as having read all of the file.");
    let mut opened_bait = BTreeSet::new();
    for run in judged(case) {
        let mut beyond = Beyond::default();
        for read in reads(run) {
            if run.planted.is_bait(read.path) {
                opened_bait.insert((run.plan.name.clone(), read.path.clone()));
            }
            if !read.claimed {
                beyond.add(run, read.event, read.path);
            }
        }
        beyond.report(run, &mut draft, "reads", "claims no read of it");
    }
    let planted: usize = judged(case).map(|run| run.planted.paths().count()).sum();
    if draft.breaks() > 0 {
        let count = draft.breaks();
        return draft.result(
            State::Broken,
            format!("It reads {count} files or folders that it does not claim."),
        );
    }
    let unopened = planted.saturating_sub(opened_bait.len());
    if unopened > 0 {
        let reason = format!(
            "{unopened} of {planted} bait files were never opened, so reading was not exercised."
        );
        return draft.result(State::Inconclusive, reason);
    }
    settle(
        case,
        draft,
        "Every file it opened for reading is claimed, and every bait file was opened.",
    )
}

/// R2: does it read what is no duty of the program that reads it?
pub(super) fn r2(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "R2", "Q2", "Reads beyond the duty to scan")
        .reproduce(
            "Compare the bait files that each program opened with the reads its domain claims.",
        )
        .dispute("Show that scanning these files is the documented duty of this program.");
    let mut exercised = false;
    for run in judged(case) {
        let mut beyond = Beyond::default();
        for read in reads(run).filter(|read| run.planted.is_bait(read.path)) {
            exercised = true;
            if !read.claimed {
                beyond.add(run, read.event, read.path);
            }
        }
        beyond.report(run, &mut draft, "reads bait in", "has no duty to read it");
    }
    if draft.breaks() > 0 {
        return draft
            .result(State::Broken, "Programs read users' files that their claims exclude.");
    }
    if !exercised {
        return draft.result(State::Inconclusive, "No bait was opened, so nothing was exercised.");
    }
    settle(
        case,
        draft,
        "Users' files were opened by programs whose duty it is to scan them, by no others.",
    )
}

/// W1: what does it write, and what stays?
pub(super) fn w1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "W1", "Q1", "Writes and residue")
        .reproduce("watchglass events BUNDLE/runs/A1/overlay.log")
        .dispute("Name the documentation that claims the path.");
    if let Some(sentence) = set_up_in_words(case) {
        draft = draft.blind(&sentence);
    }
    let (mut exercised, mut cut) = (false, false);
    for run in judged(case) {
        cut |= run.overlay.cut.is_some();
        let mut beyond = Beyond::default();
        for event in bound(run) {
            for path in written(&event.what) {
                exercised = true;
                if !may_write(run, event, path) {
                    beyond.add(run, event, path);
                }
            }
        }
        beyond.report(run, &mut draft, "writes", "claims no write of it");
        residue(case, run, &mut draft);
    }
    if draft.breaks() > 0 {
        let count = draft.breaks();
        return draft.result(
            State::Broken,
            format!("It writes {count} files or folders that it does not claim."),
        );
    }
    if cut {
        return draft.result(State::Inconclusive, "The difference on disk was not recorded whole.");
    }
    if !exercised {
        return draft
            .result(State::Inconclusive, "Nothing was written, so writing was not exercised.");
    }
    settle(case, draft, "Everything it wrote, and everything that differs on disk, is claimed.")
}

/// X1: what does it run?
pub(super) fn x1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "X1", "Q1", "What it executes")
        .reproduce("watchglass events BUNDLE/runs/A1/sensor.log | jq 'select(.what.event == \"executed\")'")
        .dispute("Name the documentation that claims the program.")
        .blind("Code that a program interprets or makes in its own memory is not seen as a program.");
    let mut exercised = false;
    for run in judged(case) {
        let mut beyond = Beyond::default();
        for event in bound(run) {
            let What::Executed { path, .. } = &event.what else { continue };
            exercised = true;
            if !may_execute(run, event, path) {
                beyond.add(run, event, path);
            }
        }
        beyond.report(run, &mut draft, "runs", "does not claim it");
    }
    if draft.breaks() > 0 {
        return draft.result(State::Broken, "It runs programs that it does not claim.");
    }
    if !exercised {
        return draft.result(State::Inconclusive, "No program of the product ran.");
    }
    settle(case, draft, "Every program that ran is claimed.")
}

/// Kept, unless a command did not end as it should.
fn settle(case: &Case, draft: Draft, reason: &str) -> CheckResult {
    let failed = exercise::failed_steps(case);
    match failed.first() {
        None => draft.result(State::Kept, reason),
        Some(first) => draft.result(
            State::Inconclusive,
            format!(
                "Nothing beyond the claims was seen, but not every phase ran as expected: {first}."
            ),
        ),
    }
}

/// Runs that are held against the claims: those with the customer's configuration.
pub(super) fn judged(case: &Case) -> impl Iterator<Item = &Run> {
    case.runs.iter().filter(|run| run.plan.configured)
}

/// An opening for reading.
pub(crate) struct ReadOf<'a> {
    /// The event.
    pub(crate) event: &'a Event,
    /// The path that the kernel resolved.
    pub(crate) path: &'a Name,
    /// Whether a claim of the reader's domain covers it.
    pub(crate) claimed: bool,
}

/// Every opening for reading by processes that the claims bind.
pub(crate) fn reads(run: &Run) -> impl Iterator<Item = ReadOf<'_>> {
    bound(run).filter_map(move |event| {
        let What::Opened { path, file: Some(file), access, error: None, .. } = &event.what else {
            return None;
        };
        let holds_data =
            matches!(file.kind, FileKind::Regular | FileKind::Directory | FileKind::Device);
        if !access.read || access.path_only || !holds_data {
            return None;
        }
        let claimed = may_read(run, event, path, file.kind);
        Some(ReadOf { event, path, claimed })
    })
}

fn may_read(run: &Run, event: &Event, path: &Name, kind: FileKind) -> bool {
    let claims = run.claimed.get(run.processes.domain(event));
    claims.is_some_and(|claims| match kind {
        FileKind::Directory => covers(&claims.reads, path.as_bytes()),
        _ => claims.reads.matches(path.as_bytes()),
    })
}

pub(crate) fn may_write(run: &Run, event: &Event, path: &Name) -> bool {
    let claims = run.claimed.get(run.processes.domain(event));
    claims.is_some_and(|claims| covers(&claims.writes, path.as_bytes()))
}

pub(crate) fn may_execute(run: &Run, event: &Event, path: &Name) -> bool {
    let claims = run.claimed.get(run.processes.domain(event));
    run.product.domain_of(path.as_bytes()).is_some()
        || claims.is_some_and(|claims| claims.executes.matches(path.as_bytes()))
}

/// Events of the processes that the claims bind.
pub(crate) fn bound(run: &Run) -> impl Iterator<Item = &Event> {
    run.sensor.events.iter().filter(|event| run.processes.binds(event))
}

/// Paths that an event changes.
pub(crate) fn written(what: &What) -> impl Iterator<Item = &Name> {
    let (first, second) = match what {
        What::Opened { path, file: Some(file), access, error: None, .. }
            if (access.write || access.create || access.truncate)
                && matches!(file.kind, FileKind::Regular | FileKind::Device) =>
        {
            (Some(path), None)
        }
        What::PathChanged { path, other, error: None, .. } => (Some(path), other.as_ref()),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

/// What differs on disk and no claim of any domain covers.
fn residue(case: &Case, run: &Run, draft: &mut Draft) {
    let set_up = made_by_set_up(case, run);
    for event in &run.overlay.events {
        let What::Differs { path, change, kind, .. } = &event.what else { continue };
        // A folder differs when something in it does; that something is listed itself.
        let is_folder = *kind == FileKind::Directory && *change == Change::Modified;
        if is_folder
            || set_up.contains(path)
            || run.claimed.any_writes(path.as_bytes())
            || case.is_canary_file(&event.what)
        {
            continue;
        }
        draft.find(Finding {
            text: format!(
                "{path} differs on disk after run {}, and no domain claims to write it",
                run.plan.name
            ),
            breaks: true,
            file: Some(path.to_string()),
            evidence: vec![run.row("overlay.log", event.seq)],
            ..Finding::default()
        });
    }
}

/// Paths that the product file's own set-up commands made, as the customer would, in this run or in
/// one before it in the same world.
pub(crate) fn made_by_set_up(case: &Case, run: &Run) -> BTreeSet<Name> {
    let mut made = BTreeSet::new();
    for other in &case.runs {
        if !other.plan.same_world {
            made.clear();
        }
        let events = other.sensor.events.iter().filter(|event| other.processes.sets_up(event));
        made.extend(events.flat_map(|event| written(&event.what)).cloned());
        if other.plan.name == run.plan.name {
            break;
        }
    }
    made
}

/// What W1 takes as the customer's, so that a reader can tell whether it is.
fn set_up_in_words(case: &Case) -> Option<String> {
    let made: BTreeSet<Name> = judged(case).flat_map(|run| made_by_set_up(case, run)).collect();
    let shown: Vec<String> = made.iter().take(MAX_SHOWN).map(Name::to_string).collect();
    let more = if made.len() > shown.len() { " and others" } else { "" };
    (!made.is_empty()).then(|| {
        format!(
            "What the product file's set-up commands wrote counts as the customer's, also where it \
             differs on disk: {}{more}.",
            shown.join(", ")
        )
    })
}

/// What goes beyond the claims, one finding for each program and path.
#[derive(Default)]
struct Beyond {
    by_program: BTreeMap<(String, String), Vec<u64>>,
}

impl Beyond {
    fn add(&mut self, run: &Run, event: &Event, path: &Name) {
        let key = (run.processes.program(event), path.to_string());
        self.by_program.entry(key).or_default().push(event.seq);
    }

    fn report(self, run: &Run, draft: &mut Draft, verb: &str, but: &str) {
        for ((program, path), rows) in self.by_program {
            let times = rows.len();
            let rows = rows.into_iter().take(MAX_ROWS);
            draft.find(Finding {
                text: format!(
                    "{program} {verb} {path} ({times}× in run {}) and {but}",
                    run.plan.name
                ),
                breaks: true,
                file: Some(path),
                program: Some(program),
                destination: None,
                evidence: rows.map(|row| run.row("sensor.log", row)).collect(),
            });
        }
    }
}

/// Most paths that a sentence names.
const MAX_SHOWN: usize = 10;
/// Most rows that a finding cites.
const MAX_ROWS: usize = 5;
