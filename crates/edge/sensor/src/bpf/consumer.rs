//! The thread that reads the ring and writes the log.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufWriter;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use rustix::event::{Timespec, epoll};
use watchglass_events::log::LogWriter;
use watchglass_events::{Act, Actor, Direction, Name, Outcome, Peer, SocketId, Source, What};

use super::digests::Digests;
use super::libraries::{Libraries, is_tls_library};
use super::loaded::{ByteMap, Loaded};
use super::paths::{self, Root};
use super::record::{self, Kind, PATH, Record, SOURCES, STRING};
use super::transfers::{self, Transfers};
use super::{Options, translate};
use crate::{SensorError, Totals};

/// What the owner of the sensor asks of the thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Take the root of this process as the world's, unless it is known, and answer.
    Adopt(u32, Sender<Result<(), SensorError>>),
    /// Take the probe out, read what is left, and end. The same follows when nobody asks any more.
    Finish,
}

/// Everything the thread owns.
#[derive(Debug)]
pub(super) struct Consumer {
    loaded: Loaded,
    log: LogWriter<BufWriter<File>>,
    failed: Option<std::io::Error>,
    transfers: Transfers,
    flows: Flows,
    digests: Digests,
    libraries: Libraries,
    root: Option<Root>,
    wanted: Vec<PathBuf>,
    uid_base: u32,
    /// Records that arrived, by source and CPU.
    received: [Vec<u64>; 3],
    /// The sequence number that the next record of the tracepoints has, by CPU.
    next: HashMap<u16, u64>,
    unreadable: u64,
    /// Processes that have ended, by number: two threads that end at once may both tell it.
    ended: HashMap<u32, u64>,
    /// Images of which a call of another ABI was told.
    foreign: HashSet<(u32, u64)>,
    recorded: Arc<AtomicU64>,
}

/// The packet counters of the cgroup hooks, and what of them was told.
#[derive(Debug)]
struct Flows {
    map: ByteMap<32>,
    told: HashMap<[u8; 32], [u64; 2]>,
}

impl Consumer {
    pub(super) fn new(
        mut loaded: Loaded,
        log: File,
        options: &Options,
        recorded: Arc<AtomicU64>,
    ) -> Result<Self, SensorError> {
        let log = BufWriter::with_capacity(LOG_BUFFER_BYTES, log);
        let log = LogWriter::new(log, Source::Tracepoint).map_err(SensorError::Log)?;
        let transfers = Transfers::new(loaded.take_hash("transfers")?);
        let flows = Flows { map: loaded.take_hash("flows")?, told: HashMap::new() };
        let mut consumer = Self {
            loaded,
            log,
            failed: None,
            transfers,
            flows,
            digests: Digests::default(),
            libraries: Libraries::default(),
            root: None,
            wanted: options.libraries.clone(),
            uid_base: options.uid_base,
            received: Default::default(),
            next: HashMap::new(),
            unreadable: 0,
            ended: HashMap::new(),
            foreign: HashSet::new(),
            recorded,
        };
        if let Some(path) = &options.world_root {
            consumer.take_root(path)?;
        }
        Ok(consumer)
    }

    /// Reads until told to finish.
    pub(super) fn run(
        mut self,
        mut ring: RingBuf<MapData>,
        commands: &Receiver<Command>,
    ) -> Result<Vec<Totals>, SensorError> {
        // Digests are taken while programs run, so the reader goes before them. Only this thread is
        // meant (setpriority(2), BUGS); without the right to it the reader does what it can.
        let _ = rustix::process::setpriority_process(None, READER_NICE);
        let mut swept = Instant::now();
        let waker = Waker::new(&ring)?;
        loop {
            let busy = self.drain(&mut ring) > 0;
            if swept.elapsed() > SWEEP_EVERY {
                self.sweep();
                swept = Instant::now();
            }
            match commands.try_recv() {
                Ok(Command::Adopt(pid, answer)) => {
                    // The asker may have gone; then nobody wants the answer.
                    let _ = answer.send(self.adopt(pid));
                }
                Ok(Command::Finish) | Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => waker.wait(busy),
            }
        }
        self.finish(&mut ring)
    }

