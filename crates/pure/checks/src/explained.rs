//! Whether every byte of what was sent to a far end is explained by something other than bait.
//!
//! A message is explained line by line. A line is explained if it is a field that is claimed as an
//! identifier and was said, all of its stream, before its world's bait was first opened, or a field
//! that is claimed as an echo and has a value from the head of an earlier answer; each such field once
//! in a message. What is left of the messages must be, byte for byte and in the same order, what is
//! left of the messages that another world sent to the same host, all of them, once or several times
//! over: a world with other bait and another identity, of which this world knows nothing. Choosing
//! among messages that the other world sent as well would be a way to tell something.
//!
//! What this cannot explain is how often all of it was sent, when, and what protocols choose at random
//! below the text: numbers of questions, ports, and what a TLS handshake carries.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_claims::{Field, FieldClass};
use watchglass_events::{Event, What};

use crate::case::{Case, Run};
use crate::contacts::{Contact, Contacts, DNS_PORT, End};
use crate::processes::Role;
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
    end: &End,
    contact: &Contact,
) -> Result<(), Unexplained> {
    let others: Vec<&Run> = case.runs.iter().filter(|other| is_other_world(run, other)).collect();
    if others.is_empty() {
        return Err("there is no run with other bait to compare with".to_owned());
    }
    if contact.process_sent != contact.link_sent {
        return Err("processes sent another number of bytes than are on the link".to_owned());
    }
    if end.1 == DNS_PORT {
        return explain_questions(run, end, contact, &others);
    }
    if !contact.datagrams.is_empty() {
        return Err("it sent datagrams".to_owned());
    }
    let clear: u64 = contact.streams.iter().map(|stream| rules::length(&stream.sent)).sum();
    let encrypted = contact.streams.iter().any(|stream| stream.tls.is_some());
    if contact.streams.is_empty() || (!encrypted && clear != contact.link_sent) {
        return Err("the gate did not read all that is on the link".to_owned());
    }
    let mine = remainders(case, run, contact).ok_or("part of it is no message that can be read")?;
    let same = |other: &&Run| {
        let theirs = remainders(case, other, contact);
        theirs.is_some_and(|theirs| repeats(&mine, &theirs))
    };
    if others.iter().any(same) {
        Ok(())
    } else {
        Err("its messages are not those that a world with other bait sent".to_owned())
    }
}

fn is_other_world(run: &Run, other: &Run) -> bool {
    other.plan.configured && other.plan.network && other.plan.seed != run.plan.seed
}

/// Whether a sequence is another one, once or several times over.
fn repeats<T: PartialEq>(mine: &[T], theirs: &[T]) -> bool {
    !theirs.is_empty()
        && mine.len().checked_rem(theirs.len()) == Some(0)
        && mine.chunks(theirs.len()).all(|part| part == theirs)
}

/// Questions are explained if a world with other bait asked the same in the same order. Their
/// numbers, the first two bytes (RFC 1035 §4.1.1), are drawn at random.
fn explain_questions(
    run: &Run,
    end: &End,
    contact: &Contact,
    others: &[&Run],
) -> Result<(), Unexplained> {
    if !contact.streams.is_empty() {
        return Err("it spoke to the resolver by streams".to_owned());
    }
    let mine = questions(run.contacts(), contact);
    let same = |other: &&Run| {
        let contacts = other.contacts();
        let theirs = contacts.at_end(end).map(|contact| questions(contacts, contact));
        theirs.is_some_and(|theirs| repeats(&mine, &theirs))
    };
    if others.iter().any(same) {
        Ok(())
    } else {
        Err("its questions are not those that a world with other bait asked".to_owned())
    }
}

/// The questions of the subject in order, without their numbers.
fn questions(contacts: &Contacts, contact: &Contact) -> Vec<Vec<u8>> {
    let is_canary =
        |row: u64| contacts.questions.iter().any(|question| question.row == row && question.canary);
    let subject = contact.datagrams.iter().filter(|(_, row)| !is_canary(*row));
    subject.map(|(bytes, _)| bytes.get(2..).unwrap_or_default().to_vec()).collect()
}

/// What is left of every message that a run sent to the host of a contact, in the order in which the
/// streams were opened; nothing where part of it is no message.
fn remainders(case: &Case, run: &Run, contact: &Contact) -> Option<Vec<Vec<u8>>> {
    let known = Known::of(case, run, contact);
    let mut streams: Vec<&Stream> = same_host(run.contacts(), contact).collect();
    streams.sort_by_key(|stream| stream.row);
    let mut remainders = Vec::new();
    for stream in streams {
        let messages = messages(stream)?;
        remainders
            .extend(messages.iter().map(|message| known.remainder(message, stream.opened_ns)));
    }
    Some(remainders)
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
struct Known<'a> {
    /// Fields that the product file claims towards the host, with their classes.
    claims: Vec<&'a Field>,
    /// Whole header lines with claimed identifiers, all of whose streams had ended when bait was
    /// opened first.
    identifiers: BTreeSet<Vec<u8>>,
    /// Values in heads of the server's answers, with the time from which they were known.
    answered: BTreeMap<Vec<u8>, u64>,
}

