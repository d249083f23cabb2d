//! Clear text as a process gave it to a TLS library, held against what the gate read.
//!
//! Two sources see the same bytes on two sides of the encryption. Where both see a stream, they must
//! agree to the byte. A stream that the gate alone reads is no disagreement: programs that bring TLS
//! of their own are not probed, which is said.

use std::collections::BTreeMap;

use watchglass_events::{Direction, Event, How, Name, Process, Source, What};

use crate::case::Run;
use crate::contacts::Contacts;
use crate::processes::Role;
use crate::rules::length;

/// What the comparison of one run came to.
#[derive(Debug, Default)]
pub(crate) struct Reconciled {
    /// Bytes that were the same on both sides.
    pub(crate) agreed: u64,
    /// What differs, one sentence each, with the row that shows it.
    pub(crate) differ: Vec<(String, Option<u64>)>,
    /// Streams that only the gate saw: far end and bytes.
    pub(crate) gate_only: BTreeMap<String, u64>,
}

/// Whether a path is that of a TLS library that the sensor probes.
pub(crate) fn is_tls_library(path: &Name) -> bool {
    let name = path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    [&b"libssl.so."[..], b"libgnutls.so."].iter().any(|start| name.starts_with(start))
}

/// Compares what processes that are not the lab's own sent through TLS.
pub(crate) fn reconcile(run: &Run, contacts: &Contacts) -> Reconciled {
    let mut streams = streams(contacts);
    let mut reconciled = Reconciled::default();
    let mut work = MAX_COMPARISONS;
    for (key, calls) in sessions(run) {
        let mut rest = calls.as_slice();
        while let Some(first) = rest.first() {
            let Some((place, fit)) = best(&streams, rest, &mut work) else {
                reconciled.differ.push((unmatched(run, &key, rest), Some(first.event.seq)));
                break;
            };
            rest = rest.get(fit.calls..).unwrap_or_default();
            let Some(stream) = streams.get_mut(place) else { break };
            stream.taken = true;
            reconciled.agreed = reconciled.agreed.saturating_add(fit.bytes);
            let left = length(stream.sent).saturating_sub(fit.bytes);
            if left > 0 {
                reconciled.differ.push((
                    format!(
                        "in run {}, the gate read {left} bytes more in a TLS stream to {} than {} \
                         gave to {}",
                        run.plan.name,
                        stream.host,
                        run.processes.program(first.event),
                        key.library
                    ),
                    Some(first.event.seq),
                ));
            }
        }
    }
    for stream in streams.iter().filter(|stream| !stream.taken) {
        let bytes = reconciled.gate_only.entry(stream.host.clone()).or_default();
        *bytes = bytes.saturating_add(length(stream.sent));
    }
    reconciled
}

/// A TLS stream at the gate.
struct Stream<'a> {
    host: String,
    sent: &'a [u8],
    /// Whether bytes may have left the process that never came to the gate.
    broken_off: bool,
    /// Whether a session was found that explains it.
    taken: bool,
}

fn streams(contacts: &Contacts) -> Vec<Stream<'_>> {
    let mut streams = Vec::new();
    for (end, contact) in contacts.of_subject() {
        let secured = contact.streams.iter().filter(|stream| {
            stream.tls.is_some() && !stream.is_refused_by_subject() && !stream.sent.is_empty()
        });
        streams.extend(secured.map(|stream| Stream {
            host: contacts.shown(end),
            sent: &stream.sent,
            broken_off: contact.broken_off || stream.cut || stream.how != Some(How::Finished),
            taken: false,
        }));
    }
    streams
}

/// A connection as the process names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    process: Process,
    session: Option<u64>,
    library: Name,
}

/// A call that gave clear text to a library.
struct Call<'a> {
    event: &'a Event,
    data: &'a [u8],
    /// Bytes that are counted and not kept.
    cut: u64,
}

impl Call<'_> {
    fn bytes(&self) -> u64 {
        length(self.data).saturating_add(self.cut)
    }
}

/// The calls of each session, in the order of time; sessions of the lab's canaries left out.
fn sessions(run: &Run) -> BTreeMap<Key, Vec<Call<'_>>> {
    let mut sessions: BTreeMap<Key, Vec<Call<'_>>> = BTreeMap::new();
    for event in run.sensor.events.iter().filter(|event| event.source == Source::Uprobe) {
        let (Some(actor), What::Tls { library, direction: Direction::Sent, data, cut, session }) =
            (event.actor, &event.what)
        else {
            continue;
        };
        if run.processes.role(actor.process) == Role::Canary {
            continue;
        }
        let key = Key { process: actor.process, session: *session, library: library.clone() };
        let call = Call { event, data: data.as_bytes(), cut: *cut };
        sessions.entry(key).or_default().push(call);
    }
    sessions
}

