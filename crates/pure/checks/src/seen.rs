//! What was seen, for the reader to look at, and the claims beside it.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_claims::Domain;
use watchglass_events::{Event, Name, Transport, What};
use watchglass_evidence::WorldKind;

use crate::case::{Case, Run};
use crate::contacts::{Contact, Contacts, DNS_PORT, reached};
use crate::explained::REFUTED;
use crate::graph::Node;
use crate::results::{
    ClaimRow, Conservation, Destination, FolderCount, GraphNode, PhaseSpan, Program, ResidueRow,
    Seen, State, TimelinePoint, WitnessPath,
};
use crate::rules::{bound, identifiers, in_words, named, opaque_bytes, reads, written};
use crate::{rules, wire};

/// Steps of the timeline in one run.
const TIMELINE_STEPS: u64 = 120;
/// Most rows of a list of the report.
const MAX_ROWS: usize = 500;
/// Most folders of a program.
const MAX_FOLDERS: usize = 12;

/// Everything that was seen.
#[must_use]
pub(crate) fn seen(case: &Case) -> Seen {
    Seen {
        programs: case.run("A1").map(programs).unwrap_or_default(),
        destinations: destinations(case),
        identifiers: identifiers(case),
        phases: case.runs.iter().flat_map(phases).collect(),
        timeline: case.runs.iter().flat_map(timeline).collect(),
        witnesses: case.runs.iter().flat_map(|run| witnesses(case, run)).collect(),
        residue: case.run("A1").map(|run| residue(case, run)).unwrap_or_default(),
        conservation: case.runs.iter().map(conservation).collect(),
    }
}

/// Milliseconds from the beginning of a run.
#[must_use]
pub(crate) fn since_ms(run: &Run, at_ns: u64) -> u64 {
    at_ns.saturating_sub(run.began_ns()).checked_div(1_000_000).unwrap_or(0)
}

fn programs(run: &Run) -> Vec<Program> {
    let mut by_path: BTreeMap<String, Seeing> = BTreeMap::new();
    for event in bound(run) {
        let program = run.processes.program(event);
        let seeing = by_path.entry(program).or_default();
        seeing.domain = run.processes.domain(event).map(str::to_owned).or(seeing.domain.take());
        match &event.what {
            What::Executed { digest, .. } => {
                seeing.runs = seeing.runs.saturating_add(1);
                seeing.sha256 = digest.map(|digest| digest.to_string());
            }
            What::Read { bytes, .. } => {
                seeing.read_bytes = seeing.read_bytes.saturating_add(*bytes)
            }
            _ => {}
        }
        for path in written(&event.what) {
            let claimed = rules::may_write(run, event, path);
            seeing.writes.insert((path.clone(), claimed));
        }
    }
    for read in reads(run) {
        let seeing = by_path.entry(run.processes.program(read.event)).or_default();
        seeing.reads.insert((read.path.clone(), read.claimed));
        if run.planted.is_bait(read.path) {
            seeing.bait.insert(read.path.clone());
        }
    }
    let contacts = run.contacts();
    for (end, contact) in contacts.of_subject() {
        for process in contact.processes.keys().filter(|process| run.processes.is_bound(**process))
        {
            let Some(image) = run.processes.image_at(*process, u64::MAX) else { continue };
            let seeing = by_path.entry(image.path.to_string()).or_default();
            seeing.contacts.insert(contacts.shown(end));
        }
    }
    by_path.into_iter().map(|(path, seeing)| seeing.into_program(path)).collect()
}

#[derive(Default)]
struct Seeing {
    domain: Option<String>,
    sha256: Option<String>,
    runs: u64,
    read_bytes: u64,
    reads: BTreeSet<(Name, bool)>,
    writes: BTreeSet<(Name, bool)>,
    bait: BTreeSet<Name>,
    contacts: BTreeSet<String>,
}