    fn finish(mut self, ring: &mut RingBuf<MapData>) -> Result<Vec<Totals>, SensorError> {
        self.drain(ring);
        let skipped = self.loaded.skipped_runs();
        self.loaded.detach();
        self.drain(ring);
        self.sweep();
        let totals = self.totals(skipped)?;
        if let Some(error) = self.failed {
            return Err(SensorError::Log(error));
        }
        self.log.finish().map_err(SensorError::Log)?;
        Ok(totals)
    }

    fn drain(&mut self, ring: &mut RingBuf<MapData>) -> u64 {
        let mut count = 0_u64;
        while let Some(item) = ring.next() {
            count = count.saturating_add(1);
            match Record::parse(&item) {
                Ok(record) => self.take(&record),
                // What cannot be read is missing in the sums, and so counted as lost.
                Err(_) => self.unreadable = self.unreadable.saturating_add(1),
            }
        }
        count
    }

    fn take(&mut self, record: &Record<'_>) {
        self.count(record);
        self.tell_gap(record);
        let actor = record.actor(self.uid_base);
        match record.kind {
            Kind::Transfer => self.take_transfer(record, actor),
            Kind::Fork => self.append(record, actor, forked(record)),
            Kind::Exec => self.take_exec(record, actor),
            Kind::Exit => self.take_exit(record, actor),
            Kind::Foreign => self.take_foreign(record, actor),
            Kind::Tls => self.take_tls(record, actor),
            _ => self.take_events(record, actor),
        }
    }

    fn take_events(&mut self, record: &Record<'_>, actor: Actor) {
        for what in translate::events(record, self.root.as_ref()) {
            match &what {
                What::Mapped { path: Some(path), .. } if is_tls_library(path) => {
                    self.probe_mapped(record.process, path);
                }
                What::Attempted { act: Act::MemoryFile, error: None, .. } => {
                    self.digests.hold(record);
                }
                _ => {}
            }
            self.append(record, actor, what);
        }
    }

    fn take_transfer(&mut self, record: &Record<'_>, actor: Actor) {
        self.transfers.begin(record, actor);
        if let Some(what) = transfers::first(record) {
            self.append(record, actor, what);
        }
    }

    fn take_exec(&mut self, record: &Record<'_>, actor: Actor) {
        let gone = self.transfers.end(record.process, Some(record.image));
        self.append_all(record.at_ns, gone);
        let path = paths::resolved(record, PATH).unwrap_or_default();
        let digest = self.digests.of(record, &path, self.root.as_ref());
        let argv = translate::argv(record.parts[STRING]);
        let file = paths::file(record);
        self.append(record, actor, What::Executed { path, file, digest, argv });
    }

    fn take_exit(&mut self, record: &Record<'_>, actor: Actor) {
        if self.ended.insert(record.process, record.start_ns) == Some(record.start_ns) {
            return;
        }
        let gone = self.transfers.end(record.process, None);
        self.append_all(record.at_ns, gone);
        self.append(record, actor, What::Exited { outcome: outcome(record.code()) });
    }

    fn take_foreign(&mut self, record: &Record<'_>, actor: Actor) {
        if self.foreign.len() < MAX_FOREIGN && self.foreign.insert((record.process, record.image)) {
            let call = record.call;
            let text = format!(
                "system call {call} of another ABI (32-bit or x32), which this sensor does not \
                 decode; further ones of this program are not told"
            );
            self.append(record, actor, What::Noted { text });
        }
    }

