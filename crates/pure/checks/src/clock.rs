//! The clocks of idle phases: how the lab set them, and whom that reached.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use watchglass_events::{Event, FileId, Name, Process, What};

use crate::processes::Processes;

/// The clocks of a run's idle phases.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    by_phase: BTreeMap<String, PhaseClock>,
}

/// The clock of one idle phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct PhaseClock {
    laid: Option<LaidClock>,
    /// Rates with the time from which each holds, in order.
    rates: Vec<(u64, u32)>,
    /// When nobody began to ask anything of the product, and until when.
    pub(crate) idle: Option<(u64, u64)>,
    /// Whether what the lab had laid was as it was laid when the idle time was over.
    pub(crate) untouched: bool,
    /// Processes that the lab saw without the library, with their programs and rows of its log.
    unreached: Vec<(Process, Name, u64)>,
    /// When the threads of each process asked for the rate, in order.
    asked: HashMap<Process, Vec<(u64, u32)>>,
    /// When each process loaded the library.
    loaded: HashMap<Process, Vec<u64>>,
    /// When each process ended.
    ended: HashMap<Process, u64>,
}

/// What the lab laid into the world for a clock.
#[derive(Clone, Debug)]
struct LaidClock {
    from_ns: u64,
    to_ns: u64,
    library: Name,
    rate: Name,
    shared: Vec<Name>,
    shared_files: HashSet<FileId>,
}

/// A program that the hastened clock did not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreached {
    /// The program.
    pub(crate) program: Name,
    /// The log, and the row in it, that shows the program.
    pub(crate) log: &'static str,
    /// The row.
    pub(crate) row: u64,
}

impl Clocks {
    /// Reads the marks of the lab, and what the subject did with what was laid.
    #[must_use]
    pub(crate) fn of(lab: &[Event], sensor: &[Event]) -> Self {
        let mut clocks = Self::default();
        for event in lab {
            clocks.mark(event);
        }
        for (phase, clock) in &mut clocks.by_phase {
            clock.close(phase, lab);
            clock.watch(sensor);
        }
        clocks
    }

    /// Whether the lab laid the library of a hastened clock.
    #[must_use]
    pub(crate) fn are_laid(&self) -> bool {
        self.by_phase.values().any(|clock| clock.laid.is_some())
    }

    /// The clock of a phase; `None` when the phase was never idle.
    #[must_use]
    pub(crate) fn phase(&self, name: &str) -> Option<&PhaseClock> {
        self.by_phase.get(name)
    }

    /// Whether an event is the lab's own library at work in a process of the subject: it is opened
    /// and read, it opens and reads its rate, and it shares what the lab laid for sharing. Exactly
    /// these paths count, while they were laid, and nothing is the library's that changes what it
    /// only reads.
    #[must_use]
    pub(crate) fn is_own(&self, event: &Event) -> bool {
        self.by_phase
            .values()
            .filter_map(|clock| clock.laid.as_ref())
            .any(|laid| laid.is_own(event))
    }

    fn mark(&mut self, event: &Event) {
        let at_ns = event.at_ns;
        match &event.what {
            // What the lab lays has these names alone; other files stay the product's.
            What::ClockLaid { library, rate, shared, .. }
                if !is_the_labs(library, rate, shared) => {}
            What::ClockLaid { phase, library, rate, shared, .. } => {
                self.at(phase).laid = Some(LaidClock {
                    from_ns: at_ns,
                    to_ns: u64::MAX,
                    library: library.clone(),
                    rate: rate.clone(),
                    shared: shared.clone(),
                    shared_files: HashSet::new(),
                });
            }
            What::ClockSet { phase, rate, .. } => self.at(phase).rates.push((at_ns, *rate)),
            What::IdleBegan { phase } => self.at(phase).idle = Some((at_ns, at_ns)),
            What::IdleEnded { phase, untouched } => {
                let clock = self.at(phase);
                clock.untouched = *untouched;
                clock.idle = clock.idle.map(|(from, _)| (from, at_ns));
            }
            What::NotHastened { phase, process, program } => {
                self.at(phase).unreached.push((*process, program.clone(), event.seq));
            }
            _ => {}
        }
    }

