//! N3, N7: what is in the bytes that leave, and what in them identifies somebody.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_claims::{Domain, FieldClass};
use watchglass_events::{Name, Process};

use super::Draft;
use super::files::judged;
use super::network::unmet_contacts;
use crate::case::{Case, Run};
use crate::contacts::{Contact, Contacts, DNS_PORT, End};
use crate::results::{CheckResult, Finding, Identifier, RunValue, State};

/// N3: is there planted data in what leaves, and is every field of every message claimed?
pub(super) fn n3(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "N3", "Q1", "Payload classified")
        .reproduce("watchglass recheck BUNDLE: the marks are made again from the seeds in campaign.json")
        .dispute("Name the documentation that claims the field, or show that the bytes do not come from the file.")
        .blind("Salted digests and encrypted content cannot be recognised.")
        .blind("Substitution by an own alphabet and XOR with a key are not undone by this version.");
    let (mut searched, mut exhausted) = (0_u64, false);
    for run in judged(case) {
        let contacts = run.contacts();
        for (end, contact) in contacts.of_subject() {
            for (bytes, row) in payloads(run, contact) {
                searched = searched.saturating_add(super::network::length(&bytes));
                let search = run.planted.search(&bytes);
                exhausted |= search.exhausted;
                for hit in search.hits {
                    planted_data(run, contacts, end, &hit, &row, &mut draft);
                }
            }
            unclaimed_fields(run, contacts, end, contact, &mut draft);
        }
        exhausted |= asked_names(run, contacts, &mut draft);
    }
    if draft.breaks() > 0 {
        return draft.result(
            State::Broken,
            "What it sends holds planted data, or fields that it does not claim.",
        );
    }
    if exhausted {
        return draft
            .result(State::Inconclusive, "Some payload unpacks to more than the search may read.");
    }
    if searched == 0 {
        return draft.result(State::Inconclusive, "It sent nothing, so nothing was exercised.");
    }
    if let Some(first) = unmet_contacts(case).first() {
        return draft
            .result(State::Inconclusive, format!("A claimed contact was not exercised: {first}."));
    }
    draft.result(
        State::Kept,
        format!("No planted data in {searched} bytes that it sent, and every field is claimed."),
    )
}

/// Everything that left towards a far end, stream by stream, with the row that shows it.
fn payloads(run: &Run, contact: &Contact) -> Vec<(Vec<u8>, crate::results::Evidence)> {
    let mut payloads = Vec::new();
    for stream in &contact.streams {
        payloads.push((stream.sent.clone(), run.row("gate.log", stream.row)));
    }
    let mut joined = Vec::new();
    for (data, row) in &contact.datagrams {
        joined.extend_from_slice(data);
        payloads.push((data.clone(), run.row("gate.log", *row)));
    }
    if let Some(row) = contact.evidence.first().filter(|_| contact.datagrams.len() > 1) {
        payloads.push((joined, row.clone()));
    }
    let known = !contact.streams.is_empty() || !contact.datagrams.is_empty();
    if let Some(row) = contact.evidence.first().filter(|_| !known) {
        payloads.extend(contact.raw.iter().map(|bytes| (bytes.clone(), row.clone())));
    }
    payloads
}

/// Everything planted that was seen in what left towards a far end.
pub(crate) fn carried(
    run: &Run,
    contacts: &Contacts,
    end: &End,
    contact: &Contact,
) -> Vec<crate::bait::Hit> {
    let mut hits: Vec<crate::bait::Hit> = Vec::new();
    for (bytes, _) in payloads(run, contact) {
        hits.extend(run.planted.search(&bytes).hits);
    }
    if end.1 == DNS_PORT {
        let asked = contacts.questions.iter().filter(|question| !question.canary);
        let names: Vec<&[u8]> = asked.map(|question| question.name.as_bytes()).collect();
        hits.extend(run.planted.search_names(&names).hits);
    }
    hits
}

/// Data can be cut into the names that a resolver is asked for.
fn asked_names(run: &Run, contacts: &Contacts, draft: &mut Draft) -> bool {
    let asked: Vec<&crate::contacts::Question> =
        contacts.questions.iter().filter(|question| !question.canary).collect();
    let names: Vec<&[u8]> = asked.iter().map(|question| question.name.as_bytes()).collect();
    let search = run.planted.search_names(&names);
    for hit in search.hits {
        draft.find(Finding {
            text: format!(
                "{} was asked of the resolver in run {} under {}",
                hit.what, run.plan.name, hit.transforms
            ),
            breaks: true,
            file: hit.file,
            destination: asked.first().map(|question| format!("{}:53", question.name)),
            program: None,
            evidence: asked
                .iter()
                .take(5)
                .map(|question| run.row("gate.log", question.row))
                .collect(),
        });
    }
    search.exhausted
}

