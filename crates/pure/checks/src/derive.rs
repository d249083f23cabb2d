//! From evidence to the verdict document.

use serde_json::Value;
use watchglass_evidence::{InventoryFile, Network, WorldKind};

use crate::case::{Case, Run};
use crate::results::{
    CheckResult, Made, Question, Results, RunFacts, SCHEMA, State, SubjectFacts, Verdict,
};
use crate::{rules, seen};

/// Derives the results of a campaign. The same evidence gives the same results, byte for byte.
#[must_use]
pub fn derive(case: &Case) -> Results {
    let checks = rules::all(case);
    let claims = seen::claims(case);
    let questions = questions(&checks);
    let verdict = verdict(case, &checks, &claims);
    let blind = blind(case, &checks);
    printable(Results {
        schema: SCHEMA,
        subject: subject(case),
        verdict,
        questions,
        checks,
        claims,
        seen: seen::seen(case),
        blind,
        made: made(case),
    })
}

/// Names come as codes already. What else is text in a bundle, such as the product's name or the
/// kernel's, is a stranger's as well.
fn printable(results: Results) -> Results {
    let mut document = serde_json::to_value(&results).expect(DOCUMENT);
    let mut values = vec![&mut document];
    while let Some(value) = values.pop() {
        match value {
            Value::String(text) => *text = watchglass_events::printable(text).into_owned(),
            Value::Array(list) => values.extend(list),
            Value::Object(fields) => values.extend(fields.values_mut()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    serde_json::from_value(document).expect(DOCUMENT)
}

const DOCUMENT: &str = "results have no maps with keys of their own, and text stays text";

/// The questions of the NCSC with ours beside them: identifier, words.
const QUESTIONS: &[(&str, &str)] = &[
    ("Q0", "Is this the product we think it is?"),
    ("Q1", "What does it collect?"),
    ("Q2", "What could it collect?"),
    ("Q3", "What can its maker make it change?"),
    ("Q4", "What can its user control?"),
    ("Q5", "Does it do its job?"),
    ("M", "Does the lab itself work?"),
];

fn questions(checks: &[CheckResult]) -> Vec<Question> {
    let question = |&(id, text): &(&str, &str)| {
        let mine: Vec<&CheckResult> = checks.iter().filter(|check| check.question == id).collect();
        Question {
            id: id.to_owned(),
            text: text.to_owned(),
            state: mine.iter().map(|check| check.state).min().unwrap_or(State::NotTested),
            answer: answer(&mine),
            checks: mine.iter().map(|check| check.id.clone()).collect(),
        }
    };
    QUESTIONS.iter().map(question).collect()
}

/// The answer to a question: what is broken first, then what is open, then what holds.
fn answer(checks: &[&CheckResult]) -> String {
    let of = |state| {
        let mine: Vec<&str> = checks
            .iter()
            .filter(|check| check.state == state)
            .map(|check| check.id.as_str())
            .collect();
        (!mine.is_empty()).then(|| format!("{state}: {}", mine.join(", ")))
    };
    let states = [State::Broken, State::Inconclusive, State::Kept, State::NotTested];
    let parts: Vec<String> = states.into_iter().filter_map(of).collect();
    parts.join("; ")
}

/// Checks that grade 2 needs: all of Q0 to Q3 but R3-could (DESIGN §2).
fn counts_for_kept(check: &CheckResult) -> bool {
    matches!(check.question.as_str(), "Q0" | "Q1" | "Q2" | "Q3") && check.id != "R3-could"
}

fn verdict(case: &Case, checks: &[CheckResult], claims: &[crate::results::ClaimRow]) -> Verdict {
    let state = exit_state(checks);
    let grade = grade(checks, claims);
    Verdict {
        state,
        grade,
        sentence: sentence(case, checks, state),
        caps: caps(checks, claims),
        not_tested: not_tested(case, checks),
    }
}

/// Broken if any check is; else inconclusive if any check that was tried is; else kept.
///
/// D1 and P1 cannot be more than inconclusive in this version, whatever the product, so they tell
/// nothing about it and are left out here.
fn exit_state(checks: &[CheckResult]) -> State {
    let tried = checks.iter().filter(|check| check.state != State::NotTested);
    let counted = tried
        .filter(|check| check.state == State::Broken || !matches!(check.id.as_str(), "D1" | "P1"));
    counted.map(|check| check.state).min().unwrap_or(State::Inconclusive)
}

/// The grade that the rule gives, and no higher one (DESIGN §2).
#[must_use]
pub fn grade(checks: &[CheckResult], claims: &[crate::results::ClaimRow]) -> u8 {
    if checks.iter().any(|check| check.state == State::Broken) {
        return 0;
    }
    let all_kept = |wanted: &dyn Fn(&CheckResult) -> bool| {
        checks.iter().filter(|check| wanted(check)).all(|check| check.state == State::Kept)
    };
    let vacuous = claims.iter().any(|claim| claim.vacuous);
    let lab_works = all_kept(&|check| check.question == "M");
    // The leak bound that grade 2 asks for does not exist in this version, so grade 2 cannot be had.
    let leak_bound_is_met = false;
    if vacuous || !lab_works || !leak_bound_is_met || !all_kept(&counts_for_kept) {
        return 1;
    }
    if all_kept(&|check| check.id == "R3-could") { 3 } else { 2 }
}

fn sentence(case: &Case, checks: &[CheckResult], state: State) -> String {
    let name = &case.product.product.name;
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let broken: Vec<&str> = checks
        .iter()
        .filter(|check| check.state == State::Broken)
        .map(|check| check.id.as_str())
        .collect();
    match state {
        State::Broken => format!(
            "{name} does more than it claims: {} of {} checks that were tried are broken ({}).",
            broken.len(),
            checks.len().saturating_sub(count(State::NotTested)),
            broken.join(", "),
        ),
        State::Kept => format!(
            "{name} kept every claim that was tried; {} checks were not.",
            count(State::NotTested)
        ),
        State::Inconclusive | State::NotTested => {
            format!(
                "Nothing that {name} claims was seen broken, and {} checks could not be told.",
                count(State::Inconclusive)
            )
        }
    }
}

/// What stops the next grade, at most five lines.
fn caps(checks: &[CheckResult], claims: &[crate::results::ClaimRow]) -> Vec<String> {
    let mut caps: Vec<String> = checks
        .iter()
        .filter(|check| check.state == State::Broken)
        .map(|check| format!("{} is broken: {}", check.id, check.reason))
        .collect();
    caps.extend(claims.iter().filter(|claim| claim.vacuous).map(|claim| {
        format!(
            "{} of {} claims too much to say anything: {}",
            claim.kind, claim.domain, claim.claimed
        )
    }));
    let open =
        checks.iter().filter(|check| counts_for_kept(check) && check.state == State::Inconclusive);
    caps.extend(open.map(|check| format!("{} is inconclusive: {}", check.id, check.reason)));
    let untested: Vec<&str> = checks
        .iter()
        .filter(|check| counts_for_kept(check) && check.state == State::NotTested)
        .map(|check| check.id.as_str())
        .collect();
    if !untested.is_empty() {
        caps.push(format!("Not tested by this version: {}", untested.join(", ")));
    }
    caps.truncate(5);
    caps
}

fn not_tested(case: &Case, checks: &[CheckResult]) -> Vec<String> {
    let mut sentences = Vec::new();
    if case.campaign.network != Network::Real {
        sentences.push("Behaviour that the vendor's own servers arm from afar was not tested: no phase talked to them.".to_owned());
    }
    sentences.extend([
        "Behaviour that waits for a longer time, another place or another user than those of this campaign was not tested.".to_owned(),
    ]);
    let untested = checks.iter().filter(|check| check.state == State::NotTested);
    sentences
        .extend(untested.map(|check| format!("{} ({}) was not tested.", check.title, check.id)));
    sentences
}

fn blind(case: &Case, checks: &[CheckResult]) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for run in &case.runs {
        for event in &run.lab.events {
            match &event.what {
                watchglass_events::What::SourceEnded { blind, .. } => {
                    sentences.extend(blind.iter().cloned())
                }
                watchglass_events::What::Noted { text } => sentences.push(text.clone()),
                _ => {}
            }
        }
    }
    sentences.extend(checks.iter().flat_map(|check| check.blind.iter().cloned()));
    let mut told = std::collections::HashSet::new();
    sentences.retain(|sentence| told.insert(sentence.clone()));
    sentences
}

fn subject(case: &Case) -> SubjectFacts {
    let package = |line: &InventoryFile| match line {
        InventoryFile::Package(package) if package.named => {
            Some(format!("{} {}", package.name, package.version))
        }
        _ => None,
    };
    SubjectFacts {
        name: case.product.product.name.clone(),
        vendor: case.product.product.vendor.clone(),
        jurisdiction: case.product.product.jurisdiction.clone(),
        packages: case.inventory.iter().filter_map(package).collect(),
        product_file_sha256: case.product_sha256.clone(),
        inventory_sha256: case.inventory_sha256.clone(),
    }
}

fn made(case: &Case) -> Made {
    let campaign = &case.campaign;
    Made {
        assayer: campaign.assayer.clone(),
        began_unix_seconds: campaign.began_unix_seconds,
        tier: campaign.tier,
        world: match campaign.world {
            WorldKind::Debian => "debian",
            WorldKind::Host => "host",
            WorldKind::InPlace => "in_place",
        }
        .to_owned(),
        network: match campaign.network {
            Network::None => "none",
            Network::Vendor => "vendor",
            Network::Real => "real",
        }
        .to_owned(),
        runs: case.runs.iter().map(run_facts).collect(),
        kernel: case.environment.kernel.clone(),
        architecture: case.environment.architecture.clone(),
        processors: case.environment.processors,
        memory_bytes: case.environment.memory_bytes,
        locale: case.environment.locale.clone(),
        tools: case
            .environment
            .tools
            .iter()
            .map(|tool| format!("{} {} {}", tool.name, tool.version, tool.sha256))
            .collect(),
        choices: campaign
            .choices
            .iter()
            .map(|choice| format!("{}: {}", choice.what, choice.why))
            .collect(),
        sources: rules::source_facts(case),
    }
}

fn run_facts(run: &Run) -> RunFacts {
    let events = run.lab.events.len().saturating_add(run.sensor.events.len());
    let events =
        events.saturating_add(run.gate.events.len()).saturating_add(run.overlay.events.len());
    RunFacts {
        name: run.plan.name.clone(),
        seed: run.plan.seed.clone(),
        events: u64::try_from(events).unwrap_or(u64::MAX),
        took_ms: seen::since_ms(run, rules::ended_ns(run)),
    }
}