    fn take_tls(&mut self, record: &Record<'_>, actor: Actor) {
        let [cookie, direction, session, ..] = record.argument;
        let data = record.parts[STRING];
        let bytes = usize::try_from(record.result).unwrap_or(0);
        let what = What::Tls {
            library: self.libraries.path(cookie),
            direction: if direction == 0 { Direction::Received } else { Direction::Sent },
            data: Name::new(data),
            cut: bytes.saturating_sub(data.len()).try_into().unwrap_or(u64::MAX),
            session: Some(session),
        };
        self.append(record, actor, what);
    }

    fn adopt(&mut self, pid: u32) -> Result<(), SensorError> {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        if self.root.is_none() {
            return self.take_root(&root);
        }
        Root::open(&root).map(drop).map_err(|error| no_root(&root, error))
    }

    fn take_root(&mut self, path: &std::path::Path) -> Result<(), SensorError> {
        let root = Root::open(path).map_err(|error| no_root(path, error))?;
        for library in std::mem::take(&mut self.wanted) {
            let library = Name::new(library.into_os_string().into_encoded_bytes());
            self.libraries.attach(&mut self.loaded, &root, &library);
        }
        self.root = Some(root);
        Ok(())
    }

    /// Probes a library that a process has just mapped, in that process's own root.
    fn probe_mapped(&mut self, pid: u32, path: &Name) {
        let own = Root::open(&PathBuf::from(format!("/proc/{pid}/root"))).ok();
        if let Some(root) = own.as_ref().or(self.root.as_ref()) {
            self.libraries.attach(&mut self.loaded, root, path);
        }
    }

    /// Tells what transfers and packets added since the last time.
    fn sweep(&mut self) {
        let now = now_ns();
        let added = self.transfers.sweep();
        self.append_all(now, added);
        for what in self.flows.added() {
            self.append_from(Source::Cgroup, now, None, what);
        }
    }

    fn append(&mut self, record: &Record<'_>, actor: Actor, what: What) {
        self.append_from(record.source, record.at_ns, Some(actor), what);
    }

    fn append_all(&mut self, at_ns: u64, all: Vec<(Actor, What)>) {
        for (actor, what) in all {
            self.append_from(Source::Tracepoint, at_ns, Some(actor), what);
        }
    }

    /// Keeps the first error for the end: the ring must be read on, so that the counts stay true.
    fn append_from(&mut self, source: Source, at_ns: u64, actor: Option<Actor>, what: What) {
        if self.failed.is_some() {
            return;
        }
        match self.log.append_from(source, at_ns, actor, what) {
            Ok(_) => self.recorded.store(self.log.count(), Ordering::Relaxed),
            Err(error) => self.failed = Some(error),
        }
    }

    fn count(&mut self, record: &Record<'_>) {
        let index = SOURCES.iter().position(|&source| source == record.source).unwrap_or(0);
        let cpu = usize::from(record.cpu);
        let Some(cpus) = self.received.get_mut(index) else { return };
        if cpus.len() <= cpu {
            cpus.resize(cpu.saturating_add(1), 0);
        }
        if let Some(count) = cpus.get_mut(cpu) {
            *count = count.saturating_add(1);
        }
    }

    /// Says in the log where records are missing. Only tracepoints number and write without being
    /// interrupted; the other sources' gaps are found in the sums at the end.
    fn tell_gap(&mut self, record: &Record<'_>) {
        if record.source != Source::Tracepoint {
            return;
        }
        let following = record.sequence.saturating_add(1);
        let expected = self.next.insert(record.cpu, following).unwrap_or(0);
        let gap = record.sequence.saturating_sub(expected);
        if gap > 0 {
            let cpu = record.cpu;
            let text = format!("{gap} records of CPU {cpu} were lost before this");
            self.append_from(Source::Tracepoint, record.at_ns, None, What::Noted { text });
        }
    }

