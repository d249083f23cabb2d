//! Lets days pass in minutes while a phase is idle.
//!
//! libfaketime is loaded into what an idle phase starts. It asks a file for its rate whenever it is
//! asked the time, so that the clock falls back to the machine's own while a flow is open: nothing
//! that the subject says to somebody, and no time-out of theirs, happens faster than it would. How
//! often the lab looks is [`PERIOD`]; that long a new flow may go on at the fast rate.
//!
//! The library keeps the rate with an offset to the moment when the clock was hastened first, which
//! its processes share. The lab writes that moment itself and chooses each offset so that no clock
//! jumps when the rate changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use miette::{IntoDiagnostic as _, Result};
use rustix::time::{ClockId, clock_gettime};
use watchglass_checks::{CLOCK_LIBRARY, CLOCK_MOMENT, CLOCK_RATE, CLOCK_SEMAPHORE};
use watchglass_events::{Digest, Name, Process, What};
use watchglass_world::{Laid, PreparedRoot, World, start_of};

use crate::recording::LabLog;

/// Seconds of the subject in one of the machine's, while no flow is open.
pub(crate) const SPEED: u32 = 1000;
/// How often the lab looks whether a flow is open.
pub(crate) const PERIOD: Duration = Duration::from_millis(5);

/// A clock that runs faster than the machine's.
#[derive(Debug)]
pub(crate) struct FastClock {
    phase: String,
    library: Laid,
    rate_file: Laid,
    /// The semaphore and the memory that the library's processes share.
    shared: [Laid; 2],
    laid: Vec<Vec<u8>>,
    course: Course,
    /// When the clock was hastened first.
    began: Instant,
    looked: Instant,
    suspects: BTreeMap<(u32, u64), Name>,
    told: BTreeSet<(u32, u64)>,
}

/// The library that hastens clocks, from the root that the subject lives in, so that it fits that
/// root's C library. `None`: there is none there for this processor.
pub(crate) fn library(root: &PreparedRoot) -> Option<Vec<u8>> {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = [format!("usr/lib/{triplet}"), "usr/lib64".to_owned(), "usr/lib".to_owned()];
    let mut paths = folders.iter().map(|folder| format!("{folder}/faketime/libfaketime.so.1"));
    paths.find_map(|path| std::fs::read(root.folder().join(path)).ok())
}

impl FastClock {
    /// Lays the library into the world. From here on the clock of what is started with
    /// [`FastClock::environment`] runs fast.
    pub(crate) fn lay(
        phase: &str,
        library: &[u8],
        world: &World,
        log: &mut LabLog,
    ) -> Result<Self> {
        let began = Instant::now();
        let course = Course::FAST;
        let parts = [
            (CLOCK_LIBRARY, 0o755, library.to_vec()),
            (CLOCK_RATE, 0o644, course.in_words().into_bytes()),
            (CLOCK_SEMAPHORE, 0o666, semaphore()),
            (CLOCK_MOMENT, 0o666, moment()),
        ];
        let mut laid = Vec::new();
        for (path, mode, content) in &parts {
            laid.push(world.lay(Path::new(path), content, *mode).into_diagnostic()?);
        }
        let [library, rate_file, semaphore, moment] =
            <[Laid; 4]>::try_from(laid).map_err(|_| miette::miette!("four files were laid"))?;
        let laid: Vec<Vec<u8>> = parts.into_iter().map(|(_, _, content)| content).collect();
        log.mark(What::ClockLaid {
            phase: phase.to_owned(),
            library: CLOCK_LIBRARY.into(),
            digest: Digest::of(laid.first().map(Vec::as_slice).unwrap_or_default()),
            rate: CLOCK_RATE.into(),
            shared: vec![CLOCK_SEMAPHORE.into(), CLOCK_MOMENT.into()],
        })?;
        let clock = Self {
            phase: phase.to_owned(),
            library,
            rate_file,
            shared: [semaphore, moment],
            laid,
            course,
            began,
            looked: began,
            suspects: BTreeMap::new(),
            told: BTreeSet::new(),
        };
        clock.mark(log, "no flow is open")?;
        Ok(clock)
    }

