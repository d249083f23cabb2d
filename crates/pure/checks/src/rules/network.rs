//! R3-seen, N1, N2: paths from bait to the network, flows, and whether they can be read.

use std::collections::BTreeSet;

use watchglass_events::{Name, Process, Transport};

use super::files::judged;
use super::{Draft, exercise};
use crate::case::{Case, Run};
use crate::clear_text::reconcile;
use crate::contacts::{Contact, Contacts, DNS_PORT, End};
use crate::graph::{Graph, Node};
use crate::results::{CheckResult, Finding, State};

/// R3-seen: did bait reach the network, directly or through a chain?
pub(super) fn r3_seen(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "R3-seen", "Q1", "Paths from bait to the network")
        .reproduce("watchglass recheck BUNDLE, then follow the witness path's rows in sensor.log")
        .dispute("Show, for every byte of the flow, where it comes from if not from the file.")
        .blind("Timing, and what a process could have kept in the kernel without a call that is recorded.");
    if judged(case).any(|run| run.clocks.are_laid()) {
        draft = draft.blind(SHARED_CLOCK);
    }
    let (mut read_bait, mut refuted) = (false, false);
    for run in judged(case) {
        let contacts = run.contacts();
        for witness in run.witnesses(case) {
            let (Some(first), Some(last)) = (witness.path.edges.first(), witness.path.edges.last())
            else {
                continue;
            };
            let (Node::Bait(file), Node::Host(host)) = (&first.from, &last.to) else { continue };
            let others = witness.bait.len().saturating_sub(1);
            let but = witness.unexplained.as_ref().map_or_else(
                || "; every byte of clear text is explained".to_owned(),
                |why| format!("; {why}"),
            );
            let rows = witness.path.edges.iter().map(|edge| run.row("sensor.log", edge.row));
            refuted |= witness.unexplained.is_none();
            draft.find(Finding {
                text: format!(
                    "In run {}, {file} and {others} other bait files can have reached {host} in {} steps{but}",
                    run.plan.name,
                    witness.path.edges.len()
                ),
                breaks: witness.unexplained.is_some(),
                file: Some(file.to_string()),
                destination: Some(named(contacts, &host.to_string())),
                program: sender(run, &last.from),
                evidence: rows.collect(),
            });
        }
        read_bait |= super::files::reads(run).any(|read| run.planted.is_bait(read.path));
    }
    if draft.breaks() > 0 {
        return draft
            .result(State::Broken, "A process that may hold bait sent something to the network.");
    }
    if !read_bait {
        return draft.result(State::Inconclusive, "No bait was opened, so no path was exercised.");
    }
    if refuted {
        return draft.blind(BELOW_THE_TEXT).result(
            State::Inconclusive,
            "A process that may hold bait sent something, of which every byte of clear text is explained.",
        );
    }
    match exercise::failed_steps(case).first() {
        None => draft.result(
            State::Kept,
            "No process that can have held bait sent anything to the network.",
        ),
        Some(first) => draft.result(
            State::Inconclusive,
            format!("No path was seen, but not every phase ran as expected: {first}."),
        ),
    }
}

const SHARED_CLOCK: &str = "What programs could tell each other by the memory that the library of the hastened clock shares among them while they idle.";
const BELOW_THE_TEXT: &str = "How often the same messages were sent, when, and what protocols choose at random below the text could still tell something.";

/// A far end that bait can have reached.
#[derive(Debug)]
pub(crate) struct Witness {
    /// A shortest path: from a file whose content was seen there, where one was.
    pub(crate) path: crate::graph::Path,
    /// Every bait file that can have gone there.
    pub(crate) bait: BTreeSet<Name>,
    /// Content of these files that was seen there, with what had to be undone to see it.
    pub(crate) content: Vec<String>,
    /// What of the traffic is not explained; nothing where all of its clear text is.
    pub(crate) unexplained: Option<String>,
}