    fn totals(&self, skipped: [u64; 3]) -> Result<Vec<Totals>, SensorError> {
        let counts = self.loaded.counts()?;
        let mut totals = Vec::new();
        for (index, source) in SOURCES.into_iter().enumerate() {
            let counted = counts.get(index).map(Vec::as_slice).unwrap_or_default();
            let emitted: u64 = counted.iter().map(|counts| counts.emitted).sum();
            let told_lost: u64 = counted.iter().map(|counts| counts.lost).sum();
            let received: u64 = self.received.get(index).into_iter().flatten().sum();
            let skipped = skipped.get(index).copied().unwrap_or(0);
            let mut blind = self.blind(source);
            if emitted != received.saturating_add(told_lost) {
                blind.push(format!(
                    "The probe counted {emitted} records and {told_lost} lost ones, but {received} \
                     arrived; the difference is counted as lost."
                ));
            }
            if source == Source::Tracepoint && self.unreadable > 0 {
                blind.push(format!("{} records of the ring could not be read.", self.unreadable));
            }
            // What neither arrived nor was told as lost is lost all the same.
            let lost = emitted.saturating_sub(received).saturating_add(skipped);
            let emitted = received.saturating_add(lost);
            totals.push(Totals { source, emitted, received, lost, blind });
        }
        Ok(totals)
    }

    /// What a source did not see in this run, and what it can never see.
    fn blind(&self, source: Source) -> Vec<String> {
        let missing = self.loaded.missing().iter().filter(|(entry, _)| entry.source == source);
        let mut blind: Vec<String> = missing
            .map(|(entry, reason)| {
                format!("Not seen: {}, since `{}` is missing: {reason}.", entry.without, entry.name)
            })
            .collect();
        if source == Source::Tracepoint && self.digests.missed > 0 {
            let count = self.digests.missed;
            blind.push(format!("{count} programs were gone before their digest could be taken."));
        }
        if source == Source::Uprobe {
            let failed = self.libraries.failed.iter();
            blind.extend(failed.map(|reason| format!("A TLS library is not probed: {reason}.")));
        }
        let always = match source {
            Source::Cgroup => BLIND_CGROUP,
            Source::Uprobe => BLIND_UPROBE,
            _ => BLIND_TRACEPOINT,
        };
        blind.extend(always.iter().map(|&sentence| sentence.to_owned()));
        blind
    }
}

impl Flows {
    fn added(&mut self) -> Vec<What> {
        let mut added = Vec::new();
        for (key, [bytes, packets]) in self.map.iter().flatten() {
            let told = self.told.entry(key).or_default();
            let more = [bytes.saturating_sub(told[0]), packets.saturating_sub(told[1])];
            if more[1] > 0 {
                *told = [bytes, packets];
                added.push(packets_seen(&key, more));
            }
        }
        added
    }
}

/// Payload of packets between a socket and a remote end; `calls` counts packets.
fn packets_seen(key: &[u8; 32], [bytes, calls]: [u64; 2]) -> What {
    let [cookie, address, rest] = [&key[..8], &key[8..24], &key[24..]];
    let cookie = cookie.try_into().map_or(0, u64::from_le_bytes);
    let socket = Some(SocketId { inode: 0, cookie });
    let port = u16::from_be_bytes([rest[0], rest[1]]);
    let version_4 = rest[4] == AF_INET;
    let address = match (version_4, <[u8; 16]>::try_from(address)) {
        (true, Ok([a, b, c, d, ..])) => [a, b, c, d].into(),
        (_, bytes) => std::net::Ipv6Addr::from(bytes.unwrap_or_default()).to_canonical(),
    };
    let peer = Some(Peer::Internet { address, port });
    match rest[3] {
        0 => What::Received { socket, peer, bytes, calls },
        _ => What::Sent { socket, peer, bytes, calls, error: None },
    }
}

fn forked(record: &Record<'_>) -> What {
    let [pid, thread, start_ns, ..] = record.argument;
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    What::Forked { child: record::process(narrow(pid), start_ns), thread: narrow(thread) }
}

/// From the kernel's exit code: the signal in the low 7 bits, the status above (wait(2)).
fn outcome(code: i32) -> Outcome {
    match code & 0x7f {
        0 => Outcome::Exited((code >> 8) & 0xff),
        signal => Outcome::Signalled(signal),
    }
}

