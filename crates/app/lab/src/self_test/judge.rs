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
    /// Neither side can be told, and the lab says why: the clock of a static program is its own.
    SaidToBeBeyond,
    /// The misdeed was not found, or not as it must be.
    Missed(String),
    /// The twin was not kept.
    FalselyFlagged(String),
    /// There is no bundle to judge.
    Failed(String),
}

impl Outcome {
    pub(crate) fn is_as_it_should_be(&self) -> bool {
        matches!(self, Self::Flagged | Self::Kept | Self::SaidToBeBeyond)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flagged => f.write_str("flagged"),
            Self::Kept => f.write_str("kept"),
            Self::SaidToBeBeyond => f.write_str("not reached, and said so"),
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
    judged(trial, check, &results.seen.witnesses, campaign)
}

fn judged(
    trial: &Trial,
    check: &CheckResult,
    witnesses: &[WitnessPath],
    campaign: &Campaign,
) -> Outcome {
    let state = format!("{} is {}: {}", check.id, check.state, check.reason);
    if trial.is_beyond_the_clock() {
        return beyond_the_clock(check, state);
    }
    match (trial.side, trial.specimen.expectation.outcome) {
        (Side::Twin, _) if check.state == State::Kept => Outcome::Kept,
        (Side::Twin, _) => Outcome::FalselyFlagged(state),
        (Side::Misdeed, Expected::NotKept) if check.state != State::Kept => Outcome::Flagged,
        (Side::Misdeed, Expected::Broken) if check.state == State::Broken => {
            named(trial, check, witnesses, campaign)
        }
        (Side::Misdeed, _) => Outcome::Missed(state),
    }
}

/// What cannot be reached must be inconclusive, and the program that was not reached be named.
fn beyond_the_clock(check: &CheckResult, state: String) -> Outcome {
    let named = check.reason.contains(SERVICE)
        || check.findings.iter().any(|finding| finding.text.contains(SERVICE));
    if check.state == State::Inconclusive && named {
        Outcome::SaidToBeBeyond
    } else {
        Outcome::Missed(format!("it does not say that {SERVICE} is beyond the clock: {state}"))
    }
}

/// The program that idles.
const SERVICE: &str = "specimen-service";

/// A check that is broken must say of what and towards whom.
fn named(
    trial: &Trial,
    check: &CheckResult,
    witnesses: &[WitnessPath],
    campaign: &Campaign,
) -> Outcome {
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
            || (trial.specimen.expectation.content_is_hidden && may_hold(witnesses, finding, &file))
    };
    if breaking().filter(there).any(names) {
        Outcome::Flagged
    } else {
        Outcome::Missed(format!("{} is broken, but does not name {file}", check.id))
    }
}

