//! Writes what was seen, and counts what could not be.

use std::fs::File;
use std::io::{BufWriter, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};
use watchglass_events::log::LogWriter;
use watchglass_events::{Actor, Source, What};

use super::lead::Leader;
use super::{Reads, Totals};
use crate::SensorError;

/// The log of one run.
#[derive(Debug)]
pub(super) struct Recorder {
    log: LogWriter<BufWriter<File>>,
    /// A disk that is full stops the recording, never the subject: it may hold locks of its own.
    failed: Option<Error>,
    lost: u64,
    is_silent: bool,
    recorded: Arc<AtomicU64>,
    troubles: [u64; Trouble::ALL.len()],
    /// Tells paths as the subject knows them, where they lie elsewhere.
    leader: Option<Arc<Leader>>,
}

/// What kept a record from being whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Unreadable,
    Unfinished,
    Displaced,
    Orphaned,
    Unasked,
    Survived,
}

impl Trouble {
    const ALL: [Self; 6] = [
        Self::Unreadable,
        Self::Unfinished,
        Self::Displaced,
        Self::Orphaned,
        Self::Unasked,
        Self::Survived,
    ];

    fn sentence(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "records lack a file, name or address, because the process changed or vanished \
                 before it could be read"
            }
            Self::Unfinished => {
                "calls were cut off by the death of their process; they are recorded as if they \
                 had succeeded"
            }
            Self::Displaced => {
                "opened files may be recorded as another, because a second thread could replace \
                 the descriptor while the first waited in its call"
            }
            Self::Orphaned => "new processes lost their maker before it could be recorded",
            Self::Unasked => "system calls were handed over that the sensor did not ask for",
            Self::Survived => "processes outlived the recording and were killed",
        }
    }
}

impl Recorder {
    pub(super) fn new(
        log: File,
        is_silent: bool,
        recorded: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let sink = BufWriter::with_capacity(BUFFER_BYTES, log);
        let log = LogWriter::new(sink, Source::Ptrace)?;
        let troubles = [0; Trouble::ALL.len()];
        let leader = None;
        Ok(Self { log, failed: None, lost: 0, is_silent, recorded, troubles, leader })
    }

    /// From now on paths are told as the subject knows them.
    pub(super) fn tell_as(&mut self, leader: Arc<Leader>) {
        self.leader = Some(leader);
    }

    pub(super) fn tell(&mut self, actor: Option<Actor>, what: What) {
        let what = match &self.leader {
            Some(leader) => leader.as_subject(what),
            None => what,
        };
        if self.is_silent {
            return;
        }
        if self.failed.is_some() {
            self.lost += 1;
            return;
        }
        match self.log.append(now_ns(), actor, what) {
            Ok(_) => self.recorded.store(self.log.count(), Ordering::Relaxed),
            Err(error) => {
                self.lost += 1;
                self.failed = Some(error);
            }
        }
    }

    pub(super) fn count(&mut self, trouble: Trouble) {
        let place = Trouble::ALL.iter().position(|&known| known == trouble);
        if let Some(count) = place.and_then(|place| self.troubles.get_mut(place)) {
            *count += 1;
        }
    }

    /// Seals the log, and tells what the sensor made and could not see.
    pub(super) fn finish(mut self, reads: Reads) -> Result<Vec<Totals>, SensorError> {
        let troubles: Vec<String> = self.troubles().collect();
        for text in &troubles {
            self.tell(None, What::Noted { text: text.clone() });
        }
        if let Some(error) = self.failed {
            return Err(SensorError::Log(error));
        }
        let received = self.log.count();
        self.log.finish().map_err(SensorError::Log)?;
        let mut blind: Vec<String> = ALWAYS_BLIND.iter().map(|&text| text.to_owned()).collect();
        if reads == Reads::OpensOnly {
            blind.push(OPENS_ONLY.to_owned());
        }
        if self.leader.is_some() {
            blind.extend(IN_PLACE.iter().map(|&text| text.to_owned()));
        }
        blind.extend(troubles);
        let emitted = received.saturating_add(self.lost);
        let lost = self.lost;
        Ok(vec![Totals { source: Source::Ptrace, emitted, received, lost, blind }])
    }

    fn troubles(&self) -> impl Iterator<Item = String> {
        let counts = Trouble::ALL.into_iter().zip(self.troubles).filter(|&(_, count)| count > 0);
        counts.map(|(trouble, count)| format!("{count} {}.", trouble.sentence()))
    }
}

/// `CLOCK_BOOTTIME`.
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

const BUFFER_BYTES: usize = 256 * 1024;

const ALWAYS_BLIND: &[&str] = &[
    "A mapped file may have been read whole; which of its bytes were read is not seen.",
    "io_uring is refused by the world's filter; what a subject would do through it is not seen.",
    "Packet, vsock and other unusual socket families are refused by the world's filter, not seen.",
    "Addresses of sockets and names of failed calls are read from the subject's memory, which \
     another of its threads can change while the call is made.",
    "A descriptor received through a Unix socket can take the place of one that another thread \
     has just opened.",
    "A subject can tell that it is traced, by TracerPid, by the time its calls take, and because \
     it cannot trace its own children.",
    "A mapping that becomes executable or writable later (mprotect) is not told anew.",
];

const OPENS_ONLY: &str =
    "Reads are not counted: a file that was opened for reading may have been read whole.";

const IN_PLACE: &[&str] = &[
    "The product ran among the machine's processes: it can see that its paths lie in a scratch \
     folder, that its connections end on the loopback device, and which other processes there are.",
    "Paths that begin where links or `..` lead out of the scratch folder were the machine's; \
     Landlock kept them from being changed, and most from being read.",
    "Sockets of IPv6, ports opened to others, and descriptors passed through Unix sockets were \
     refused; what the product would have done with them is not seen.",
];
