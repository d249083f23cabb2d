//! The checks. Each is a function from the evidence to one result.

mod exercise;
mod files;
mod identity;
mod idle;
mod in_place;
mod instrument;
mod network;
mod payload;
mod run_time;
mod sources;

use watchglass_events::Tier;

use crate::case::Case;
use crate::results::{CheckResult, Finding, State};

pub(crate) use exercise::in_words;
pub(crate) use files::{bound, made_by_set_up, may_write, reads, written};
pub(crate) use instrument::source_facts;
pub(crate) use network::{Witness, length, named, opaque_bytes, unmet_contacts, witnesses};
pub(crate) use payload::identifiers;
pub(crate) use run_time::ended_ns;
pub use sources::rests_on;

/// Most findings that a result lists; the rest are counted.
const MAX_FINDINGS: usize = 200;

/// Every check that this version can do, in the order of the questions.
#[must_use]
pub(crate) fn all(case: &Case) -> Vec<CheckResult> {
    let trust = instrument::Trust::of(case);
    let judged = sources::CHECKS.iter().map(|check| {
        let mut result = (check.judge)(case, &trust);
        trust.weaken(&mut result, check.rests_on);
        result
    });
    let mut results: Vec<CheckResult> = judged.collect();
    results.extend(NOT_YET.iter().map(|(id, question, title)| not_yet(case, id, question, title)));
    for result in &mut results {
        in_place::limit(case, result);
    }
    results
}

/// Checks of the design that this version does not have. They are listed in every verdict, so that
/// nobody takes silence for an answer.
const NOT_YET: &[(&str, &str, &str)] = &[
    ("I2", "Q0", "Binary rebuilt from source"),
    ("I3", "Q0", "Signatures enforced"),
    ("N4", "Q1", "Bait A/B runs"),
    ("N6", "Q1", "Policy against behaviour"),
    ("V1", "Q1", "Behaves the same when it looks unwatched"),
    ("R3-could", "Q2", "What a process that holds bait could still reach"),
    ("B2", "Q2", "Parser privilege"),
    ("U1", "Q3", "The same update for everyone"),
    ("U2", "Q3", "Rollback, replay, freeze, interception of updates"),
    ("U3", "Q3", "Whether content is data or code"),
    ("U4", "Q3", "Malformed update"),
    ("W2", "Q3", "Whether content can make it delete, quarantine or alter a chosen thing"),
    ("N5", "Q4", "Settings honoured"),
    ("U6", "Q4", "The customer's own update gate"),
    ("D2", "Q5", "Exemptions"),
    ("B1", "Q5", "Hostile input"),
    ("B3", "Q5", "Link races"),
    ("B4", "Q5", "TLS interception"),
    ("B5", "Q5", "Local control channels"),
    ("C1", "Q5", "On-access coverage"),
];

fn not_yet(case: &Case, id: &str, question: &str, title: &str) -> CheckResult {
    let mut result = Draft::new(case, id, question, title)
        .result(State::NotTested, "This version of the lab does not test it.");
    result.reproduce = "Nothing to reproduce.".to_owned();
    result.dispute = "Nothing to dispute.".to_owned();
    result
}

/// A result in the making.
struct Draft {
    id: String,
    question: String,
    title: String,
    tier: Tier,
    findings: Vec<Finding>,
    blind: Vec<String>,
    reproduce: String,
    dispute: String,
}

impl Draft {
    fn new(case: &Case, id: &str, question: &str, title: &str) -> Self {
        Self {
            id: id.to_owned(),
            question: question.to_owned(),
            title: title.to_owned(),
            tier: case.campaign.tier,
            findings: Vec::new(),
            blind: Vec::new(),
            reproduce: String::new(),
            dispute: String::new(),
        }
    }

    fn reproduce(mut self, line: &str) -> Self {
        line.clone_into(&mut self.reproduce);
        self
    }

    fn dispute(mut self, line: &str) -> Self {
        line.clone_into(&mut self.dispute);
        self
    }

    fn blind(mut self, sentence: &str) -> Self {
        self.blind.push(sentence.to_owned());
        self
    }

    fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn breaks(&self) -> usize {
        self.findings.iter().filter(|finding| finding.breaks).count()
    }

    fn result(mut self, state: State, reason: impl Into<String>) -> CheckResult {
        self.findings.sort_by_key(|finding| !finding.breaks);
        let more = self.findings.len().saturating_sub(MAX_FINDINGS);
        self.findings.truncate(MAX_FINDINGS);
        CheckResult {
            id: self.id,
            question: self.question,
            title: self.title,
            state,
            reason: reason.into(),
            tier: self.tier,
            findings: self.findings,
            more_findings: u64::try_from(more).unwrap_or(u64::MAX),
            blind: self.blind,
            reproduce: self.reproduce,
            dispute: self.dispute,
        }
    }
}