/// Whether the finding is a path on which the file can have gone, beside others. Of content that
/// nobody can read no more can be said.
fn may_hold(witnesses: &[WitnessPath], finding: &Finding, file: &str) -> bool {
    let there = |path: &&WitnessPath| {
        path.nodes.last().map(|node| &node.label) == finding.destination.as_ref()
    };
    let mut paths = witnesses.iter().filter(there);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use watchglass_events::{Digest, Tier};
    use watchglass_evidence::{Network, PlannedRun, WorldKind};
    use watchglass_leak::{Budget, Detector, NeedleKind};
    use watchglass_specimens::{SPECIMENS, Sort};

    use super::super::round::Round;
    use super::super::trial::Build;
    use super::*;
    use crate::plan::Seeds;

    fn trial(name: &str, side: Side) -> Trial {
        let specimen = SPECIMENS.iter().find(|specimen| specimen.name == name).expect("a name");
        let round = Arc::new(Round::new(&[7; 32], 1, 20));
        Trial { specimen, side, build: Build::Dynamic, round }
    }

    fn campaign(trial: &Trial) -> Campaign {
        let seed = Digest(Seeds::from_campaign(&trial.round.seed).first).to_string();
        let run = PlannedRun {
            name: "A1".to_owned(),
            seed,
            same_world: false,
            network: true,
            configured: true,
            phases: Vec::new(),
        };
        let text = serde_json::json!({
            "schema": 1, "assayer": "test", "began_unix_seconds": 0,
            "world": WorldKind::Host, "network": Network::Vendor, "tier": Tier::T1,
            "runs": [run], "choices": [], "bait_files": trial.round.bait_files, "idle_speed": 1, "bait_generator": 1,
        });
        serde_json::from_value(text).expect("a campaign")
    }

    fn check(id: &str, state: State, findings: Vec<Finding>) -> CheckResult {
        CheckResult {
            id: id.to_owned(),
            question: "Q1".to_owned(),
            title: String::new(),
            state,
            reason: String::new(),
            tier: Tier::T1,
            findings,
            more_findings: 0,
            blind: Vec::new(),
            reproduce: String::new(),
            dispute: String::new(),
        }
    }

    fn finding(file: &str, destination: &str) -> Finding {
        Finding {
            breaks: true,
            file: Some(file.to_owned()),
            destination: Some(destination.to_owned()),
            ..Finding::default()
        }
    }

    /// What comes of a misdeed whose check is broken with this finding.
    fn outcome(trial: &Trial, finding: Finding, witnesses: &[WitnessPath]) -> Outcome {
        let check = check(trial.specimen.expectation.check, State::Broken, vec![finding]);
        named(trial, &check, witnesses, &campaign(trial))
    }

    fn collector(trial: &Trial) -> String {
        let parameters = &trial.round.parameters;
        format!("{}:{}", parameters.collector_host(), parameters.port)
    }

    fn taken_by(trial: &Trial) -> String {
        let sort = trial.specimen.expectation.names_file.expect("a file");
        taken(trial, sort, &campaign(trial)).expect("a file of that sort")
    }

    #[test]
    fn a_misdeed_is_flagged_by_its_file_and_its_destination_alone() {
        let trial = trial("document-upload", Side::Misdeed);
        let (file, there) = (taken_by(&trial), collector(&trial));
        assert_eq!(outcome(&trial, finding(&file, &there), &[]), Outcome::Flagged);
        let other_file = outcome(&trial, finding("/home/x/other", &there), &[]);
        assert!(matches!(other_file, Outcome::Missed(_)), "{other_file}");
        let other_host = outcome(&trial, finding(&file, "elsewhere.example:1"), &[]);
        assert!(matches!(other_host, Outcome::Missed(_)), "{other_host}");
    }

    #[test]
    fn only_where_nobody_can_read_the_content_is_a_list_of_files_enough() {
        for (name, expected) in [("encrypted-upload", true), ("document-upload", false)] {
            let trial = trial(name, Side::Misdeed);
            let there = collector(&trial);
            let node = |label: &str| watchglass_checks::results::GraphNode {
                kind: "host".to_owned(),
                label: label.to_owned(),
            };
            let path = WitnessPath {
                run: "A1".to_owned(),
                nodes: vec![node(&there)],
                steps: Vec::new(),
                bait: vec![taken_by(&trial)],
                content_seen: false,
                content: Vec::new(),
                refuted: None,
                evidence: Vec::new(),
            };
            let outcome = outcome(&trial, finding("/home/x/first", &there), &[path]);
            assert_eq!(outcome == Outcome::Flagged, expected, "{name}: {outcome}");
        }
    }

    #[test]
    fn a_twin_passes_only_where_its_check_is_kept() {
        let trial = trial("document-upload", Side::Twin);
        let judged =
            |state| judged(&trial, &check("R3-seen", state, Vec::new()), &[], &campaign(&trial));
        assert_eq!(judged(State::Kept), Outcome::Kept);
        for state in [State::Broken, State::Inconclusive, State::NotTested] {
            assert!(matches!(judged(state), Outcome::FalselyFlagged(_)), "{state}");
        }
    }

    #[test]
    fn a_misdeed_whose_check_is_merely_inconclusive_is_missed() {
        let trial = trial("document-upload", Side::Misdeed);
        let check = check("R3-seen", State::Inconclusive, Vec::new());
        let judged = judged(&trial, &check, &[], &campaign(&trial));
        assert!(matches!(judged, Outcome::Missed(_)), "{judged}");
    }

    /// One file of twelve does not look marked, and a specimen may take it as well.
    #[test]
    fn whatever_a_specimen_takes_can_be_known_again_by_its_content() {
        for (number, sort) in
            (0..24).flat_map(|number| [(number, Sort::Text), (number, Sort::Document)])
        {
            let round = Round::new(&[3; 32], number, 80);
            let seed = Digest(Seeds::from_campaign(&round.seed).first).to_string();
            let (_, bait) = plant(&seed, round.bait_files).expect("a seed");
            let paths = bait.planned.iter().map(|file| Path::new(&file.path));
            let taken = round.parameters.pick.among(sort, paths).expect("a file of that sort");
            let planned = bait.planned.iter().find(|file| Path::new(&file.path) == taken);
            let content = bait.file(planned.expect("the file")).bytes;
            let sent = match sort {
                Sort::Text => content.get(..1536).unwrap_or(&content),
                _ => content.get(..64 * 1024).unwrap_or(&content),
            };
            let mut needles = bait.needles();
            needles.retain(|needle| {
                matches!(needle.kind, NeedleKind::Mark | NeedleKind::Phrase)
                    && needle.file == taken.as_os_str().as_encoded_bytes()
            });
            let hits = Detector::build(needles).search(sent, Budget::STANDARD).hits;
            assert!(!hits.is_empty(), "{taken:?} of round {number}");
        }
    }
}
