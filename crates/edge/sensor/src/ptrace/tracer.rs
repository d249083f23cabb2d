//! The thread that traces: follows every process from stop to stop.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use watchglass_events::{Actor, Outcome, Process, Source, What};
use watchglass_sys::trace::{self, CallInfo, NATIVE_ARCHITECTURE, Resume, Stop, Tracee, Waker};

use super::calls::{self, Calls, Entry, Kind};
use super::in_place::{Call, Place};
use super::observe::{Before, Observer, Returned, Started, low_half};
use super::peek::Peek;
use super::record::{Recorder, Trouble};
use super::subject::{Subject, Thread};
use super::ticker::Ticker;
use super::{Options, REFUSE, Totals, system};
use crate::SensorError;

/// What the rest of the lab asks of the tracing thread. It ends when nobody is left to ask.
#[derive(Debug)]
pub(super) enum Request {
    Adopt { pid: u32, answer: Sender<Result<(), SensorError>> },
}

/// The state of the tracing thread.
#[derive(Debug)]
pub(super) struct Tracer {
    options: Options,
    calls: Calls,
    inbox: Receiver<Request>,
    ticker: Ticker,
    pub(super) peek: Peek,
    recorder: Recorder,
    pub(super) threads: HashMap<u32, Thread>,
    pub(super) subjects: HashMap<u32, Subject>,
    /// What stands for namespaces, where the subject has none.
    pub(super) place: Option<Place>,
    /// New threads that stopped before their maker told of them. They wait for that.
    held: HashMap<u32, Newborn>,
    /// Processes in which a thread may wait for its turn.
    crowded: HashSet<u32>,
    looked: Instant,
}

/// A new thread of which its maker has not told yet.
#[derive(Debug)]
struct Newborn {
    tracee: Tracee,
    since: Instant,
    /// Its maker, as far as it can be told from the child.
    maker: Option<Actor>,
}

/// What the thread does next.
enum Next {
    Handle(Tracee, Stop),
    /// Somebody rang.
    Look,
    /// Nothing is traced.
    Rest,
}

impl Tracer {
    /// Must be called on the thread that will trace.
    pub(super) fn new(
        log: File,
        options: Options,
        calls: Calls,
        recorded: Arc<AtomicU64>,
        inbox: Receiver<Request>,
    ) -> Result<(Self, Waker), SensorError> {
        let peek = Peek::new().map_err(|error| system("open of /proc", error.into()))?;
        if !peek.is_own_proc() {
            let reason = "it numbers the processes of another pid namespace".to_owned();
            return Err(SensorError::Unavailable { what: "/proc", reason });
        }
        let waker = Waker::of_this_thread().map_err(|error| system("sigaction", error))?;
        let ticker = Ticker::new(waker).map_err(|error| system("start of a thread", error))?;
        let is_silent = options.disabled.contains(&Source::Ptrace);
        let mut recorder = Recorder::new(log, is_silent, recorded).map_err(SensorError::Log)?;
        let place = options.in_place.as_ref().map(Place::new).transpose();
        let place = place.map_err(|error| system("open of the scratch folder", error.into()))?;
        if let Some(place) = &place {
            recorder.tell_as(Arc::clone(&place.leader));
        }
        let (threads, subjects) = (HashMap::new(), HashMap::new());
        let (held, crowded, looked) = (HashMap::new(), HashSet::new(), Instant::now());
        let tracer = Self {
            options,
            calls,
            inbox,
            ticker,
            peek,
            recorder,
            threads,
            subjects,
            place,
            held,
            crowded,
            looked,
        };
        Ok((tracer, waker))
    }

    /// Traces until nobody is left to ask, then ends the recording.
    pub(super) fn run(mut self) -> Result<Vec<Totals>, SensorError> {
        while self.serve() {
            match next_stop() {
                Next::Handle(tracee, stop) => {
                    self.handle(tracee, stop);
                    self.look_if_due();
                }
                Next::Look => self.look(),
                Next::Rest => match self.inbox.recv() {
                    Ok(request) => self.answer(request),
                    Err(_) => break,
                },
            }
        }
        self.drain();
        for pid in self.subjects.keys().copied().collect::<Vec<_>>() {
            self.forget_process(pid, Outcome::Unknown);
        }
        self.recorder.finish(self.options.reads)
    }