    fn at(&mut self, phase: &str) -> &mut PhaseClock {
        self.by_phase.entry(phase.to_owned()).or_default()
    }
}

fn is_the_labs(library: &Name, rate: &Name, shared: &[Name]) -> bool {
    let is = |name: &Name, path: &str| name.as_bytes() == path.as_bytes();
    let shares = |name: &Name| is(name, CLOCK_MOMENT) || is(name, CLOCK_SEMAPHORE);
    is(library, CLOCK_LIBRARY) && is(rate, CLOCK_RATE) && shared.iter().all(shares)
}

/// Where the lab lays the library of a hastened clock while a phase lasts: in a folder where programs
/// leave such things, by a name that says nothing of a lab. The names of its variables say it all the
/// same.
pub const CLOCK_LIBRARY: &str = "/dev/shm/clock.so";
/// Where it lays the rate.
pub const CLOCK_RATE: &str = "/dev/shm/clock.rate";
/// The semaphore that the library's processes share.
pub const CLOCK_SEMAPHORE: &str = "/dev/shm/sem.clock";
/// What they share: when the clock was hastened first.
pub const CLOCK_MOMENT: &str = "/dev/shm/clock";

impl LaidClock {
    fn is_own(&self, event: &Event) -> bool {
        if event.at_ns < self.from_ns || event.at_ns > self.to_ns {
            return false;
        }
        match &event.what {
            What::Opened { path, access, .. } => {
                let reads_only = !access.write && !access.create && !access.truncate;
                (reads_only && (*path == self.library || *path == self.rate))
                    || (!access.truncate && self.shared.contains(path))
            }
            What::Mapped { path, file, .. } => {
                self.shared_files.contains(file)
                    || path.as_ref().is_some_and(|path| self.shared.contains(path))
            }
            _ => false,
        }
    }
}

impl PhaseClock {
    /// What was laid is gone when the phase is over: when a command of another one begins.
    fn close(&mut self, phase: &str, lab: &[Event]) {
        let Some(laid) = &mut self.laid else { return };
        let other =
            |what: &What| matches!(what, What::StepStarted { phase: of, .. } if of != phase);
        let mut later = lab.iter().filter(|event| event.at_ns > laid.from_ns);
        laid.to_ns = later.find(|event| other(&event.what)).map_or(u64::MAX, |event| event.at_ns);
    }