/// How far a stream goes along with a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// Whether the whole stream is explained.
    whole: bool,
    /// Its bytes that are.
    bytes: u64,
    /// The calls that explain them.
    calls: usize,
}

/// The stream that a session's calls explain best. Addresses of sessions are used again, so a
/// session may go on with another stream.
fn best(streams: &[Stream<'_>], calls: &[Call<'_>], work: &mut u32) -> Option<(usize, Fit)> {
    let mut best: Option<(usize, Fit)> = None;
    for (place, stream) in streams.iter().enumerate().filter(|(_, stream)| !stream.taken) {
        let fit = fit(stream, calls, work);
        if fit.calls > 0 && best.is_none_or(|(_, before)| fit > before) {
            best = Some((place, fit));
        }
    }
    best
}

fn fit(stream: &Stream<'_>, calls: &[Call<'_>], work: &mut u32) -> Fit {
    let (mut rest, mut used) = (stream.sent, 0_usize);
    for call in calls {
        let Some(left) = work.checked_sub(1).filter(|_| !rest.is_empty()) else { break };
        *work = left;
        match after(rest, call) {
            Some(after) => rest = after,
            // What the process still gave when nobody read any more.
            None if stream.broken_off && call.data.starts_with(rest) => rest = &[],
            None => break,
        }
        used = used.saturating_add(1);
    }
    let bytes = length(stream.sent).saturating_sub(length(rest));
    Fit { whole: rest.is_empty(), bytes, calls: used }
}

fn after<'a>(rest: &'a [u8], call: &Call<'_>) -> Option<&'a [u8]> {
    let after = rest.strip_prefix(call.data)?;
    after.get(usize::try_from(call.cut).ok()?..)
}

fn unmatched(run: &Run, key: &Key, calls: &[Call<'_>]) -> String {
    let bytes = calls.iter().fold(0_u64, |sum, call| sum.saturating_add(call.bytes()));
    let program = calls.first().map_or_else(String::new, |call| run.processes.program(call.event));
    format!(
        "in run {}, {program} gave {bytes} bytes to {} that the gate did not read so",
        run.plan.name, key.library
    )
}

/// A stranger's bundle must not make the comparison endless. What is not compared differs.
const MAX_COMPARISONS: u32 = 4_000_000;

#[cfg(test)]
mod tests {
    use crate::results::{CheckResult, State};
    use crate::sample::{REQUEST, results};

    /// N2 where the process gave these pieces to the library and the gate read the request.
    fn n2(given: &[(u64, &[u8])]) -> CheckResult {
        let results = results(|_, sample| {
            let given = given.iter().map(|(session, bytes)| (*session, bytes.to_vec()));
            sample.tls = Some(given.collect());
        });
        results.checks.into_iter().find(|check| check.id == "N2").unwrap()
    }

    fn sources_disagree(check: &CheckResult) -> bool {
        check.state == State::Inconclusive && check.reason.starts_with("Sources disagree")
    }

    #[test]
    fn the_same_clear_text_on_both_sides_strengthens() {
        let (head, tail) = REQUEST.split_at(20);
        let check = n2(&[(1, head), (1, tail)]);
        assert_eq!(check.state, State::Kept);
        let agreed = format!("{} of them were the same", REQUEST.len() * 3);
        assert!(check.reason.contains(&agreed), "{}", check.reason);
    }

    #[test]
    fn tls_that_no_library_carried_is_a_blind_spot_and_no_disagreement() {
        let check = n2(&[]);
        assert_eq!(check.state, State::Kept);
        let said = |sentence: &String| sentence.contains("at the gate alone");
        assert!(check.blind.iter().any(said), "{:?}", check.blind);
    }

    #[test]
    fn other_clear_text_in_the_process_is_a_disagreement() {
        let mut other = REQUEST.to_vec();
        other[5] ^= 1;
        assert!(sources_disagree(&n2(&[(1, &other)])));
    }

    #[test]
    fn more_clear_text_at_the_gate_is_a_disagreement() {
        assert!(sources_disagree(&n2(&[(1, &REQUEST[..20])])));
        assert!(sources_disagree(&n2(&[(1, &REQUEST[20..])])));
    }

    #[test]
    fn more_clear_text_in_the_process_is_a_disagreement() {
        assert!(sources_disagree(&n2(&[(1, REQUEST), (1, b"and more")])));
        assert!(sources_disagree(&n2(&[(1, REQUEST), (2, REQUEST)])));
    }

    #[test]
    fn the_pieces_of_one_stream_do_not_come_from_two_sessions() {
        let (head, tail) = REQUEST.split_at(20);
        assert!(sources_disagree(&n2(&[(1, head), (2, tail)])));
    }
}
