//! Whether a bundle says of a specimen what it must.

use std::fmt;
use std::path::{Path, PathBuf};

use watchglass_checks::results::{CheckResult, Finding, Results, State, WitnessPath};
use watchglass_checks::{home_of, plant};
use watchglass_evidence::Campaign;
use watchglass_specimens::{Destination, Outcome as Expected, Side};

use super::trial::Trial;

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The misdeed was found, with file and destination where it has such.
    Flagged,
    /// The twin was kept.
    Kept,
    /// The misdeed was not found, or not as it must be.
    Missed(String),
    /// The twin was not kept.
    FalselyFlagged(String),
    /// There is no bundle to judge.
    Failed(String),
}

impl Outcome {
    pub(crate) fn is_as_it_should_be(&self) -> bool {
        matches!(self, Self::Flagged | Self::Kept)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flagged => f.write_str("flagged"),
            Self::Kept => f.write_str("kept"),
            Self::Missed(why) => write!(f, "MISSED: {why}"),
            Self::FalselyFlagged(why) => write!(f, "FALSELY FLAGGED: {why}"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// Judges a bundle as a stranger does, who derives it again.
pub(crate) fn bundle(trial: &Trial, bundle: &Path) -> Outcome {
    let rechecked = match watchglass_recheck::recheck(bundle, &[]) {
        Ok(rechecked) => rechecked,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let campaign = std::fs::read(bundle.join("campaign.json")).ok();
    let campaign = campaign.and_then(|bytes| watchglass_evidence::parse_document(&bytes).ok());
    match campaign {
        Some(campaign) => results(trial, &rechecked.results, &campaign),
        None => Outcome::Failed("campaign.json cannot be read".to_owned()),
    }
}

/// Judges results: a misdeed by what must be found, a twin by the same check being kept.
fn results(trial: &Trial, results: &Results, campaign: &Campaign) -> Outcome {
    let expectation = &trial.specimen.expectation;
    let Some(check) = results.checks.iter().find(|check| check.id == expectation.check) else {
        return Outcome::Failed(format!("there is no check {}", expectation.check));
    };
    let state = format!("{} is {}: {}", check.id, check.state, check.reason);
    match (trial.side, expectation.outcome) {
        (Side::Twin, _) if check.state == State::Kept => Outcome::Kept,
        (Side::Twin, _) => Outcome::FalselyFlagged(state),
        (Side::Misdeed, Expected::NotKept) if check.state != State::Kept => Outcome::Flagged,
        (Side::Misdeed, Expected::Broken) if check.state == State::Broken => {
            named(trial, check, results, campaign)
        }
        (Side::Misdeed, _) => Outcome::Missed(state),
    }
}

/// A check that is broken must say of what and towards whom.
fn named(trial: &Trial, check: &CheckResult, results: &Results, campaign: &Campaign) -> Outcome {
    let file = match trial.specimen.expectation.names_file {
        None => None,
        Some(sort) => match taken(trial, sort, campaign) {
            Some(file) => Some(file),
            None => return Outcome::Failed("no bait file is of the specimen's sort".to_owned()),
        },
    };
    let breaking = || check.findings.iter().filter(|finding| finding.breaks);
    let there = |finding: &&Finding| goes_there(trial, finding);
    if !breaking().any(|finding| there(&finding)) {
        let named: Vec<&str> =
            breaking().filter_map(|finding| finding.destination.as_deref()).take(3).collect();
        return Outcome::Missed(format!("{} is broken, but names {named:?}", check.id));
    }
    let Some(file) = file else { return Outcome::Flagged };
    let names = |finding: &Finding| {
        finding.file.as_deref() == Some(file.as_str())
            || (trial.specimen.expectation.content_is_hidden && may_hold(results, finding, &file))
    };
    if breaking().filter(there).any(names) {
        Outcome::Flagged
    } else {
        Outcome::Missed(format!("{} is broken, but does not name {file}", check.id))
    }
}

/// Whether the finding is a path on which the file can have gone, beside others. Of content that
/// nobody can read no more can be said.
fn may_hold(results: &Results, finding: &Finding, file: &str) -> bool {
    let there = |path: &&WitnessPath| {
        path.nodes.last().map(|node| &node.label) == finding.destination.as_ref()
    };
    let mut paths = results.seen.witnesses.iter().filter(there);
    paths.any(|path| path.bait.iter().any(|bait| bait == file))
}

/// Whether a finding names the specimen's destination.
fn goes_there(trial: &Trial, finding: &Finding) -> bool {
    let (expectation, parameters) = (&trial.specimen.expectation, &trial.round.parameters);
    let Some(named) = finding.destination.as_deref() else {
        return expectation.destination == Destination::Nowhere;
    };
    match expectation.destination {
        Destination::Nowhere => true,
        Destination::Collector => {
            named == format!("{}:{}", parameters.collector_host(), parameters.port)
        }
        Destination::UpdateServer => named == format!("{}:80", parameters.update_host()),
        // The world's resolver has its own address there, which the lab chose.
        Destination::Resolver => named.ends_with(":53"),
    }
}

/// The bait file that the specimen has taken in the first run, as the world shows its path.
fn taken(trial: &Trial, sort: watchglass_specimens::Sort, campaign: &Campaign) -> Option<String> {
    let (identity, bait) = plant(&campaign.runs.first()?.seed, campaign.bait_files)?;
    let home = home_of(&identity);
    let paths: Vec<PathBuf> =
        bait.planned.iter().map(|file| PathBuf::from(format!("{home}/{}", file.path))).collect();
    let taken = trial.round.parameters.pick.among(sort, paths.iter().map(PathBuf::as_path))?;
    taken.to_str().map(str::to_owned)
}