    /// What a command is told, so that its C library loads the library. The product file's own
    /// preloaded libraries stay.
    pub(crate) fn environment(&self, product: &mut BTreeMap<String, String>) {
        let preload = match product.get("LD_PRELOAD") {
            Some(own) => format!("{CLOCK_LIBRARY}:{own}"),
            None => CLOCK_LIBRARY.to_owned(),
        };
        let told = [
            ("LD_PRELOAD", preload.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", CLOCK_RATE),
            // Without this a new rate is noticed up to two seconds late.
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_SHARED", SHARED_NAMES),
            // Times of files would be hastened away from the moment too, years into the past.
            ("NO_FAKE_STAT", "1"),
        ];
        product.extend(told.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// How much of the subject's time has passed since the clock was hastened first.
    pub(crate) fn passed(&self) -> Duration {
        self.course.passed(self.began.elapsed())
    }

    /// Sets the rate by what is open, and looks whom it reaches.
    pub(crate) fn keep(&mut self, world: &World, log: &mut LabLog) -> Result<()> {
        let open = open_flows(world.first_process());
        let rate = rate(open);
        if rate != self.course.rate {
            self.course = self.course.change(self.began.elapsed(), rate);
            self.rate_file.replace(self.course.in_words().as_bytes()).into_diagnostic()?;
            let reason = match open {
                0 => "no flow is open".to_owned(),
                open => format!("{open} flows are open"),
            };
            self.mark(log, &reason)?;
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look(world, log)?;
        }
        Ok(())
    }

    /// Whether everything that was laid is still there, as it was laid.
    pub(crate) fn is_untouched(&self) -> bool {
        let holds = |laid: &Laid, content: &[u8]| {
            let found = laid.content(content.len() as u64 + 1);
            laid.is_in_place() && found.is_ok_and(|found| found == content)
        };
        let rate = self.course.in_words();
        let [library, _, semaphore, moment] = self.laid.as_slice() else { return false };
        let [semaphore_file, moment_file] = &self.shared;
        holds(&self.library, library)
            && holds(&self.rate_file, rate.as_bytes())
            && holds(semaphore_file, semaphore)
            && holds(moment_file, moment)
    }

    fn mark(&self, log: &mut LabLog, reason: &str) -> Result<()> {
        let (phase, rate) = (self.phase.clone(), self.course.rate);
        log.mark(What::ClockSet { phase, rate, reason: reason.to_owned() })
    }

    /// Names processes that do not have the library in memory: linked statically, with rights of
    /// their own, or with an environment that somebody cleared. One that has just begun to run its
    /// program loads its libraries first, so a process is named when it is met the second time.
    fn look(&mut self, world: &World, log: &mut LabLog) -> Result<()> {
        let mut met = BTreeMap::new();
        for pid in world.processes() {
            let Some(start_ns) = start_of(pid).filter(|start| !self.told.contains(&(pid, *start)))
            else {
                continue;
            };
            let Some(program) = unreached(pid) else { continue };
            if self.suspects.get(&(pid, start_ns)) == Some(&program) {
                self.told.insert((pid, start_ns));
                let (phase, process) = (self.phase.clone(), Process { pid, start_ns });
                log.mark(What::NotHastened { phase, process, program: program.clone() })?;
            }
            met.insert((pid, start_ns), program);
        }
        self.suspects = met;
        Ok(())
    }
}

/// The program of a process that does not have the library in memory.
fn unreached(pid: u32) -> Option<Name> {
    let maps = read_some(&format!("/proc/{pid}/maps"));
    // A process that has ended has no memory.
    if maps.is_empty() || maps.lines().any(|line| line.ends_with(CLOCK_LIBRARY)) {
        return None;
    }
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(Name::new(OsString::from(program).into_encoded_bytes()))
}

/// The rate for this many open flows: never faster than the machine's while one is open.
fn rate(open_flows: usize) -> u32 {
    if open_flows == 0 { SPEED } else { 1 }
}

/// Flows between the world and somebody else, as the kernel lists them. A list costs the kernel a
/// walk over all the machine's sockets, so its counters for the world are asked first.
fn open_flows(first_process: u32) -> usize {
    let counters = ["sockstat", "sockstat6"]
        .map(|file| read_some(&format!("/proc/{first_process}/net/{file}")));
    if !counters.iter().any(|text| has_sockets(text)) {
        return 0;
    }
    let tables = [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)];
    let count = |(table, is_stream)| {
        let text = read_some(&format!("/proc/{first_process}/net/{table}"));
        text.lines().skip(1).filter(|line| is_open(line, is_stream)).count()
    };
    tables.into_iter().map(count).sum()
}

/// Whether `/proc/net/sockstat` or `sockstat6` counts a TCP or UDP socket. Counters that are missing
/// say nothing.
fn has_sockets(counters: &str) -> bool {
    let of_flows = ["TCP:", "UDP:", "TCP6:", "UDP6:"];
    let lines = counters.lines().filter_map(|line| line.split_once(' '));
    let counted: Vec<&str> = lines
        .filter(|(protocol, _)| of_flows.contains(protocol))
        .filter_map(|(_, rest)| rest.split_ascii_whitespace().nth(1))
        .collect();
    counted.is_empty() || counted.iter().any(|in_use| *in_use != "0")
}

/// Whether a line of `/proc/net/{tcp,udp}` is a flow that the subject holds open with somebody
/// outside of its world. Fields: number, local and far end, state, queues, timer, retransmits,
/// user, time-out, inode. A socket that its owner has closed has inode 0.
fn is_open(line: &str, is_stream: bool) -> bool {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (Some(far), Some(state), Some(inode)) = (fields.get(2), fields.get(3), fields.get(9))
    else {
        return false;
    };
    let Some((address, _)) = far.split_once(':') else { return false };
    let with_somebody = address.bytes().any(|digit| digit != b'0') && !is_loopback(address);
    let alive = if is_stream { !STREAM_ENDS.contains(state) } else { *state == "01" };
    with_somebody && alive && *inode != "0"
}

/// TIME_WAIT, CLOSE, LISTEN.
const STREAM_ENDS: [&str; 3] = ["06", "07", "0A"];

/// 127.0.0.0/8, ::1, and the former as IPv6. The kernel prints words of 32 bits as the processor
/// orders their bytes, little-endian on all that the lab runs on.
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        _ => {
            address == "00000000000000000000000001000000"
                || address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F")
        }
    }
}