    fn watch(&mut self, sensor: &[Event]) {
        let Some(laid) = &mut self.laid else { return };
        for event in sensor {
            let Some(actor) = event.actor else { continue };
            match &event.what {
                What::Exited { .. } => {
                    self.ended.insert(actor.process, event.at_ns);
                }
                What::Opened { path, file, error: None, .. }
                    if (laid.from_ns..=laid.to_ns).contains(&event.at_ns) =>
                {
                    if *path == laid.rate {
                        let asked = self.asked.entry(actor.process).or_default();
                        asked.push((event.at_ns, actor.thread));
                    } else if *path == laid.library {
                        self.loaded.entry(actor.process).or_default().push(event.at_ns);
                    } else if laid.shared.contains(path) {
                        laid.shared_files.extend(file);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the lab hastened this clock.
    #[must_use]
    pub(crate) fn is_hastened(&self) -> bool {
        self.laid.is_some()
    }

    /// Nanoseconds that passed for the subject while it was idle.
    #[must_use]
    pub(crate) fn passed_ns(&self) -> u128 {
        self.intervals().map(|(from, to, rate)| span(from, to).saturating_mul(rate.into())).sum()
    }

    /// Nanoseconds of the machine for which the clock was the machine's, since a flow was open.
    #[must_use]
    pub(crate) fn slow_ns(&self) -> u128 {
        if !self.is_hastened() {
            return 0;
        }
        let slow = self.intervals().filter(|(_, _, rate)| *rate <= 1);
        slow.map(|(from, to, _)| span(from, to)).sum()
    }

    /// The idle time, cut where the rate changes.
    fn intervals(&self) -> impl Iterator<Item = (u64, u64, u32)> {
        let (from, to) = self.idle.unwrap_or((0, 0));
        let before =
            self.rates.iter().rev().find(|(at, _)| *at <= from).map_or(1, |(_, rate)| *rate);
        let inside = self.rates.iter().filter(move |(at, _)| *at > from && *at < to).copied();
        let starts: Vec<(u64, u32)> = std::iter::once((from, before)).chain(inside).collect();
        let ends: Vec<u64> =
            starts.iter().skip(1).map(|(at, _)| *at).chain(std::iter::once(to)).collect();
        starts.into_iter().zip(ends).map(|((from, rate), to)| (from, to, rate))
    }

    /// Programs that lived while the product was idle and whose clock was the machine's: the sensor
    /// did not see them load the library, or the lab did not find it in their memory.
    #[must_use]
    pub(crate) fn unreached(&self, sensor: &[Event], processes: &Processes) -> Vec<Unreached> {
        let (Some(laid), Some((from, to))) = (&self.laid, self.idle) else { return Vec::new() };
        let mut found: Vec<Unreached> = Vec::new();
        let runs = |event: &&Event| {
            matches!(event.what, What::Executed { .. })
                && (laid.from_ns..=to).contains(&event.at_ns)
                && processes.binds(event)
        };
        let executions: Vec<&Event> = sensor.iter().filter(runs).collect();
        let mut next: HashMap<Process, u64> = HashMap::new();
        let backwards = executions.iter().rev().filter_map(|event| {
            let process = event.actor?.process;
            Some((*event, next.insert(process, event.at_ns).unwrap_or(u64::MAX)))
        });
        let mut lives: Vec<(&Event, u64)> = backwards.collect();
        lives.reverse();
        for (event, next) in lives {
            let (What::Executed { path, .. }, Some(actor)) = (&event.what, event.actor) else {
                continue;
            };
            let until = next.min(self.end_of(actor.process));
            let mut loads = self.loaded.get(&actor.process).into_iter().flatten();
            if until >= from && !loads.any(|load| (event.at_ns..=until).contains(load)) {
                found.push(Unreached { program: path.clone(), log: "sensor.log", row: event.seq });
            }
        }
        let bound = self.unreached.iter().filter(|(process, ..)| processes.is_bound(*process));
        let seen = bound.map(|(_, program, row)| Unreached {
            program: program.clone(),
            log: "lab.log",
            row: *row,
        });
        found.extend(seen);
        let mut told = BTreeSet::new();
        found.retain(|unreached| told.insert(unreached.program.clone()));
        found
    }

    /// Nanoseconds of its own that each process lacks, at most: a thread that asked for the rate
    /// while the clock was the machine's may have gone to wait by it, and is taken to wait until
    /// the same thread asks again.
    #[must_use]
    pub(crate) fn lacking_ns(&self) -> BTreeMap<Process, u128> {
        let Some((_, to)) = self.idle else { return BTreeMap::new() };
        let mut lacking: BTreeMap<Process, u128> = BTreeMap::new();
        let intervals: Vec<_> = self.intervals().collect();
        for pair in intervals.windows(2) {
            let [(slow_from, _, slow), (fast_from, _, fast)] = pair else { continue };
            if slow >= fast {
                continue;
            }
            for (process, asked) in &self.asked {
                if intervals.len() > MAX_RATES || asked.len() > MAX_ASKED {
                    lacking.insert(*process, u128::MAX);
                    continue;
                }
                let until = to.min(self.end_of(*process));
                let wait = longest_wait(asked, *slow_from, *fast_from, until);
                let more = span(0, wait).saturating_mul(u128::from(fast.saturating_sub(*slow)));
                let sum = lacking.entry(*process).or_default();
                *sum = sum.saturating_add(more);
            }
        }
        lacking
    }

    fn end_of(&self, process: Process) -> u64 {
        self.ended.get(&process).copied().unwrap_or(u64::MAX)
    }
}

/// Changes of the rate in one idle time, and questions of one process for it, that are followed. A
/// product that makes more of them is taken to lack everything.
const MAX_RATES: usize = 1024;
const MAX_ASKED: usize = 65_536;

/// How long after `to` the slowest of the threads that asked between `from` and `to` asked again.
fn longest_wait(asked: &[(u64, u32)], from: u64, to: u64, until: u64) -> u64 {
    let during = asked.iter().filter(|(at, _)| (from..=to).contains(at));
    let threads: BTreeSet<u32> = during.map(|(_, thread)| *thread).collect();
    let again = threads.iter().map(|thread| {
        let next = asked.iter().find(|(at, by)| at > &to && by == thread);
        next.map_or(until, |(at, _)| *at).min(until).saturating_sub(to)
    });
    again.max().unwrap_or(0)
}

fn span(from: u64, to: u64) -> u128 {
    to.saturating_sub(from).into()
}

#[cfg(test)]
mod tests {
    use watchglass_events::{Access, Actor, FileKind, Source};

    use super::*;
    use crate::sample::{READ, WRITE};

    const SECOND: u64 = 1_000_000_000;
    const LIBRARY: &str = "/dev/shm/clock.so";
    const RATE: &str = "/dev/shm/clock.rate";
    const SHARED: &str = "/dev/shm/clock";

    fn event(at: u64, thread: u32, what: What) -> Event {
        let process = Process { pid: 20, start_ns: 0 };
        let actor = Some(Actor { process, thread, uid: 0 });
        Event { seq: at, at_ns: at * SECOND, source: Source::Tracepoint, actor, what }
    }

    fn mark(at: u64, what: What) -> Event {
        Event { actor: None, source: Source::Lab, ..event(at, 0, what) }
    }

    fn opened(at: u64, thread: u32, path: &str, access: Access) -> Event {
        event(at, thread, crate::sample::opened(path, access))
    }

    fn set(at: u64, rate: u32) -> Event {
        mark(at, What::ClockSet { phase: "idle".into(), rate, reason: String::new() })
    }

    /// Laid at 1 s, idle from 10 s to 110 s, other rates between.
    fn lab(rates: &[(u64, u32)]) -> Vec<Event> {
        let laid = What::ClockLaid {
            phase: "idle".into(),
            library: LIBRARY.into(),
            digest: watchglass_events::Digest::of(b""),
            rate: RATE.into(),
            shared: vec![SHARED.into()],
        };
        let mut marks = vec![mark(1, laid), set(1, 1000)];
        marks.push(mark(10, What::IdleBegan { phase: "idle".into() }));
        marks.extend(rates.iter().map(|(at, rate)| set(*at, *rate)));
        marks.push(mark(110, What::IdleEnded { phase: "idle".into(), untouched: true }));
        let process = Process { pid: 5, start_ns: 0 };
        let (phase, argv) = ("next".into(), Vec::new());
        marks.push(mark(120, What::StepStarted { phase, step: 0, argv, process }));
        marks
    }

    fn clock(rates: &[(u64, u32)], sensor: &[Event]) -> PhaseClock {
        Clocks::of(&lab(rates), sensor).phase("idle").unwrap().clone()
    }

    #[test]
    fn time_passes_at_the_rate_that_holds() {
        let clock = clock(&[(40, 1), (60, 1000)], &[]);
        assert_eq!(clock.passed_ns(), u128::from(30_000 + 20 + 50_000_u64) * u128::from(SECOND));
        assert_eq!(clock.slow_ns(), u128::from(20 * SECOND));
    }

    #[test]
    fn a_clock_that_nobody_hastened_is_the_machines() {
        let marks: Vec<Event> = lab(&[])
            .into_iter()
            .filter(|event| !matches!(event.what, What::ClockLaid { .. } | What::ClockSet { .. }))
            .collect();
        let clocks = Clocks::of(&marks, &[]);
        let clock = clocks.phase("idle").unwrap();
        assert!(!clock.is_hastened());
        assert_eq!((clock.passed_ns(), clock.slow_ns()), (u128::from(100 * SECOND), 0));
        assert!(!clocks.is_own(&opened(20, 20, LIBRARY, READ)));
    }

    #[test]
    fn a_program_is_reached_that_loads_the_library_after_its_exec() {
        let ran = |at, path: &str| event(at, 20, crate::sample::executed(path));
        let processes = Processes::default();
        let reached = [ran(5, "/bin/a"), opened(6, 20, LIBRARY, READ)];
        assert_eq!(clock(&[], &reached).unreached(&reached, &processes), []);
        // A second program in the same process loads for itself.
        let second = [reached.as_slice(), &[ran(50, "/bin/static")]].concat();
        let found = clock(&[], &second).unreached(&second, &processes);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].program.clone(), found[0].row), ("/bin/static".into(), 50));
        // One that had ended before the product was idle does not matter.
        let outcome = watchglass_events::Outcome::Exited(0);
        let ended = [ran(2, "/bin/static"), event(9, 20, What::Exited { outcome })];
        assert_eq!(clock(&[], &ended).unreached(&ended, &processes), []);
    }

    #[test]
    fn a_thread_that_asked_while_a_flow_was_open_lacks_the_time_until_it_asks_again() {
        let rates = [(40, 1), (60, 1000)];
        let process = Process { pid: 20, start_ns: 0 };
        let lacking = |sensor: &[Event]| {
            let lacking = clock(&rates, sensor).lacking_ns();
            lacking.get(&process).copied().unwrap_or(0) / u128::from(SECOND)
        };
        assert_eq!(lacking(&[opened(30, 20, RATE, READ)]), 0);
        assert_eq!(lacking(&[opened(50, 20, RATE, READ), opened(61, 20, RATE, READ)]), 999);
        assert_eq!(lacking(&[opened(50, 20, RATE, READ)]), 50 * 999);
        // Another thread's asking does not wake the one that waits.
        assert_eq!(lacking(&[opened(50, 21, RATE, READ), opened(61, 20, RATE, READ)]), 50 * 999);
    }

    #[test]
    fn only_the_librarys_own_doings_are_the_labs() {
        let clocks = Clocks::of(&lab(&[]), &[opened(20, 20, SHARED, WRITE)]);
        assert!(clocks.is_own(&opened(20, 20, LIBRARY, READ)));
        assert!(clocks.is_own(&opened(20, 20, RATE, READ)));
        assert!(clocks.is_own(&opened(20, 20, SHARED, WRITE)));
        for (at, path, access) in [
            (20, RATE, WRITE),
            (20, LIBRARY, WRITE),
            (20, "/dev/shm/clock.so.1", READ),
            (20, "/tmp/dev/shm/clock", WRITE),
            (0, LIBRARY, READ),
            (130, SHARED, WRITE),
        ] {
            assert!(!clocks.is_own(&opened(at, 20, path, access)), "{path} at {at}");
        }
        let file = FileId { device: 9, inode: 9, generation: 0, kind: FileKind::Regular };
        let mapped = |file| What::Mapped {
            file,
            path: None,
            bytes: 1,
            executable: false,
            shared_write: true,
        };
        assert!(!clocks.is_own(&event(20, 20, mapped(file))));
        let shared = FileId { device: 1, inode: 1, ..file };
        assert!(clocks.is_own(&event(20, 20, mapped(shared))));
    }
}