/// Every far end that bait can have reached in a run, nearest first.
///
/// [`MAX_WITNESSES`] of them are looked at closely: a product that reaches more far ends than that
/// with bait in its hands needs no explaining.
pub(crate) fn witnesses(case: &Case, run: &Run) -> Vec<Witness> {
    let (graph, contacts) = (graph(run), run.contacts());
    let backwards = graph.backwards();
    let witness = |(number, path): (usize, crate::graph::Path)| {
        let host = path.edges.last().map(|edge| edge.to.clone())?;
        let Node::Host(name) = &host else { return None };
        if number >= MAX_WITNESSES {
            let unexplained = Some("it is one of too many far ends to be looked at".to_owned());
            let (bait, content) = (BTreeSet::new(), Vec::new());
            return Some(Witness { path, bait, content, unexplained });
        }
        let bait = backwards.bait_of(&host);
        let end = name.to_string().parse::<std::net::SocketAddr>().ok();
        let end = end.map(|end| (end.ip(), end.port()));
        let contact = end.and_then(|end| contacts.at_end(&end).map(|contact| (end, contact)));
        let carried = contact
            .map(|(end, contact)| super::payload::carried(run, contacts, &end, contact))
            .unwrap_or_default();
        let content = content(&bait, &carried);
        let is_carried = |file: &&Name| {
            let shown = file.to_string();
            carried.iter().any(|hit| hit.file.as_ref() == Some(&shown))
        };
        let carried = bait.iter().find(is_carried);
        let path = carried.and_then(|file| graph.path_between(file, &host)).unwrap_or(path);
        let unexplained = match contact {
            None => Some("no other source knows of it".to_owned()),
            Some((end, contact)) => crate::explained::explain(case, run, &end, contact).err(),
        };
        Some(Witness { path, bait, content, unexplained })
    };
    graph.paths_to_hosts().into_iter().enumerate().filter_map(witness).collect()
}

/// Far ends of a run that are looked at closely.
const MAX_WITNESSES: usize = 256;

/// The hits that are content of one of these files, in words.
fn content(files: &BTreeSet<Name>, hits: &[crate::bait::Hit]) -> Vec<String> {
    let paths: BTreeSet<String> = files.iter().map(Name::to_string).collect();
    let told = hits.iter().filter(|hit| hit.is_content).filter_map(|hit| {
        let file = hit.file.as_ref().filter(|file| paths.contains(*file))?;
        let how = if hit.transforms.is_empty() { "as it is" } else { &hit.transforms };
        Some(format!("{file} ({how})"))
    });
    told.collect::<BTreeSet<_>>().into_iter().take(MAX_CONTENT).collect()
}

/// Most files whose content is named at one path.
const MAX_CONTENT: usize = 20;

/// The provenance graph of a run.
pub(crate) fn graph(run: &Run) -> Graph {
    let is_canary =
        |process: Process| run.processes.role(process) == crate::processes::Role::Canary;
    Graph::of(&run.sensor.events, |path| run.planted.is_bait(path), is_canary)
}

fn sender(run: &Run, node: &Node) -> Option<String> {
    let Node::Process(process) = node else { return None };
    run.processes.image_at(*process, u64::MAX).map(|image| image.path.to_string())
}

/// `host:port` for an `address:port`, where a name is known.
pub(crate) fn named(contacts: &Contacts, shown: &str) -> String {
    let end = shown.parse::<std::net::SocketAddr>().map(|end| (end.ip(), end.port()));
    end.map_or_else(|_| shown.to_owned(), |end| contacts.shown(&end))
}

/// N1: every flow, with its process, held against the claimed contacts.
pub(super) fn n1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "N1", "Q1", "Every flow, with its process")
        .reproduce("Open BUNDLE/runs/A1/packets.pcapng in any packet analyser, beside sensor.log")
        .dispute("Name the documentation that claims the host and port, or show that the flow was not the product's.");
    let (mut disagreements, mut flows) = (Vec::new(), 0_u64);
    for run in judged(case) {
        let contacts = run.contacts();
        for (end, contact) in contacts.of_subject() {
            flows = flows.saturating_add(contact.flows);
            disagreements.extend(disagreement(run, contacts, end, contact));
            unclaimed(run, contacts, end, contact, &mut draft);
        }
        unclaimed_questions(run, contacts, &mut draft);
        for stray in &run.link.stray {
            draft.find(Finding {
                text: format!(
                    "In run {}, a frame on the link that is no IP packet: {}",
                    run.plan.name, stray.what
                ),
                breaks: true,
                evidence: vec![run.row("packets.pcapng", stray.number)],
                ..Finding::default()
            });
        }
        disagreements
            .extend(run.link.cut.iter().map(|why| format!("run {}: {why}", run.plan.name)));
    }
    if draft.breaks() > 0 {
        return draft.result(State::Broken, "It contacts whom it does not claim to contact.");
    }
    if let Some(first) = disagreements.first() {
        return draft.result(State::Inconclusive, format!("Sources disagree: {first}."));
    }
    let unmet = unmet_contacts(case);
    if let Some(first) = unmet.first() {
        return draft
            .result(State::Inconclusive, format!("A claimed contact was not exercised: {first}."));
    }
    draft.result(
        State::Kept,
        format!("Each of {flows} flows belongs to a process whose claims cover it."),
    )
}