fn read_some(path: &str) -> String {
    let Ok(file) = std::fs::File::open(path) else { return String::new() };
    let mut text = Vec::new();
    let _ = file.take(MAX_TABLE_BYTES).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// How the subject's time runs: it shows `offset + now * rate`, where `now` is the machine's time and
/// both count from when the clock was hastened first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Course {
    /// Whole seconds, which the library reads alike in every locale.
    offset: i64,
    rate: u32,
}

impl Course {
    const FAST: Self = Self { offset: 0, rate: SPEED };

    fn shown_ns(self, now: Duration) -> i128 {
        i128::from(self.offset) * SECOND_NS + nanoseconds(now) * i128::from(self.rate)
    }

    fn passed(self, now: Duration) -> Duration {
        Duration::from_nanos(u64::try_from(self.shown_ns(now)).unwrap_or(0))
    }

    /// The same clock at another rate from now on. It goes forward to the next whole second of its
    /// offset, never back.
    fn change(self, now: Duration, rate: u32) -> Self {
        let offset = self.shown_ns(now) - nanoseconds(now) * i128::from(rate);
        let up = i128::from(offset.rem_euclid(SECOND_NS) > 0);
        let offset = i64::try_from(offset.div_euclid(SECOND_NS) + up).unwrap_or(i64::MAX);
        Self { offset, rate }
    }

    /// The library's own words.
    fn in_words(self) -> String {
        format!("{:+} x{}\n", self.offset, self.rate)
    }
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

/// A semaphore of glibc that nobody holds: value and waiters, then `FUTEX_SHARED`, 32 bytes in all.
fn semaphore() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[0] = 1;
    bytes[8] = 128;
    bytes
}

