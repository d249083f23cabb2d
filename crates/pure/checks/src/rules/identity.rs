//! I1: is this the product we think it is?

use std::collections::HashSet;

use watchglass_events::What;
use watchglass_evidence::InventoryFile;

use super::files::{bound, judged};
use super::{Draft, exercise};
use crate::case::Case;
use crate::results::{CheckResult, Finding, State};

/// I1: is every byte that ran pinned?
pub(super) fn i1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "I1", "Q0", "Every byte pinned")
        .reproduce("Compare `executed` in sensor.log with inventory.jsonl; compare the packages with the archive")
        .dispute("Publish the digests of the released files.")
        .blind("Libraries are pinned as files of the root, not by what was mapped.");
    let pinned: HashSet<&str> = case.inventory.iter().filter_map(sha256).collect();
    if pinned.is_empty() {
        return draft.result(State::Inconclusive, "The product has no inventory to pin it by.");
    }
    let (mut ran, mut unknown) = (HashSet::new(), 0_u64);
    for run in judged(case) {
        for event in bound(run) {
            let What::Executed { path, digest, .. } = &event.what else { continue };
            let Some(digest) = digest else {
                unknown = unknown.saturating_add(1);
                continue;
            };
            let digest = digest.to_string();
            let new = ran.insert(digest.clone());
            if new && !pinned.contains(digest.as_str()) {
                draft.find(Finding {
                    text: format!("{path} ran with SHA-256 {digest}, which no installed file has"),
                    breaks: true,
                    program: Some(path.to_string()),
                    evidence: vec![run.sensed(event)],
                    ..Finding::default()
                });
            }
        }
    }
    if draft.breaks() > 0 {
        return draft.result(State::Broken, "It ran code that was not installed with it.");
    }
    if ran.is_empty() || unknown > 0 {
        let reason = format!(
            "{} programs were pinned by what ran, {unknown} ended before their digest could be taken.",
            ran.len()
        );
        return draft.result(State::Inconclusive, reason);
    }
    match exercise::failed_steps(case).first() {
        None => draft.result(
            State::Kept,
            format!("Each of {} programs that ran is a file of the inventory.", ran.len()),
        ),
        Some(first) => {
            draft.result(State::Inconclusive, format!("Not every phase ran as expected: {first}."))
        }
    }
}

fn sha256(line: &InventoryFile) -> Option<&str> {
    match line {
        InventoryFile::File { sha256, .. } => Some(sha256),
        InventoryFile::Package(_) => None,
    }
}