/// Waits for the ring. Only records that need a quick answer wake the thread; the others are found
/// when it looks, so that a busy ring does not cost an interrupt for each record.
struct Waker {
    epoll: OwnedFd,
}

impl Waker {
    /// Edge-triggered: a ring that holds records is no reason to return, a wake-up is (epoll(7)).
    fn new(ring: &RingBuf<MapData>) -> Result<Self, SensorError> {
        let failed = |error: rustix::io::Errno| SensorError::System {
            call: "epoll on the ring".to_owned(),
            source: error.into(),
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, ring, epoll::EventData::new_u64(0), edges).map_err(failed)?;
        Ok(Self { epoll })
    }

    fn wait(&self, busy: bool) {
        let look_after = if busy { &LOOK_WHEN_BUSY } else { &LOOK_WHEN_IDLE };
        let mut woken =
            [epoll::Event { flags: epoll::EventFlags::IN, data: epoll::EventData::new_u64(0) }];
        // Woken, too late or interrupted: the ring is looked at next.
        let _ = epoll::wait(&self.epoll, &mut woken, Some(look_after));
    }
}

fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = Duration::from_secs(now.tv_sec.try_into().unwrap_or(0));
    let nanoseconds = Duration::from_nanos(now.tv_nsec.try_into().unwrap_or(0));
    u64::try_from((seconds + nanoseconds).as_nanos()).unwrap_or(u64::MAX)
}

fn no_root(path: &std::path::Path, error: rustix::io::Errno) -> SensorError {
    SensorError::System { call: format!("open {}", path.display()), source: error.into() }
}

const READER_NICE: i32 = -10;
const LOOK_WHEN_BUSY: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
const LOOK_WHEN_IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const LOG_BUFFER_BYTES: usize = 256 * 1024;
const MAX_FOREIGN: usize = 65_536;
const AF_INET: u8 = 2;

const BLIND_TRACEPOINT: &[&str] = &[
    "A mapping is seen when it is made; what is read or written through it later is not, nor is a \
     mapping that `mprotect` makes executable or writable afterwards.",
    "A thread that replaces a descriptor while another thread's call on it returns can have the call \
     told for the other file.",
    "Where a directory is renamed while a path below it is read, the path can be made of the old and \
     the new name.",
    "Names that were passed to calls that failed, or to rename, link, unlink and the like, are read \
     after the call; another thread can have changed them, and the directories in them are resolved \
     a moment later.",
    "Addresses of single messages and of failed connections are read after the call; the cgroup \
     source has those that the kernel used.",
    "Files that the kernel itself reads to run a program, the interpreter of an ELF file and the \
     first line of a script, are not told as opened.",
    "Requests through io_uring are told by their kind, without the file or socket they end at.",
    "System calls of the 32-bit and x32 ABIs are noted, not decoded.",
    "A process that was moved out of the cgroup is not followed; the move itself is told.",
    "Descriptors that processes had before the recording began are told only when they are used.",
    "Shared memory of System V, and content that passes through pipes, shared memory and signals, is \
     not recorded.",
];

const BLIND_CGROUP: &[&str] = &[
    "Only internet sockets are seen, not AF_PACKET, AF_VSOCK, AF_UNIX and the like.",
    "Sockets that were made outside of the world and handed in are not counted.",
    "A connection is told when it is tried, not whether it came about, and a datagram without its \
     length; bytes are those of packets, with retransmissions, and name the socket, not the process.",
];

const BLIND_UPROBE: &[&str] = &[
    "Only OpenSSL and GnuTLS as shared libraries named `libssl*` and `libgnutls*` are read, not NSS, \
     statically linked or other implementations.",
    "A library that was not known before it was mapped may have carried its first calls already.",
    "Of each call at most 4 KiB are kept; the rest is counted.",
    "A subject that looks at its own memory can see the probes.",
];