/// What the library's processes share: two counters that a constant rate does not use, and the
/// moment when the clock was hastened first, on four clocks.
fn moment() -> Vec<u8> {
    let clocks = [ClockId::Realtime, ClockId::Monotonic, ClockId::MonotonicRaw, ClockId::Boottime];
    let mut bytes = vec![0; 16];
    for clock in clocks {
        let now = clock_gettime(clock);
        bytes.extend(now.tv_sec.to_ne_bytes());
        bytes.extend(now.tv_nsec.to_ne_bytes());
    }
    bytes
}

/// Semaphore and memory, as sem_open(3) and shm_open(3) name them.
const SHARED_NAMES: &str = "/clock /clock";

const LOOK: Duration = Duration::from_millis(500);
const SECOND_NS: i128 = 1_000_000_000;
/// Largest table of the kernel that is read.
const MAX_TABLE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(local: &str, far: &str, state: &str, inode: &str) -> String {
        format!("   0: {local} {far} {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1")
    }

    #[test]
    fn the_clock_is_never_fast_while_a_flow_is_open() {
        assert_eq!(rate(0), SPEED);
        assert_eq!((rate(1), rate(7)), (1, 1));
    }

    #[test]
    fn a_flow_is_what_the_subject_holds_open_with_somebody() {
        let (own, far) = ("02004D0A:9C40", "0A0200C0:0050");
        let far6 = "B80D01200000000000000000010000FF:0050";
        for (state, open) in [("01", true), ("02", true), ("08", true), ("06", false)] {
            assert_eq!(is_open(&line(own, far, state, "77"), true), open, "{state}");
            assert_eq!(is_open(&line(own, far6, state, "77"), true), open, "{state}");
        }
        // Closed by its owner; a listener; the world's own loopback, in three spellings.
        assert!(!is_open(&line(own, far, "04", "0"), true));
        assert!(!is_open(&line("00000000:0050", "00000000:0000", "0A", "77"), true));
        for address in
            ["0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"]
        {
            assert!(
                !is_open(&line(own, &format!("{address}:0050"), "01", "77"), true),
                "{address}"
            );
        }
    }

    #[test]
    fn counters_of_the_kernel_tell_whether_a_look_at_its_lists_is_worth_it() {
        let none =
            "sockets: used 9\nTCP: inuse 0 orphan 0 tw 0 alloc 2 mem 0\nUDP: inuse 0 mem 0\n";
        assert!(!has_sockets(none));
        assert!(!has_sockets("TCP6: inuse 0\nUDP6: inuse 0\nRAW6: inuse 1\n"));
        assert!(has_sockets("TCP: inuse 0 orphan 0\nUDP: inuse 1 mem 0\n"));
        assert!(has_sockets("TCP6: inuse 10\nUDP6: inuse 0\n"));
        assert!(has_sockets(""), "no counters, no answer");
    }

    #[test]
    fn a_datagram_socket_is_a_flow_once_it_is_connected() {
        let (own, far) = ("02004D0A:9C40", "01004D0A:0035");
        assert!(is_open(&line(own, far, "01", "77"), false));
        assert!(!is_open(&line(own, "00000000:0000", "07", "77"), false));
    }

    #[test]
    fn what_is_no_line_of_the_table_is_no_flow() {
        for text in ["", "sl", "0: 1:2", "a b c d e f g h i j k", &"9".repeat(100)] {
            assert!(!is_open(text, true), "{text}");
        }
    }

    #[test]
    fn no_clock_jumps_more_than_a_second_when_the_rate_changes() {
        let mut course = Course::FAST;
        let steps = [
            (3_141_592_653, 1),
            (5_000_000_001, SPEED),
            (5_000_000_002, 1),
            (90_000_000_000, SPEED),
        ];
        for (now, rate) in steps.map(|(now, rate)| (Duration::from_nanos(now), rate)) {
            let next = course.change(now, rate);
            let jump = next.shown_ns(now) - course.shown_ns(now);
            assert!((0..SECOND_NS).contains(&jump), "{jump} at {now:?}");
            course = next;
        }
        assert_eq!(Course::FAST.in_words(), "+0 x1000\n");
        assert_eq!(Course { offset: -7, rate: 1 }.in_words(), "-7 x1\n");
    }
}