impl Seeing {
    fn into_program(self, path: String) -> Program {
        Program {
            path,
            sha256: self.sha256,
            domain: self.domain,
            runs: self.runs,
            bait_files: count(self.bait.len()),
            read_bytes: self.read_bytes,
            reads: folders(&self.reads),
            writes: folders(&self.writes),
            contacts: self.contacts.into_iter().collect(),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Paths by folder: two segments deep, which is where packages keep what belongs together.
fn folders(paths: &BTreeSet<(Name, bool)>) -> Vec<FolderCount> {
    let mut by_folder: BTreeMap<Vec<u8>, (u64, bool)> = BTreeMap::new();
    for (path, claimed) in paths {
        let entry = by_folder.entry(folder(path.as_bytes())).or_insert((0, true));
        entry.0 = entry.0.saturating_add(1);
        entry.1 &= claimed;
    }
    let shown = |(folder, (files, claimed)): (Vec<u8>, (u64, bool))| FolderCount {
        folder: Name::new(folder).to_string(),
        files,
        claimed,
    };
    let mut folders: Vec<FolderCount> = by_folder.into_iter().map(shown).collect();
    folders.sort_by_key(|folder| (folder.claimed, std::cmp::Reverse(folder.files)));
    folders.truncate(MAX_FOLDERS);
    folders
}

fn folder(path: &[u8]) -> Vec<u8> {
    let mut folder = Vec::new();
    let segments: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|s| !s.is_empty()).collect();
    let depth = segments.len().saturating_sub(1).clamp(1, 3);
    for segment in segments.iter().take(depth) {
        folder.push(b'/');
        folder.extend_from_slice(segment);
    }
    folder
}

fn destinations(case: &Case) -> Vec<Destination> {
    let mut rows: BTreeMap<(String, u16, String), Destination> = BTreeMap::new();
    for run in &case.runs {
        let contacts = run.contacts();
        for (end, contact) in contacts.of_subject() {
            let transports = contact.transports.iter().map(|transport| wire::transport(*transport));
            let transport = transports.collect::<Vec<_>>().join(", ");
            let host = contact.hosts.first().cloned().unwrap_or_else(|| end.0.to_string());
            let row = rows.entry((host.clone(), end.1, transport.clone())).or_insert_with(|| {
                Destination {
                    host,
                    address: end.0.to_string(),
                    port: end.1,
                    transport,
                    service: service(end.1, contact),
                    claimed: true,
                    ..Destination::default()
                }
            });
            row.flows = row.flows.saturating_add(contact.flows);
            // In place there is no link; what the processes sent is then all there is to tell.
            let sent = match case.campaign.world {
                WorldKind::InPlace => contact.process_sent,
                WorldKind::Debian | WorldKind::Host => contact.link_sent,
            };
            row.sent_bytes = row.sent_bytes.saturating_add(sent);
            row.received_bytes = row.received_bytes.saturating_add(contact.link_received);
            row.claimed &= is_claimed(run, contacts, *end, contact);
            push_new(&mut row.runs, run.plan.name.clone());
            let bound =
                contact.processes.keys().filter(|process| run.processes.is_bound(**process));
            for process in bound {
                let image = run.processes.image_at(*process, u64::MAX);
                push_new(
                    &mut row.senders,
                    image.map_or_else(
                        || "an unknown program".to_owned(),
                        |image| image.path.to_string(),
                    ),
                );
            }
            if row.sample.is_empty() {
                row.sample = sample(*end, contacts, contact);
            }
        }
    }
    rows.into_values().take(MAX_ROWS).collect()
}

fn push_new(list: &mut Vec<String>, value: String) {
    if !list.contains(&value) {
        list.push(value);
    }
}

fn service(port: u16, contact: &Contact) -> String {
    if port == DNS_PORT {
        return "dns".to_owned();
    }
    let Some(stream) = contact.streams.first() else { return "nothing answered".to_owned() };
    match &stream.tls {
        _ if stream.is_refused_by_subject() => "tls, refused by the subject".to_owned(),
        Some(tls) => format!("{} {}", tls.version, stream.service),
        None => stream.service.clone(),
    }
}

fn is_claimed(
    run: &Run,
    contacts: &Contacts,
    end: (std::net::IpAddr, u16),
    contact: &Contact,
) -> bool {
    let domains = || run.product.domains.values().flat_map(|domain| &domain.contacts);
    if end.1 == DNS_PORT {
        let may_ask = |question: &crate::contacts::Question| {
            let mut domains = run.product.domains.values();
            domains.any(|domain| domain.may_ask(&question.name, question.kind.question()))
        };
        return contacts.questions.iter().filter(|question| !question.canary).all(may_ask);
    }
    let udp = !contact.transports.contains(&Transport::Tcp);
    let mut hosts = contact.hosts.iter().cloned().chain([end.0.to_string()]);
    hosts.any(|host| domains().any(|claim| claim.covers(&host, end.1, udp)))
}

fn sample(end: (std::net::IpAddr, u16), contacts: &Contacts, contact: &Contact) -> String {
    if end.1 == DNS_PORT {
        let names: BTreeSet<&str> = contacts
            .questions
            .iter()
            .filter(|question| !question.canary)
            .map(|question| question.name.as_str())
            .collect();
        return names.into_iter().take(6).collect::<Vec<_>>().join(", ");
    }
    let first = contact.streams.iter().flat_map(wire::Stream::requests).next();
    first.map_or_else(String::new, |request| {
        let agent = request
            .header("user-agent")
            .map(|agent| format!(" · User-Agent: {}", Name::new(agent)));
        request.line() + &agent.unwrap_or_default()
    })
}

fn phases(run: &Run) -> Vec<PhaseSpan> {
    let mut spans: Vec<PhaseSpan> = Vec::new();
    for event in &run.lab.events {
        match &event.what {
            What::StepStarted { phase, .. } => {
                let at = since_ms(run, event.at_ns);
                if spans.last().is_none_or(|last| last.phase != *phase) {
                    spans.push(PhaseSpan {
                        run: run.plan.name.clone(),
                        phase: phase.clone(),
                        from_ms: at,
                        to_ms: at,
                        outcome: "did not end".to_owned(),
                        expected: true,
                    });
                }
            }
            What::StepEnded { phase, outcome, expected, .. } => {
                let at = since_ms(run, event.at_ns);
                if let Some(span) = spans.iter_mut().rev().find(|span| span.phase == *phase) {
                    span.to_ms = at;
                    span.outcome = in_words(outcome);
                    span.expected &= expected;
                }
            }
            _ => {}
        }
    }
    spans
}

fn timeline(run: &Run) -> Vec<TimelinePoint> {
    let step_ms =
        since_ms(run, rules::ended_ns(run)).checked_div(TIMELINE_STEPS).unwrap_or(0).max(1);
    let mut points: BTreeMap<(u64, String), TimelinePoint> = BTreeMap::new();
    let mut at = |event: &Event, change: &dyn Fn(&mut TimelinePoint)| {
        let program = run.processes.program(event);
        let step = since_ms(run, event.at_ns).checked_div(step_ms).unwrap_or(0);
        let point = points.entry((step, program.clone())).or_insert_with(|| TimelinePoint {
            run: run.plan.name.clone(),
            program,
            at_ms: step.saturating_mul(step_ms),
            step_ms,
            opens: 0,
            bait_opens: 0,
            sent_bytes: 0,
        });
        change(point);
    };
    for read in reads(run) {
        let bait = u64::from(run.planted.is_bait(read.path));
        at(read.event, &|point| {
            point.opens = point.opens.saturating_add(1);
            point.bait_opens = point.bait_opens.saturating_add(bait);
        });
    }
    let mut peers = BTreeMap::new();
    for event in bound(run) {
        if let Some((_, bytes)) = reached(event, &mut peers) {
            at(event, &|point| point.sent_bytes = point.sent_bytes.saturating_add(bytes));
        }
    }
    points.into_values().collect()
}

fn witnesses(case: &Case, run: &Run) -> Vec<WitnessPath> {
    let contacts = run.contacts();
    run.witnesses(case).iter().map(|found| witness(run, contacts, found)).collect()
}

fn witness(run: &Run, contacts: &Contacts, found: &rules::Witness) -> WitnessPath {
    let path = &found.path;
    let first = path.edges.first().map(|edge| &edge.from);
    let nodes = first.into_iter().chain(path.edges.iter().map(|edge| &edge.to));
    WitnessPath {
        run: run.plan.name.clone(),
        nodes: nodes.map(|node| shown(run, contacts, node)).collect(),
        steps: path.edges.iter().map(|edge| edge.verb.to_owned()).collect(),
        bait: found.bait.iter().map(ToString::to_string).collect(),
        content_seen: !found.content.is_empty(),
        content: found.content.clone(),
        refuted: found.unexplained.is_none().then(|| REFUTED.to_owned()),
        evidence: path.edges.iter().map(|edge| run.row("sensor.log", edge.row)).collect(),
    }
}

fn shown(run: &Run, contacts: &Contacts, node: &Node) -> GraphNode {
    let (kind, label) = match node {
        Node::Bait(path) => ("bait", path.to_string()),
        Node::Path(path) => ("file", path.to_string()),
        Node::Process(process) => {
            let image = run.processes.image_at(*process, u64::MAX);
            let program =
                image.map_or_else(|| "unknown".to_owned(), |image| image.path.to_string());
            ("process", format!("{program} ({})", process.pid))
        }
        Node::Object(file) => ("pipe", format!("{:?} {}", file.kind, file.inode).to_lowercase()),
        Node::Meeting(name) => ("socket", name.to_string()),
        Node::Host(name) => ("host", named(contacts, &name.to_string())),
    };
    GraphNode { kind: kind.to_owned(), label }
}

fn residue(case: &Case, run: &Run) -> Vec<ResidueRow> {
    let mut writers: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
    for event in bound(run) {
        for path in written(&event.what) {
            writers.entry(path.clone()).or_default().insert(run.processes.program(event));
        }
    }
    let set_up = rules::made_by_set_up(case, run);
    let rows = run.overlay.events.iter().filter_map(|event| {
        let What::Differs { path, change, kind, bytes, .. } = &event.what else { return None };
        if case.is_canary_file(&event.what) {
            return None;
        }
        let is_folder = *kind == watchglass_events::FileKind::Directory;
        if is_folder && *change == watchglass_events::Change::Modified {
            return None;
        }
        let change = match change {
            watchglass_events::Change::Added => "added",
            watchglass_events::Change::Modified => "modified",
            watchglass_events::Change::Removed => "removed",
        };
        Some(ResidueRow {
            path: path.to_string(),
            change: change.to_owned(),
            bytes: *bytes,
            claimed: set_up.contains(path) || run.claimed.any_writes(path.as_bytes()),
            writers: writers.get(path).into_iter().flatten().cloned().collect(),
        })
    });
    rows.take(MAX_ROWS).collect()
}

fn conservation(run: &Run) -> Conservation {
    let contacts = run.contacts();
    let mut row = Conservation {
        run: run.plan.name.clone(),
        link_bytes: 0,
        process_bytes: 0,
        explained_bytes: 0,
        opaque_bytes: 0,
    };
    for (end, contact) in contacts.of_subject() {
        let opaque = opaque_bytes(end, contact).min(contact.link_sent);
        row.link_bytes = row.link_bytes.saturating_add(contact.link_sent);
        row.process_bytes = row.process_bytes.saturating_add(contact.process_sent);
        row.opaque_bytes = row.opaque_bytes.saturating_add(opaque);
        row.explained_bytes =
            row.explained_bytes.saturating_add(contact.link_sent.saturating_sub(opaque));
    }
    row
}

/// Every claim with what was seen of it.
#[must_use]
pub(crate) fn claims(case: &Case) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for (name, domain) in &case.product.domains {
        rows.extend(path_claims(case, name, "reads"));
        rows.extend(path_claims(case, name, "writes"));
        rows.extend(contact_claims(case, name, domain));
        rows.extend(sends_claims(case, name, domain));
    }
    rows
}

fn path_claims(case: &Case, domain: &str, kind: &'static str) -> Vec<ClaimRow> {
    let mut covered: BTreeMap<String, (BTreeSet<Name>, Vec<crate::results::Evidence>)> =
        BTreeMap::new();
    for run in case.runs.iter().filter(|run| run.plan.configured) {
        let Some(filled) = run.product.domains.get(domain) else { continue };
        let globs = if kind == "reads" { &filled.reads } else { &filled.writes };
        for glob in globs {
            covered.entry(glob.clone()).or_default();
        }
        let Ok(paths) = watchglass_claims::PathClaims::parse(globs) else { continue };
        for (event, path) in
            touched(run, kind).filter(|(event, _)| run.processes.domain(event) == Some(domain))
        {
            let Some(glob) = paths.find(path.as_bytes()) else { continue };
            let (files, evidence) = covered.entry(glob.as_str().to_owned()).or_default();
            if files.insert(path.clone()) && evidence.len() < 3 {
                evidence.push(run.sensed(event));
            }
        }
    }
    covered
        .into_iter()
        .map(|(glob, (files, evidence))| path_row(domain, kind, glob, files.len(), evidence))
        .collect()
}

fn path_row(
    domain: &str,
    kind: &str,
    claimed: String,
    files: usize,
    evidence: Vec<crate::results::Evidence>,
) -> ClaimRow {
    let vacuous = watchglass_claims::Glob::parse(&claimed).is_ok_and(|glob| glob.is_everything());
    ClaimRow {
        domain: domain.to_owned(),
        kind: kind.to_owned(),
        claimed,
        permits: format!(
            "to {} any file that matches",
            if kind == "reads" { "read" } else { "write" }
        ),
        seen: match files {
            0 => "nothing".to_owned(),
            1 => "1 path".to_owned(),
            more => format!("{more} paths"),
        },
        state: if files == 0 { State::Inconclusive } else { State::Kept },
        vacuous,
        evidence,
    }
}

fn touched<'a>(run: &'a Run, kind: &str) -> Box<dyn Iterator<Item = (&'a Event, &'a Name)> + 'a> {
    if kind == "reads" {
        return Box::new(reads(run).map(|read| (read.event, read.path)));
    }
    Box::new(bound(run).flat_map(|event| written(&event.what).map(move |path| (event, path))))
}