/// What the sources say differently about one far end.
fn disagreement(run: &Run, contacts: &Contacts, end: &End, contact: &Contact) -> Option<String> {
    let (host, name) = (contacts.shown(end), &run.plan.name);
    if contact.flows > 0 && contact.processes.is_empty() && contact.link_sent > 0 {
        return Some(format!(
            "in run {name}, bytes to {host} are on the link, and no process sent them"
        ));
    }
    if contact.flows == 0 && contact.process_sent > 0 {
        return Some(format!(
            "in run {name}, a process sent to {host}, and nothing is on the link"
        ));
    }
    let more = contact.link_sent > contact.process_sent;
    let fewer = contact.link_sent < contact.process_sent && !contact.broken_off;
    if more || fewer {
        let (link, process) = (contact.link_sent, contact.process_sent);
        return Some(format!(
            "in run {name}, processes sent {process} bytes to {host}, and {link} are on the link"
        ));
    }
    let gate: u64 = contact
        .streams
        .iter()
        .filter(|stream| stream.tls.is_none())
        .map(|stream| length(&stream.sent))
        .sum();
    let datagrams: u64 = contact.datagrams.iter().map(|(data, _)| length(data)).sum();
    let plain = contact.streams.iter().all(|stream| stream.tls.is_none() && !stream.cut);
    let knows = !contact.streams.is_empty() || !contact.datagrams.is_empty();
    let at_gate = gate.saturating_add(datagrams);
    if knows && plain && !contact.broken_off && at_gate != contact.link_sent {
        let link = contact.link_sent;
        return Some(format!(
            "in run {name}, the gate read {at_gate} bytes for {host}, and {link} are on the link"
        ));
    }
    None
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn unclaimed(run: &Run, contacts: &Contacts, end: &End, contact: &Contact, draft: &mut Draft) {
    // The resolver is the world's own; what is asked there is judged by the questions.
    if end.1 == DNS_PORT && contact.hosts.is_empty() {
        return;
    }
    for (process, row) in &contact.processes {
        if !run.processes.is_bound(*process) || covers(run, *process, end, contact) {
            continue;
        }
        let image = run.processes.image_at(*process, u64::MAX);
        let program =
            image.map_or_else(|| "an unknown program".to_owned(), |image| image.path.to_string());
        let host = contacts.shown(end);
        draft.find(Finding {
            text: format!(
                "{program} contacts {host} in run {}, which its domain does not claim",
                run.plan.name
            ),
            breaks: true,
            destination: Some(host),
            program: Some(program),
            file: None,
            evidence: vec![run.row("sensor.log", *row)],
        });
    }
}

/// Whether every domain that a process had when it went there claims the contact.
pub(super) fn covers(run: &Run, process: Process, end: &End, contact: &Contact) -> bool {
    let udp = !contact.transports.contains(&Transport::Tcp)
        && contact.transports.contains(&Transport::Udp);
    let address = end.0.to_string();
    let names: Vec<&str> =
        contact.resolved.iter().map(String::as_str).chain([address.as_str()]).collect();
    let claims = |domain: &Option<String>| {
        let domain = domain.as_ref().and_then(|name| run.product.domains.get(name));
        domain.is_some_and(|domain| {
            names.iter().any(|name| domain.contact_for(name, end.1, udp).is_some())
        })
    };
    contact.domains.get(&process).is_some_and(|domains| domains.iter().all(claims))
}

/// Asking for a name tells the name, so a question needs a claim as a contact does.
fn unclaimed_questions(run: &Run, contacts: &Contacts, draft: &mut Draft) {
    let mut told = BTreeSet::new();
    for question in contacts.questions.iter().filter(|question| !question.canary) {
        let mut domains = run.product.domains.values();
        let claimed =
            domains.any(|domain| domain.may_ask(&question.name, question.kind.question()));
        if claimed || !told.insert((&question.name, question.kind.to_string())) {
            continue;
        }
        draft.find(Finding {
            text: format!(
                "It asks the resolver for {} ({}) in run {}, and claims no contact of that name",
                question.name, question.kind, run.plan.name
            ),
            breaks: true,
            destination: Some(format!("{}:{DNS_PORT}", question.name)),
            evidence: vec![run.row("gate.log", question.row)],
            ..Finding::default()
        });
    }
}

/// Claimed contacts without one completed readable exchange in any run with a network.
pub(crate) fn unmet_contacts(case: &Case) -> Vec<String> {
    let mut unmet = BTreeSet::new();
    for (name, domain) in &case.product.domains {
        for claim in &domain.contacts {
            let met = judged(case).filter(|run| run.plan.network).any(|run| {
                let contacts = run.contacts();
                contacts.of_subject().any(|(end, contact)| {
                    let named = contact.hosts.iter().any(|host| claim.host.matches(host))
                        || claim.host.matches(&end.0.to_string());
                    named && end.1 == claim.port && is_readable(contact)
                }) || (claim.port == DNS_PORT
                    && contacts.questions.iter().any(|question| claim.host.matches(&question.name)))
            });
            if !met {
                unmet.insert(format!("{name} to {}:{}", claim.host, claim.port));
            }
        }
    }
    unmet.into_iter().collect()
}

fn is_readable(contact: &Contact) -> bool {
    contact.streams.iter().any(|stream| {
        !stream.received.is_empty() && stream.unread().is_empty() && !stream.sent.is_empty()
    })
}

/// N2: can every flow be read?
pub(super) fn n2(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "N2", "Q1", "Decrypted, or counted as unreadable")
        .reproduce("watchglass events BUNDLE/runs/A1/gate.log")
        .dispute("Give the key or the format of the flow, so that its bytes can be explained.")
        .blind("Content that was encrypted before it was put into a readable message looks like any other value.");
    let (mut readable, mut opaque, mut agreed) = (0_u64, 0_u64, 0_u64);
    let mut disagreements = Vec::new();
    for run in judged(case) {
        let contacts = run.contacts();
        let reconciled = reconcile(run, contacts);
        agreed = agreed.saturating_add(reconciled.agreed);
        for (text, row) in reconciled.differ {
            draft.find(differs(run, &text, row));
            disagreements.push(text);
        }
        for (host, bytes) in reconciled.gate_only {
            draft = draft.blind(&format!(
                "In run {}, {bytes} bytes in TLS to {host} were read at the gate alone: no library that is probed carried them.",
                run.plan.name
            ));
        }
        for (end, contact) in contacts.of_subject() {
            let unread = opaque_bytes(end, contact);
            readable = readable.saturating_add(contact.link_sent.saturating_sub(unread));
            opaque = opaque.saturating_add(unread);
            let refused = contact.streams.iter().any(crate::wire::Stream::is_refused_by_subject);
            if unread == 0 && !refused {
                continue;
            }
            let host = contacts.shown(end);
            let why = if refused {
                "the subject refused the lab's certificate"
            } else {
                "no protocol that the lab knows"
            };
            draft.find(Finding {
                text: format!(
                    "{unread} bytes to {host} in run {} cannot be read: {why}",
                    run.plan.name
                ),
                destination: Some(host),
                evidence: contact.evidence.iter().take(5).cloned().collect(),
                ..Finding::default()
            });
        }
    }
    if let Some(first) = disagreements.first() {
        return draft.result(State::Inconclusive, format!("Sources disagree: {first}."));
    }
    if !draft.findings.is_empty() {
        return draft
            .result(State::Inconclusive, format!("{opaque} bytes that it sent cannot be read."));
    }
    if readable == 0 {
        return draft.result(State::Inconclusive, "It sent nothing, so nothing was exercised.");
    }
    let twice = if agreed > 0 {
        format!(" {agreed} of them were the same as its processes gave them to TLS libraries.")
    } else {
        String::new()
    };
    draft.result(
        State::Kept,
        format!("All of {readable} bytes that it sent were read in clear.{twice}"),
    )
}

/// Clear text that is not the same on both sides of TLS.
fn differs(run: &Run, text: &str, row: Option<u64>) -> Finding {
    let evidence = row.map(|row| run.row("sensor.log", row));
    Finding {
        text: format!("Sources disagree: {text}"),
        evidence: evidence.into_iter().collect(),
        ..Finding::default()
    }
}

/// Bytes to a far end that no protocol explains.
pub(crate) fn opaque_bytes(end: &End, contact: &Contact) -> u64 {
    if end.1 == DNS_PORT {
        return 0;
    }
    if contact.streams.is_empty() && contact.datagrams.is_empty() {
        return contact.link_sent;
    }
    let refused =
        contact.streams.iter().filter(|stream| stream.is_refused_by_subject() || stream.cut);
    let unread = contact.streams.iter().map(|stream| length(stream.unread()));
    let datagrams = contact.datagrams.iter().map(|(data, _)| length(data));
    let refused: u64 = refused.map(|stream| length(&stream.sent)).sum();
    unread.sum::<u64>().saturating_add(refused).saturating_add(datagrams.sum())
}