impl<'a> Known<'a> {
    fn of(case: &'a Case, run: &'a Run, contact: &Contact) -> Self {
        let mut known = Self {
            claims: claims(run, contact),
            identifiers: BTreeSet::new(),
            answered: BTreeMap::new(),
        };
        let same_world = |other: &&Run| other.plan.seed == run.plan.seed && other.plan.configured;
        let mut bait_ns = u64::MAX;
        for world in case.runs.iter().filter(same_world) {
            bait_ns = bait_ns.min(first_opening_of_bait(world));
            for stream in same_host(world.contacts(), contact) {
                for value in answer_values(&stream.received) {
                    let known_ns = known.answered.entry(value).or_insert(u64::MAX);
                    *known_ns = stream.received_until_ns.min(*known_ns);
                }
                if stream.sent_until_ns < bait_ns {
                    let lines = known.identifying(stream);
                    known.identifiers.extend(lines);
                }
            }
            if world.plan.name == run.plan.name {
                break;
            }
        }
        known
    }

    /// Header lines of a stream that are claimed to hold an identifier.
    fn identifying(&self, stream: &Stream) -> Vec<Vec<u8>> {
        let messages = messages(stream).unwrap_or_default();
        let lines = messages.iter().flat_map(|message| message.head.iter().copied());
        let identifying = lines.filter(|line| {
            let class = field(line).and_then(|(name, _)| self.class(name));
            matches!(class, Some(FieldClass::Id(..)))
        });
        identifying.map(<[u8]>::to_vec).collect()
    }

    fn class(&self, name: &[u8]) -> Option<&FieldClass> {
        let named = |claim: &&&Field| claim.name.as_bytes().eq_ignore_ascii_case(name);
        self.claims.iter().find(named).map(|claim| &claim.class)
    }

    /// Whether a line of a stream that was opened at this time is explained.
    fn explains(&self, line: &[u8], name: &[u8], value: &[u8], opened_ns: u64) -> bool {
        match self.class(name) {
            Some(FieldClass::Id(..)) => self.identifiers.contains(line),
            Some(FieldClass::Echo) => {
                self.answered.get(value).is_some_and(|known_ns| *known_ns < opened_ns)
            }
            _ => false,
        }
    }

    /// What is left of a message when explained lines are gone.
    fn remainder(&self, message: &Message<'_>, opened_ns: u64) -> Vec<u8> {
        let (mut rest, mut explained) = (Vec::new(), BTreeSet::new());
        for line in &message.head {
            let is_explained = field(line).is_some_and(|(name, value)| {
                self.explains(line, name, value, opened_ns)
                    && explained.insert(name.to_ascii_lowercase())
            });
            if !is_explained {
                rest.extend_from_slice(line);
                rest.extend_from_slice(b"\r\n");
            }
        }
        rest.extend_from_slice(b"\r\n");
        rest.extend_from_slice(message.body);
        rest
    }
}

/// The fields that any domain claims to send to the host of a contact.
fn claims<'a>(run: &'a Run, contact: &Contact) -> Vec<&'a Field> {
    let sends = run.product.domains.values().flat_map(|domain| &domain.sends);
    let there = sends.filter(|sends| contact.hosts.iter().any(|host| sends.to.matches(host)));
    there.flat_map(|sends| &sends.fields).collect()
}

/// Streams to the host of a contact, which may have another address in another world.
fn same_host<'a>(contacts: &'a Contacts, contact: &'a Contact) -> impl Iterator<Item = &'a Stream> {
    let same = |other: &Contact| !other.hosts.is_disjoint(&contact.hosts);
    contacts
        .of_subject()
        .filter(move |(_, other)| same(other))
        .flat_map(|(_, other)| &other.streams)
}

/// When anybody but a canary first opened bait in a run; the end of time if nobody did.
fn first_opening_of_bait(run: &Run) -> u64 {
    let opens = |event: &&Event| match &event.what {
        What::Opened { path, access, .. } => access.read && run.planted.is_bait(path),
        _ => false,
    };
    let is_canary = |event: &Event| {
        event.actor.is_some_and(|actor| run.processes.role(actor.process) == Role::Canary)
    };
    let mut openings = run.sensor.events.iter().filter(opens);
    // The sensor's events are in order of time.
    openings.find(|event| !is_canary(event)).map_or(u64::MAX, |event| event.at_ns)
}

/// Values of the header lines in the first answer of a stream. Only its head counts: a body of the
/// server's choice could hold any value there is, and look like another head.
fn answer_values(received: &[u8]) -> Vec<Vec<u8>> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    let head = end.and_then(|end| received.get(..end)).unwrap_or_default();
    if !head.starts_with(b"HTTP/1.") {
        return Vec::new();
    }
    lines(head).skip(1).filter_map(|line| field(line).map(|(_, value)| value.to_vec())).collect()
}

/// What stands in a witness path that is refuted.
pub(crate) const REFUTED: &str = "Every byte of clear text to this host is explained: claimed \
identifiers sent before any bait was opened, claimed echoes of what the server had said, and text \
that a world with other bait sent too, in the same order. How often, when, and what lies below the \
text (numbers of questions, ports, handshakes) is not.";