    /// Answers what was asked; `false` when nobody is left to ask.
    fn serve(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(request) => self.answer(request),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn answer(&mut self, request: Request) {
        let Request::Adopt { pid, answer } = request;
        // Whoever asked may have gone meanwhile; the process stays watched.
        let _ = answer.send(self.adopt(pid));
    }

    /// Seizes all threads of a process, and those that they make meanwhile.
    fn adopt(&mut self, pid: u32) -> Result<(), SensorError> {
        loop {
            let threads = Peek::threads(pid);
            let threads = threads.map_err(|error| system(format!("threads of {pid}"), error))?;
            let new: Vec<_> =
                threads.into_iter().filter(|tid| !self.threads.contains_key(tid)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for tid in new {
                self.seize(pid, tid)?;
            }
        }
    }

    fn seize(&mut self, pid: u32, tid: u32) -> Result<(), SensorError> {
        match Tracee::seize(tid) {
            Ok(_) => {}
            // A thread that ended is no loss; a process that did is.
            Err(error) if tid != pid && is_gone(&error) => return Ok(()),
            Err(error) => return Err(system(format!("PTRACE_SEIZE of {tid}"), error)),
        }
        match self.introduce(tid) {
            Some(_) => Ok(()),
            None => Err(system(format!("status of {tid}"), Errno::SRCH.into())),
        }
    }

    fn handle(&mut self, tracee: Tracee, stop: Stop) {
        match stop {
            Stop::Exited(code) => self.ended(tracee.tid(), Outcome::Exited(code)),
            Stop::Killed(signal) => self.ended(tracee.tid(), Outcome::Signalled(signal)),
            Stop::Filtered => self.filtered(tracee),
            Stop::CallExit => self.returned(tracee),
            Stop::Forked => self.forked(tracee),
            Stop::Executed => self.executed(tracee),
            Stop::Paused if self.threads.contains_key(&tracee.tid()) => self.go_on(tracee, 0),
            Stop::Paused => self.hold(tracee),
            Stop::GroupStop(_) => ignore_gone(tracee.listen()),
            Stop::Signal(signal) => self.go_on(tracee, signal),
        }
    }

    /// A call stands before the filter's decision: what becomes of it is decided here.
    fn filtered(&mut self, tracee: Tracee) {
        let Ok(CallInfo::Filtered { architecture, number, arguments, data, stack }) =
            tracee.call_info()
        else {
            return ignore_gone(tracee.resume(Resume::Freely, 0));
        };
        if self.is_refused(architecture, number, data) {
            return self.refuse(tracee, architecture, number, &arguments);
        }
        let Some(entry) = self.calls.entry(number) else {
            self.recorder.count(Trouble::Unasked);
            return ignore_gone(tracee.resume(Resume::Freely, 0));
        };
        if self.must_wait(tracee, entry, &arguments) {
            return;
        }
        if self.place.is_some() {
            let call = Call { architecture, number, arguments, stack };
            return self.filtered_in_place(tracee, entry, call);
        }
        let how = self.begin(tracee.tid(), entry, arguments);
        ignore_gone(tracee.resume(how, 0));
    }

    /// Other calling conventions (`int 0x80`, x32) number their calls differently: none is let in.
    fn is_refused(&self, architecture: u32, number: u64, data: u32) -> bool {
        let is_foreign = architecture != NATIVE_ARCHITECTURE || number >= X32_CALLS;
        let is_listed = u32::try_from(number).is_ok_and(|call| self.options.refuse.contains(&call));
        is_foreign || is_listed || data == u32::from(REFUSE)
    }

    pub(super) fn refuse(
        &mut self,
        tracee: Tracee,
        architecture: u32,
        number: u64,
        arguments: &[u64; 6],
    ) {
        let (call, entry) = if architecture == NATIVE_ARCHITECTURE {
            (calls::name(number), self.calls.entry(number))
        } else {
            (format!("{number} of architecture {architecture:#x}"), None)
        };
        // First refused, then recorded: a record of a refusal is never of a call that ran.
        let refused = tracee.refuse_call(Errno::PERM.raw_os_error());
        if refused.is_ok()
            && let Some(mut observer) = self.observer(tracee.tid())
        {
            observer.refused(entry, call, arguments);
        }
        ignore_gone(refused.and_then(|()| tracee.resume(Resume::Freely, 0)));
    }

    /// Whether another thread of the process must be seen through its open first.
    fn must_wait(&mut self, tracee: Tracee, entry: &Entry, arguments: &[u64; 6]) -> bool {
        let tid = tracee.tid();
        let Some(thread) = self.threads.get_mut(&tid) else { return false };
        let pid = thread.actor.process.pid;
        let Some(subject) = self.subjects.get_mut(&pid) else { return false };
        if subject.threads < 2 || !takes_turns(entry, arguments) || subject.turns.take(tid) {
            return false;
        }
        thread.waits = Some(tracee);
        self.crowded.insert(pid);
        self.ticker.want(true);
        true
    }

    pub(super) fn begin(&mut self, tid: u32, entry: &'static Entry, arguments: [u64; 6]) -> Resume {
        let Some(mut observer) = self.observer(tid) else { return Resume::Freely };
        let is_alone = observer.subject.threads < 2;
        if matches!(entry.kind, Kind::Duplicate) && (is_alone || !takes_turns(entry, &arguments)) {
            return Resume::Freely;
        }
        let before = observer.begin(entry, &arguments);
        let Some(thread) = self.threads.get_mut(&tid) else { return Resume::Freely };
        match before {
            None => Resume::Freely,
            Some(Before::Program(path)) => {
                thread.program = Some(path);
                Resume::Freely
            }
            Some(before) => {
                thread.call = Some(Started { entry, arguments, before });
                Resume::ToCallExit
            }
        }
    }

    fn returned(&mut self, tracee: Tracee) {
        let tid = tracee.tid();
        let Ok(CallInfo::Exit(result)) = tracee.call_info() else {
            return self.go_on(tracee, 0);
        };
        let asked = self.threads.get_mut(&tid).and_then(|thread| thread.asked.take());
        if let Some(asked) = asked {
            return self.handed_over(tracee, asked);
        }
        let thread = self.threads.get_mut(&tid);
        let (call, led) = thread.map_or_else(Default::default, |thread| {
            (thread.call.take(), std::mem::take(&mut thread.led))
        });
        for (place, value) in led {
            ignore_gone(tracee.set_argument(place, value));
        }
        if let Some(started) = call {
            let changes_user = matches!(started.entry.kind, Kind::Identity(_));
            self.note_lost_turn(tid, started.entry);
            self.conclude(tid, started, Returned::of(result));
            if changes_user {
                self.refresh_user(tid);
            }
        }
        ignore_gone(tracee.resume(Resume::Freely, 0));
        self.end_turn(tid);
    }

    fn conclude(&mut self, tid: u32, started: Started, returned: Returned) {
        if let Some(mut observer) = self.observer(tid) {
            observer.conclude(started, returned);
        }
    }

    /// An open that was overtaken while it slept may have been replaced since.
    fn note_lost_turn(&mut self, tid: u32, entry: &Entry) {
        let subject = self.process_of(tid).and_then(|pid| self.subjects.get(&pid));
        let has_turn = subject.is_none_or(|s| s.threads < 2 || s.turns.holds(tid));
        if matches!(entry.kind, Kind::Open(_)) && !has_turn {
            self.recorder.count(Trouble::Displaced);
        }
    }

    /// The next thread in turn stands at its seccomp stop still.
    fn end_turn(&mut self, tid: u32) {
        let Some(subject) = self.process_of(tid).and_then(|pid| self.subjects.get_mut(&pid)) else {
            return;
        };
        let next = subject.turns.release(tid).and_then(|next| self.threads.get_mut(&next));
        if let Some(tracee) = next.and_then(|thread| thread.waits.take()) {
            self.filtered(tracee);
        }
    }

    fn look_if_due(&mut self) {
        let waits = !self.crowded.is_empty() || !self.held.is_empty();
        if waits && self.looked.elapsed() > LOOK_EVERY {
            self.look();
        }
    }

    /// Looks after threads for which no stop will come.
    fn look(&mut self) {
        self.looked = Instant::now();
        self.overtake_sleepers();
        self.release_orphans();
        self.ticker.want(!self.crowded.is_empty() || !self.held.is_empty());
    }

    /// An open that sleeps (a FIFO without its other end) has no descriptor yet, and may wait for a
    /// thread that waits for it: the others go first.
    fn overtake_sleepers(&mut self) {
        for pid in self.crowded.clone() {
            let awaited = self.subjects.get(&pid).and_then(|subject| subject.turns.awaited());
            match awaited {
                Some(tid) if self.peek.sleeps(tid) => self.end_turn(tid),
                Some(_) => {}
                None => drop(self.crowded.remove(&pid)),
            }
        }
    }

    /// A new thread can stop before its maker tells of it; it waits, so that its birth is the first
    /// that is recorded of it.
    fn hold(&mut self, tracee: Tracee) {
        let newborn =
            Newborn { tracee, since: Instant::now(), maker: self.likely_maker(tracee.tid()) };
        self.held.insert(tracee.tid(), newborn);
        self.ticker.want(true);
    }

    fn likely_maker(&self, child: u32) -> Option<Actor> {
        let identity = self.peek.identity(child)?;
        let is_thread = identity.tgid != child;
        let maker = if is_thread { identity.tgid } else { identity.parent };
        self.threads.get(&maker).map(|thread| thread.actor)
    }

    fn forked(&mut self, tracee: Tracee) {
        let child = tracee.event_message().ok().and_then(|child| u32::try_from(child).ok());
        if let Some(child) = child.filter(|child| !self.threads.contains_key(child)) {
            let maker = self.threads.get(&tracee.tid()).map(|thread| thread.actor);
            self.born(child, maker);
        }
        self.go_on(tracee, 0);
    }

    fn born(&mut self, child: u32, maker: Option<Actor>) {
        let process = self.introduce(child);
        if process.is_none() {
            self.recorder.count(Trouble::Unreadable);
        }
        let process = process.unwrap_or(Process { pid: child, start_ns: 0 });
        self.recorder.tell(maker, What::Forked { child: process, thread: child });
        if let Some(newborn) = self.held.remove(&child) {
            self.go_on(newborn.tracee, 0);
        }
    }

    /// Begins to remember a thread, and its process if it is the first.
    fn introduce(&mut self, tid: u32) -> Option<Process> {
        let identity = self.peek.identity(tid)?;
        if !self.subjects.contains_key(&identity.tgid) {
            let process = self.peek.process(identity.tgid)?;
            self.subjects.insert(identity.tgid, Subject::new(process));
        }
        let subject = self.subjects.get_mut(&identity.tgid)?;
        subject.threads += 1;
        let process = subject.process;
        let actor = Actor { process, thread: tid, uid: self.world_uid(identity.uid) };
        self.threads.insert(
            tid,
            Thread { actor, call: None, program: None, led: Vec::new(), asked: None, waits: None },
        );
        Some(process)
    }

    fn world_uid(&self, uid: u32) -> u32 {
        uid.checked_sub(self.options.uid_base).unwrap_or(NOBODY)
    }

    fn refresh_user(&mut self, tid: u32) {
        let Some(identity) = self.peek.identity(tid) else { return };
        let uid = self.world_uid(identity.uid);
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.actor.uid = uid;
        }
    }

    /// A new program: the process has one thread now, whose number is that of the process.
    fn executed(&mut self, tracee: Tracee) {
        let pid = tracee.tid();
        let former = tracee.event_message().ok().and_then(|tid| u32::try_from(tid).ok());
        let former = former.and_then(|tid| self.threads.get_mut(&tid));
        let program = former.and_then(|thread| thread.program.take());
        for tid in self.threads_of(pid) {
            self.forget_thread(tid);
        }
        if self.introduce(pid).is_none() {
            self.recorder.count(Trouble::Unreadable);
        }
        if let Some(mut observer) = self.observer(pid) {
            observer.executed(program);
        }
        self.go_on(tracee, 0);
    }

    fn ended(&mut self, tid: u32, outcome: Outcome) {
        self.held.remove(&tid);
        if self.subjects.contains_key(&tid) {
            self.release_children(tid);
            self.forget_process(tid, outcome);
        } else if self.threads.contains_key(&tid) {
            self.forget_thread(tid);
        }
    }

    /// A maker that was killed between its fork and its report of it reports nothing any more.
    fn release_children(&mut self, maker: u32) {
        let is_its = |newborn: &&Newborn| newborn.maker.is_some_and(|m| m.process.pid == maker);
        let children: Vec<_> =
            self.held.values().filter(is_its).map(|newborn| newborn.tracee.tid()).collect();
        for child in children {
            let maker = self.held.get(&child).and_then(|newborn| newborn.maker);
            self.born(child, maker);
        }
    }

    /// Its maker had died before anybody could ask who it was.
    fn release_orphans(&mut self) {
        let is_late = |newborn: &&Newborn| newborn.since.elapsed() > MAKER_REPORTS_WITHIN;
        let orphans: Vec<_> =
            self.held.values().filter(is_late).map(|newborn| newborn.tracee.tid()).collect();
        for child in orphans {
            let maker = self.held.get(&child).and_then(|newborn| newborn.maker);
            if maker.is_none() {
                self.recorder.count(Trouble::Orphaned);
            }
            self.born(child, maker);
        }
    }

    /// The leader's end is told after that of all its threads.
    fn forget_process(&mut self, pid: u32, outcome: Outcome) {
        let leader = self.threads.get(&pid).map(|thread| thread.actor);
        for tid in self.threads_of(pid) {
            self.forget_thread(tid);
        }
        let Some(mut subject) = self.subjects.remove(&pid) else { return };
        let process = subject.process;
        let actor = leader.unwrap_or(Actor { process, thread: pid, uid: NOBODY });
        let Self { peek, recorder, .. } = self;
        let mut observer = Observer { peek, recorder, subject: &mut subject, actor };
        observer.flush();
        observer.tell(What::Exited { outcome });
    }

    fn forget_thread(&mut self, tid: u32) {
        let call = self.threads.get_mut(&tid).and_then(|thread| thread.call.take());
        if let Some(started) = call {
            self.conclude(tid, started, Returned::Unknown);
        }
        self.end_turn(tid);
        let pid = self.process_of(tid);
        self.threads.remove(&tid);
        if let Some(subject) = pid.and_then(|pid| self.subjects.get_mut(&pid)) {
            subject.threads = subject.threads.saturating_sub(1);
        }
    }

    /// Waits for processes that are ending, and ends those that are not.
    fn drain(&mut self) {
        let begun = Instant::now();
        let mut spared = true;
        while begun.elapsed() < DRAIN_LIMIT {
            match trace::wait_now() {
                Ok(Some((tracee, stop))) => self.handle(tracee, stop),
                Ok(None) if spared && begun.elapsed() > GRACE => {
                    spared = false;
                    self.kill_survivors();
                }
                Ok(None) => {
                    self.look();
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) if is_interrupted(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// Let go, they would find their calls failing; kept, they would never end.
    fn kill_survivors(&mut self) {
        for &pid in self.subjects.keys() {
            let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
            if number.is_some_and(|number| kill_process(number, Signal::KILL).is_ok()) {
                self.recorder.count(Trouble::Survived);
            }
        }
    }

    /// Resumes a thread in whatever it was doing.
    fn go_on(&self, tracee: Tracee, signal: i32) {
        let thread = self.threads.get(&tracee.tid());
        let is_in_call =
            thread.is_some_and(|thread| thread.call.is_some() || !thread.led.is_empty());
        let how = if is_in_call { Resume::ToCallExit } else { Resume::Freely };
        ignore_gone(tracee.resume(how, signal));
    }

    pub(super) fn observer(&mut self, tid: u32) -> Option<Observer<'_>> {
        let actor = self.threads.get(&tid)?.actor;
        let subject = self.subjects.get_mut(&actor.process.pid)?;
        Some(Observer { peek: &mut self.peek, recorder: &mut self.recorder, subject, actor })
    }

    pub(super) fn process_of(&self, tid: u32) -> Option<u32> {
        self.threads.get(&tid).map(|thread| thread.actor.process.pid)
    }

    fn threads_of(&self, pid: u32) -> Vec<u32> {
        let threads = self.threads.iter();
        threads.filter(|(_, t)| t.actor.process.pid == pid).map(|(&tid, _)| tid).collect()
    }
}

fn next_stop() -> Next {
    match trace::wait() {
        Ok((tracee, stop)) => Next::Handle(tracee, stop),
        Err(error) if is_interrupted(&error) => Next::Look,
        // ECHILD; waitpid has no other error for these arguments.
        Err(_) => Next::Rest,
    }
}

/// Calls that put a file under a descriptor's number.
fn takes_turns(entry: &Entry, arguments: &[u64; 6]) -> bool {
    match entry.kind {
        Kind::Open(_) => true,
        Kind::Duplicate if entry.name == "fcntl" => {
            matches!(low_half(arguments[1]), F_DUPFD | F_DUPFD_CLOEXEC)
        }
        Kind::Duplicate => true,
        _ => false,
    }
}

/// A tracee that vanished reports its own end; other errors of these calls do not exist for a
/// tracee that stands.
pub(super) fn ignore_gone(result: std::io::Result<()>) {
    drop(result);
}

fn is_gone(error: &Error) -> bool {
    error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

fn is_interrupted(error: &Error) -> bool {
    error.kind() == std::io::ErrorKind::Interrupted
}

/// x86-64 marks calls of its 32-bit pointer convention with this bit.
const X32_CALLS: u64 = 0x4000_0000;
const F_DUPFD: u32 = 0;
const F_DUPFD_CLOEXEC: u32 = 1030;
/// The kernel's own number for a user that a namespace does not know.
const NOBODY: u32 = 65534;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MAKER_REPORTS_WITHIN: Duration = Duration::from_millis(200);
const GRACE: Duration = Duration::from_millis(200);
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
