//! Whose a stream is, where several processes talk to the same far end.
//!
//! No source gives both the process and the port of a connection, so a stream is matched to sockets
//! by what must agree anyway: the payload of its flow on the link is what was sent into its socket.
//! Where the sum fits several processes the stream counts as each one's, and where it fits nobody's
//! as everybody's that talked to that far end: whoever crafts a sum gains nothing but the judgement
//! by two domains' claims.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_events::{Process, SocketId};

use crate::case::Run;
use crate::contacts::{Contact, End, reached};
use crate::wire::Stream;

/// Processes by the sockets they sent through.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    by_socket: BTreeMap<(End, SocketId), Sums>,
}

/// What went into one socket, and from whom.
#[derive(Debug, Default)]
struct Sums {
    bytes: u64,
    processes: BTreeSet<Process>,
}

impl Senders {
    /// Adds up what the processes of a run sent, socket by socket.
    #[must_use]
    pub(crate) fn of(run: &Run) -> Self {
        let (mut senders, mut peers) = (Self::default(), BTreeMap::new());
        for event in &run.sensor.events {
            let Some((end, bytes)) = reached(event, &mut peers) else { continue };
            let socket = match &event.what {
                watchglass_events::What::Connected { socket, .. }
                | watchglass_events::What::Sent { socket, .. } => *socket,
                _ => None,
            };
            let (Some(socket), Some(actor)) = (socket, event.actor) else { continue };
            let sums = senders.by_socket.entry((end, socket)).or_default();
            sums.bytes = sums.bytes.saturating_add(bytes);
            sums.processes.insert(actor.process);
        }
        senders
    }

    /// The processes that a stream may come from.
    #[must_use]
    pub(crate) fn of_stream(
        &self,
        run: &Run,
        end: &End,
        contact: &Contact,
        stream: &Stream,
    ) -> BTreeSet<Process> {
        // Bytes that stayed in the kernel would make a sum fit what it does not.
        if contact.broken_off {
            return contact.processes.keys().copied().collect();
        }
        let is_its = |flow: &&crate::link::LinkFlow| flow.flow == stream.flow;
        let bytes = run.link.flows.iter().find(is_its).map(|flow| flow.sent_bytes);
        let fits =
            |(key, sums): &(&(End, SocketId), &Sums)| key.0 == *end && Some(sums.bytes) == bytes;
        let fitting = self.by_socket.iter().filter(fits);
        let found: BTreeSet<Process> =
            fitting.flat_map(|(_, sums)| sums.processes.iter().copied()).collect();
        if found.is_empty() { contact.processes.keys().copied().collect() } else { found }
    }
}
