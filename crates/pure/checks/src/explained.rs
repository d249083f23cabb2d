//! Whether every byte of what was sent to a far end is explained by something other than bait.
//!
//! A message is explained line by line. A line is explained if it is an identifier that the product
//! sent before its world's bait was first opened and claims as one, or if its value is what the
//! server said in the head of an answer. What is left of the message must be, byte for byte and in
//! the same order, what is left of a message that another world sent to the same host: a world with
//! other bait and another identity, of which this world knows nothing.
//!
//! What this cannot explain is how many messages there were, when, in which order, and what protocols
//! choose at random below the text: numbers of questions, ports, and what a TLS handshake carries.

use std::collections::BTreeSet;

use watchglass_claims::FieldClass;
use watchglass_events::Event;

use crate::case::{Case, Run};
use crate::contacts::{Contact, Contacts, DNS_PORT, End};
use crate::link;
use crate::rules;
use crate::wire::Stream;

/// Why something that was sent is not explained.
pub(crate) type Unexplained = String;

/// Explains everything that went to a far end in a run.
///
/// # Errors
/// The first thing that is not explained, in words.
pub(crate) fn explain(
    case: &Case,
    run: &Run,
    contacts: &Contacts,
    end: &End,
    contact: &Contact,
) -> Result<(), Unexplained> {
    let others: Vec<&Run> = case.runs.iter().filter(|other| is_other_world(run, other)).collect();
    if others.is_empty() {
        return Err("there is no run with other bait to compare with".to_owned());
    }
    if end.1 == DNS_PORT {
        return explain_questions(contacts, contact, &others);
    }
    if !contact.datagrams.is_empty() {
        return Err("it sent datagrams".to_owned());
    }
    if contact.process_sent != contact.link_sent {
        return Err("processes sent another number of bytes than are on the link".to_owned());
    }
    let clear: u64 = contact.streams.iter().map(|stream| rules::length(&stream.sent)).sum();
    let encrypted = contact.streams.iter().any(|stream| stream.tls.is_some());
    if contact.streams.is_empty() || (!encrypted && clear != contact.link_sent) {
        return Err("the gate did not read all that is on the link".to_owned());
    }
    let known = Known::of(case, run, contact);
    let theirs = remainders_of(case, &others, contact);
    for stream in &contact.streams {
        let messages = messages(stream).ok_or("part of it is no message that can be read")?;
        for message in messages {
            let rest = known.remainder(&message);
            if !theirs.contains(&rest) {
                return Err("a message differs from all that a world with other bait sent".into());
            }
        }
    }
    Ok(())
}

fn is_other_world(run: &Run, other: &Run) -> bool {
    other.plan.configured && other.plan.network && other.plan.seed != run.plan.seed
}

/// Questions are explained if a world with other bait asked the same.
fn explain_questions(
    contacts: &Contacts,
    contact: &Contact,
    others: &[&Run],
) -> Result<(), Unexplained> {
    let whole = contact.streams.is_empty()
        && contact.datagrams.iter().all(|(bytes, _)| link::dns(bytes).is_some());
    if !whole {
        return Err("it sent the resolver something other than plain questions".to_owned());
    }
    let asked = |contacts: &Contacts| -> BTreeSet<(String, String)> {
        let questions = contacts.questions.iter().filter(|question| !question.canary);
        questions.map(|question| (question.name.clone(), question.kind.to_string())).collect()
    };
    let theirs: BTreeSet<_> = others.iter().flat_map(|run| asked(&Contacts::of(run))).collect();
    match asked(contacts).difference(&theirs).next() {
        None => Ok(()),
        Some((name, _)) => Err(format!("only this world asked for {name}")),
    }
}

/// A message as lines of its head, without their ends, and what follows the head.
struct Message<'a> {
    head: Vec<&'a [u8]>,
    body: &'a [u8],
}

/// The messages of a stream; nothing where a byte belongs to none.
fn messages(stream: &Stream) -> Option<Vec<Message<'_>>> {
    if stream.cut || stream.is_refused_by_subject() || !stream.unread().is_empty() {
        return None;
    }
    let (mut messages, mut rest) = (Vec::new(), stream.sent.as_slice());
    for request in stream.request_lengths() {
        let (message, after) = rest.split_at_checked(request)?;
        messages.push(Message::parse(message)?);
        rest = after;
    }
    rest.is_empty().then_some(messages)
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = (bytes.get(..end)?, bytes.get(end.saturating_add(4)..)?);
        Some(Self { head: lines(head).collect(), body })
    }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A header line cut at its colon: name, and value without the space before it.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let value = line.get(colon.saturating_add(1)..)?;
    Some((line.get(..colon)?, value.strip_prefix(b" ").unwrap_or(value)))
}