fn planted_data(
    run: &Run,
    contacts: &Contacts,
    end: &End,
    hit: &crate::bait::Hit,
    row: &crate::results::Evidence,
    draft: &mut Draft,
) {
    let host = contacts.shown(end);
    let how = if hit.transforms.is_empty() {
        String::new()
    } else {
        format!(" under {}", hit.transforms)
    };
    draft.find(Finding {
        text: format!("{} reached {host}{how} in run {}", hit.what, run.plan.name),
        breaks: true,
        file: hit.file.clone(),
        destination: Some(host),
        program: contacts.of_subject().find(|(other, _)| *other == end).and_then(|(_, contact)| {
            let (process, _) = contact.processes.first_key_value()?;
            program(run, *process)
        }),
        evidence: vec![row.clone()],
    });
}

fn program(run: &Run, process: Process) -> Option<String> {
    run.processes.image_at(process, u64::MAX).map(|image| image.path.to_string())
}

/// The domains of the processes that a stream may come from, as they were when they sent. What has
/// no domain claims nothing, and N1 says so of every contact it makes.
fn domains_of<'a>(
    run: &'a Run,
    contact: &Contact,
    processes: &BTreeSet<Process>,
) -> Vec<&'a Domain> {
    let bound = processes.iter().filter(|process| run.processes.is_bound(**process));
    let domains = bound.filter_map(|process| contact.domains.get(process)).flatten().flatten();
    let names: BTreeSet<&String> = domains.collect();
    names.into_iter().filter_map(|name| run.product.domains.get(name)).collect()
}

/// Fields of messages that no claim names, or that are longer than claimed.
fn unclaimed_fields(
    run: &Run,
    contacts: &Contacts,
    end: &End,
    contact: &Contact,
    draft: &mut Draft,
) {
    let (host, senders) = (contacts.shown(end), run.senders());
    let mut told = BTreeSet::new();
    for stream in &contact.streams {
        let domains = domains_of(run, contact, &senders.of_stream(run, end, contact, stream));
        for request in stream.requests() {
            for field in request.fields() {
                let beyond =
                    domains.iter().find_map(|domain| beyond_claim(domain, end, contact, &field));
                let Some(beyond) = beyond else { continue };
                if !told.insert((field.name.clone(), beyond.clone())) {
                    continue;
                }
                draft.find(Finding {
                    text: format!(
                        "Field {} to {host} in run {} {beyond}: {}",
                        field.name,
                        run.plan.name,
                        excerpt(&field.value)
                    ),
                    breaks: true,
                    destination: Some(host.clone()),
                    evidence: vec![run.row("gate.log", stream.row)],
                    ..Finding::default()
                });
            }
        }
    }
}

fn beyond_claim(
    domain: &Domain,
    end: &End,
    contact: &Contact,
    field: &crate::wire::Field,
) -> Option<String> {
    let address = end.0.to_string();
    let there = |sends: &&watchglass_claims::Sends| {
        contact.hosts.iter().chain([&address]).any(|host| sends.to.matches(host))
    };
    let sends = domain.sends.iter().filter(there);
    let mut claims = sends
        .flat_map(|sends| &sends.fields)
        .filter(|claim| claim.name.eq_ignore_ascii_case(&field.name));
    let Some(claim) = claims.next() else {
        // Which method is used is told by every request; a claim of its fields implies it.
        let implied = field.name == "method" && matches!(field.value.as_slice(), b"GET" | b"HEAD");
        return (!implied).then(|| "is not claimed".to_owned());
    };
    let length = super::network::length(&field.value);
    (length > claim.max_bytes)
        .then(|| format!("is longer than the claimed {} bytes", claim.max_bytes))
}

fn excerpt(value: &[u8]) -> String {
    let shown = Name::new(value.get(..MAX_EXCERPT).unwrap_or(value)).to_string();
    if value.len() > MAX_EXCERPT { format!("{shown}… ({} bytes)", value.len()) } else { shown }
}

/// Bytes of a value that a finding shows.
const MAX_EXCERPT: usize = 120;

/// N7: does a value persist and tell installations apart?
pub(super) fn n7(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "N7", "Q1", "Identifiers")
        .reproduce("Compare the field in the runs A1, A2 (same world) and B (other world, other seed)")
        .dispute("Show that the value does not depend on the installation, or claim it as id(scope, rotation).")
        .blind("An identifier that needs more than two starts or two worlds to show itself.");
    let identifiers = identifiers(case);
    for identifier in identifiers.iter().filter(|identifier| !identifier.claimed) {
        let stored = identifier.stored_in.as_ref().map(|path| format!("; it lies in {path}"));
        draft.find(Finding {
            text: format!(
                "{} sends an identifier that persists to {} in {}: {}{}",
                identifier.program,
                identifier.destination,
                identifier.place,
                identifier.values.first().map_or("", |value| value.value.as_str()),
                stored.unwrap_or_default(),
            ),
            breaks: true,
            destination: Some(identifier.destination.clone()),
            program: Some(identifier.program.clone()),
            file: None,
            evidence: identifier.evidence.clone(),
        });
    }
    if draft.breaks() > 0 {
        return draft.result(
            State::Broken,
            "It sends a value that stays the same in one installation and differs in another.",
        );
    }
    let compared = [("A1"), ("A2"), ("B")]
        .iter()
        .all(|name| case.run(name).is_some_and(|run| !messages(run).is_empty()));
    if !compared {
        return draft.result(
            State::Inconclusive,
            "Not all of the runs A1, A2 and B sent a message that can be compared.",
        );
    }
    draft.result(
        State::Kept,
        "No field that it sends stays the same in one installation and differs in another.",
    )
}