fn contact_claims(case: &Case, name: &str, domain: &Domain) -> Vec<ClaimRow> {
    let unmet = rules::unmet_contacts(case);
    let row = |claim: &watchglass_claims::Contact| {
        let shown = format!("{}:{}", claim.host, claim.port);
        let met = !unmet.contains(&format!("{name} to {shown}"));
        ClaimRow {
            domain: name.to_owned(),
            kind: "contacts".to_owned(),
            claimed: format!("{shown} ({})", claim.purpose),
            permits: "connections at any time; what may be sent is claimed apart".to_owned(),
            seen: if met { "a readable exchange" } else { "no readable exchange" }.to_owned(),
            state: if met { State::Kept } else { State::Inconclusive },
            vacuous: claim.host.is_wildcard(),
            evidence: Vec::new(),
        }
    };
    domain.contacts.iter().map(row).collect()
}

fn sends_claims(case: &Case, name: &str, domain: &Domain) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for sends in &domain.sends {
        for field in &sends.fields {
            let values = values_of(case, &sends.to, &field.name);
            let per_day = sends
                .per_day
                .map_or_else(|| "without limit".to_owned(), |n| format!("{n} times a day"));
            rows.push(ClaimRow {
                domain: name.to_owned(),
                kind: "sends".to_owned(),
                claimed: format!("{} to {}: {}", field.name, sends.to, field.class),
                permits: format!("{} bytes, {per_day}", field.max_bytes),
                seen: match values.len() {
                    0 => "never sent".to_owned(),
                    1 => values.first().cloned().unwrap_or_default(),
                    more => format!("{more} different values"),
                },
                state: if values.is_empty() { State::Inconclusive } else { State::Kept },
                vacuous: sends.per_day.is_none(),
                evidence: Vec::new(),
            });
        }
    }
    rows
}

fn values_of(case: &Case, to: &watchglass_claims::Host, field: &str) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for run in case.runs.iter().filter(|run| run.plan.configured) {
        let contacts = run.contacts();
        for (_, contact) in contacts.of_subject() {
            if !contact.hosts.iter().any(|host| to.matches(host)) {
                continue;
            }
            let requests = contact.streams.iter().flat_map(wire::Stream::requests);
            let fields = requests.flat_map(|request| request.fields());
            let named = fields.filter(|sent| sent.name.eq_ignore_ascii_case(field));
            values.extend(named.map(|sent| Name::new(sent.value).to_string()));
        }
    }
    values
}