/// What a world may say again without having it from bait.
struct Known {
    /// Whole header lines that were sent before bait was opened and claim to be an identifier.
    identifiers: BTreeSet<Vec<u8>>,
    /// Values in heads of the server's answers.
    answered: BTreeSet<Vec<u8>>,
}

impl Known {
    fn of(case: &Case, run: &Run, contact: &Contact) -> Self {
        let mut known = Self { identifiers: BTreeSet::new(), answered: BTreeSet::new() };
        let same_world = |other: &&Run| other.plan.seed == run.plan.seed && other.plan.configured;
        let mut bait_is_open = false;
        for world in case.runs.iter().filter(same_world) {
            let opened_ns = first_opening_of_bait(world).unwrap_or(u64::MAX);
            let contacts = Contacts::of(world);
            for stream in same_host(&contacts, contact) {
                known.answered.extend(answer_values(&stream.received));
                let began_ns = opened_ns_of(&world.gate.events, stream.row);
                if !bait_is_open && began_ns < opened_ns {
                    known.identifiers.extend(claimed_identifiers(world, contact, stream));
                }
            }
            bait_is_open |= opened_ns != u64::MAX;
            if world.plan.name == run.plan.name {
                break;
            }
        }
        known
    }

    /// What is left of a message when explained lines are gone.
    fn remainder(&self, message: &Message<'_>) -> Vec<u8> {
        let explained = |line: &[u8]| {
            let answered = field(line).is_some_and(|(_, value)| self.answered.contains(value));
            answered || self.identifiers.contains(line)
        };
        let mut rest = Vec::new();
        for line in message.head.iter().filter(|line| !explained(line)) {
            rest.extend_from_slice(line);
            rest.extend_from_slice(b"\r\n");
        }
        rest.extend_from_slice(b"\r\n");
        rest.extend_from_slice(message.body);
        rest
    }
}

/// What is left of every message that other worlds sent to the host.
fn remainders_of(case: &Case, others: &[&Run], contact: &Contact) -> BTreeSet<Vec<u8>> {
    let mut remainders = BTreeSet::new();
    for other in others {
        let contacts = Contacts::of(other);
        let known = Known::of(case, other, contact);
        for stream in same_host(&contacts, contact) {
            let messages = messages(stream).unwrap_or_default();
            remainders.extend(messages.iter().map(|message| known.remainder(message)));
        }
    }
    remainders
}

/// Streams to the host of a contact, which may have another address in another world.
fn same_host<'a>(contacts: &'a Contacts, contact: &'a Contact) -> impl Iterator<Item = &'a Stream> {
    let same = |other: &Contact| !other.hosts.is_disjoint(&contact.hosts);
    contacts
        .of_subject()
        .filter(move |(_, other)| same(other))
        .flat_map(|(_, other)| &other.streams)
}

fn first_opening_of_bait(run: &Run) -> Option<u64> {
    let reads = rules::reads(run).filter(|read| run.planted.is_bait(read.path));
    reads.map(|read| read.event.at_ns).min()
}

fn opened_ns_of(gate: &[Event], row: u64) -> u64 {
    gate.iter().find(|event| event.seq == row).map_or(u64::MAX, |event| event.at_ns)
}

/// Values of the header lines in every answer of a stream. Only heads count: a body of the server's
/// choice could hold any value there is.
fn answer_values(received: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    let mut in_head = false;
    for line in lines(received) {
        if line.starts_with(b"HTTP/1.") {
            in_head = true;
        } else if line.is_empty() {
            in_head = false;
        } else if let Some((_, value)) = field(line).filter(|_| in_head) {
            values.push(value.to_vec());
        }
    }
    values
}

/// Header lines of a stream that the product file claims to hold an identifier.
fn claimed_identifiers(run: &Run, contact: &Contact, stream: &Stream) -> Vec<Vec<u8>> {
    let claimed = |name: &[u8]| {
        let sends = run.product.domains.values().flat_map(|domain| &domain.sends);
        let mut fields = sends
            .filter(|sends| contact.hosts.iter().any(|host| sends.to.matches(host)))
            .flat_map(|sends| &sends.fields);
        fields.any(|field| {
            field.name.as_bytes().eq_ignore_ascii_case(name)
                && matches!(field.class, FieldClass::Id(..))
        })
    };
    let mut lines = Vec::new();
    for message in messages(stream).unwrap_or_default() {
        let identifying =
            message.head.iter().filter(|line| field(line).is_some_and(|(name, _)| claimed(name)));
        lines.extend(identifying.map(|line| line.to_vec()));
    }
    lines
}

/// What stands in a witness path that is refuted.
pub(crate) const REFUTED: &str = "Every byte of clear text to this host is explained: claimed \
identifiers sent before any bait was opened, values that the server had said, and text that a world \
with other bait sent too. What lies below the text (numbers of questions, ports, handshakes, times) \
is not.";