/// Identifiers by comparison of runs: same in A1 and A2, another in B.
pub(crate) fn identifiers(case: &Case) -> Vec<Identifier> {
    let (Some(first), Some(again), Some(other)) = (case.run("A1"), case.run("A2"), case.run("B"))
    else {
        return Vec::new();
    };
    let (in_first, in_again, in_other) = (messages(first), messages(again), messages(other));
    let mut identifiers = Vec::new();
    for (place, value) in &in_first {
        let (Some(same), Some(different)) = (in_again.get(place), in_other.get(place)) else {
            continue;
        };
        let persists = value.values.intersection(&same.values).next();
        let Some(persisting) = persists.filter(|value| !different.values.contains(*value)) else {
            continue;
        };
        let run_value = |run: &Run, value: &[u8]| RunValue {
            run: run.plan.name.clone(),
            value: excerpt(value),
        };
        let theirs = different.values.first().map(Vec::as_slice).unwrap_or_default();
        identifiers.push(Identifier {
            place: format!("field {}", place.1),
            destination: place.0.clone(),
            program: value.program.clone(),
            values: vec![run_value(first, persisting), run_value(again, persisting), run_value(other, theirs)],
            stored_in: stored_in(first, persisting),
            meaning: "It stays the same when the product runs again in the same installation, and differs in another.".to_owned(),
            claimed: is_claimed_identifier(first, &place.1),
            evidence: value.evidence.iter().chain(&same.evidence).chain(&different.evidence).cloned().collect(),
        });
    }
    identifiers
}

/// The values of one field in one run.
#[derive(Default)]
struct Values {
    values: BTreeSet<Vec<u8>>,
    program: String,
    evidence: Vec<crate::results::Evidence>,
}

/// Every field that a run sent, by destination and name.
fn messages(run: &Run) -> BTreeMap<(String, String), Values> {
    let mut messages: BTreeMap<(String, String), Values> = BTreeMap::new();
    let contacts = run.contacts();
    for (end, contact) in contacts.of_subject() {
        let host = contacts.shown(end);
        let sender =
            contact.processes.first_key_value().and_then(|(process, _)| program(run, *process));
        for stream in &contact.streams {
            for field in stream.requests().iter().flat_map(crate::wire::Request::fields) {
                let values = messages.entry((host.clone(), field.name)).or_default();
                values.values.insert(field.value);
                values.program = sender.clone().unwrap_or_else(|| "an unknown program".to_owned());
                if values.evidence.is_empty() {
                    values.evidence.push(run.row("gate.log", stream.row));
                }
            }
        }
    }
    for question in contacts.questions.iter().filter(|question| !question.canary) {
        let values = messages
            .entry(("the resolver".to_owned(), format!("question {}", question.kind)))
            .or_default();
        values.values.insert(question.name.clone().into_bytes());
        if values.evidence.is_empty() {
            values.evidence.push(run.row("gate.log", question.row));
        }
    }
    messages
}

/// The file on disk that holds a part of the value that is long enough to be no accident.
fn stored_in(run: &Run, value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let tokens: Vec<&str> = text
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .filter(|token| token.len() >= MIN_TOKEN_BYTES)
        .collect();
    run.overlay.events.iter().find_map(|event| {
        let watchglass_events::What::Differs { path, content: Some(content), .. } = &event.what
        else {
            return None;
        };
        let holds = |token: &&str| {
            content.as_bytes().windows(token.len()).any(|window| window == token.as_bytes())
        };
        tokens.iter().any(holds).then(|| path.to_string())
    })
}

/// A token of 16 characters is no accident: 64 bits and more in hexadecimal digits.
const MIN_TOKEN_BYTES: usize = 16;

fn is_claimed_identifier(run: &Run, name: &str) -> bool {
    let sends = run.product.domains.values().flat_map(|domain| &domain.sends);
    let mut claims = sends.flat_map(|sends| &sends.fields);
    claims.any(|claim| {
        claim.name.eq_ignore_ascii_case(name) && matches!(claim.class, FieldClass::Id(..))
    })
}
