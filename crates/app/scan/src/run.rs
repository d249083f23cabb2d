//! A scan from its first path to its summary.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use watchglass_channel::{Hello, Job, Outcome};
use watchglass_database::Database;
use watchglass_dispose::Done;
use watchglass_signatures::PotentiallyUnwanted;
use watchglass_walk::{Item, PassedOver, Regular, Trouble, Walk};

use crate::database::{self, Loaded};
use crate::disposal::Disposer;
use crate::options::Options;
use crate::output::Output;
use crate::queue::Queue;
use crate::worker::{Ended, Worker};

/// What the threads tell the one that prints.
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker is ready.
    Hello(Hello),
    /// A file was looked into, as far as it was.
    Looked {
        path: Vec<u8>,
        size: u64,
        outcome: Result<Outcome, Ended>,
        /// What became of the file, if something was to become of it.
        disposed: Option<Disposed>,
    },
    /// A file without content.
    Empty { path: Vec<u8> },
    /// Something that is not looked into.
    PassedOver { path: Vec<u8>, why: PassedOver },
    /// Something that could not be opened.
    Trouble(Trouble),
    /// The scan cannot go on.
    Fatal(String),
}

/// What became of a found file, or why nothing did.
pub(crate) type Disposed = Result<Done, Box<dyn Error + Send + Sync>>;

/// Scans what the options say.
///
/// # Errors
/// When it cannot begin.
pub(crate) fn scan(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let unwanted =
        if options.unwanted { PotentiallyUnwanted::Take } else { PotentiallyUnwanted::PassOver };
    let loaded = if options.heuristics_only {
        None
    } else {
        database::load(&options.databases, unwanted, options.cache)?
    };
    let opened = loaded.as_ref().map(|loaded| Database::open(loaded.mapped.as_ref()));
    let opened = opened.transpose()?;
    let program = sibling("watchglass-worker")?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second one ends the process the way it would have without this.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let disposer = options.disposal.as_ref().map(Disposer::new).transpose()?;
    let mut output = Output::new(options, opened.as_ref());
    output.begin(loaded.as_ref().map_or(&[], |loaded| &loaded.warnings));
    let (loaded, disposer) = (loaded.as_ref(), disposer.as_ref());
    let run = Run { options, loaded, program: &program, stop: &stop, disposer };
    let list = options.list.as_deref().map(list_of).transpose()?;
    run.go(list, &mut output);
    Ok(ExitCode::from(output.finish(stop.load(Ordering::Relaxed))))
}

struct Run<'r> {
    options: &'r Options,
    loaded: Option<&'r Loaded>,
    program: &'r Path,
    stop: &'r AtomicBool,
    disposer: Option<&'r Disposer>,
}

impl Run<'_> {
    /// One thread walks, one for each worker hands files over, this one prints.
    fn go(&self, list: Option<Box<dyn BufRead + Send>>, output: &mut Output<'_>) {
        let (events, told) = channel_of_events();
        let files = &Queue::of(OPEN_FILES);
        std::thread::scope(|scope| {
            for _ in 0..self.options.jobs {
                let events = events.clone();
                scope.spawn(move || self.serve(files, &events));
            }
            scope.spawn(move || {
                self.walk(list, files, &events);
                files.close();
            });
            self.print(&told, output);
        });
    }

    fn print(&self, told: &Receiver<Event>, output: &mut Output<'_>) {
        let mut stopped = None;
        loop {
            match told.recv_timeout(TICK) {
                Ok(event) => {
                    for event in std::iter::once(event).chain(told.try_iter()) {
                        let fatal = matches!(event, Event::Fatal(_));
                        if output.tell(event).is_err() || fatal {
                            // The reader has gone, or nothing can be done any more.
                            self.stop.store(true, Ordering::Relaxed);
                        }
                    }
                    // Who tells does not have to wake this thread for each file.
                    std::thread::sleep(GATHERING);
                }
                Err(RecvTimeoutError::Timeout) => output.tick(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let stop = self.stop.load(Ordering::Relaxed);
            if stop && stopped.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                // The walk waits for a list that does not come, or for a disk; workers end when
                // their channel does.
                std::process::exit(output.finish(true).into());
            }
        }
    }

    fn walk(
        &self,
        list: Option<Box<dyn BufRead + Send>>,
        files: &Queue<Regular>,
        events: &SyncSender<Event>,
    ) {
        let separator = self.options.separator;
        let listed = list.into_iter().flat_map(|list| list.split(separator));
        // A list that breaks off is told; a path of no bytes is none.
        let listed = listed.map_while(|path| match path {
            Ok(path) => Some(path),
            Err(error) => {
                let path = b"--file-list".to_vec();
                let _ = events.send(Event::Trouble(Trouble { path, call: "read", error }));
                None
            }
        });
        let paths = self.options.paths.iter().cloned().chain(listed);
        let paths = paths.filter(|path| !path.is_empty());
        for item in Walk::new(paths, self.options.policy.clone(), self.options.chosen.clone()) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let sent = match item {
                Item::File(file) if file.size == 0 => {
                    events.send(Event::Empty { path: file.path }).is_ok()
                }
                Item::File(file) => files.push(file),
                Item::PassedOver { path, why } => {
                    events.send(Event::PassedOver { path, why }).is_ok()
                }
                Item::Trouble(trouble) => events.send(Event::Trouble(trouble)).is_ok(),
            };
            if !sent {
                return;
            }
        }
    }

    /// Hands files to one worker, and starts another when it ends.
    fn serve(&self, files: &Queue<Regular>, events: &SyncSender<Event>) {
        let mut hand = Hand::default();
        while !self.stop.load(Ordering::Relaxed) && hand.fill(files) {
            let outcome = self.answer(&mut hand, events);
            if let Err(why) = &outcome
                && !matches!(why, Ended::Interrupted)
                && hand.lost_a_worker() >= MAX_ENDS
            {
                let says = format!("{MAX_ENDS} workers ended one after another; the last: {why}");
                let _ = events.send(Event::Fatal(says));
                self.stop.store(true, Ordering::Relaxed);
            }
            let Some(Errand { file, .. }) = hand.errands.pop_front() else { return };
            let found = outcome.as_ref().is_ok_and(|outcome| !outcome.findings.is_empty());
            let disposed = self.disposer.filter(|_| found).map(|disposer| disposer.dispose(&file));
            let Regular { path, size, .. } = file;
            let _ = events.send(Event::Looked { path, size, outcome, disposed });
        }
        // Nobody is left to take what waits.
        if self.stop.load(Ordering::Relaxed) {
            files.close();
        }
    }

    /// What the worker says of the first errand. It has been told of those behind, so that it need not
    /// wait for the next.
    fn answer(&self, hand: &mut Hand, events: &SyncSender<Event>) -> Result<Outcome, Ended> {
        let stop = || self.stop.load(Ordering::Relaxed);
        let worker = match &mut hand.worker {
            Some(worker) => worker,
            None => hand.worker.insert(self.start(events)?),
        };
        let milliseconds = self.options.max_scan_time;
        for Errand { number, file } in hand.errands.iter().skip(hand.handed) {
            match worker.hand(Job { number: *number, milliseconds }, &file.file) {
                Ok(()) => hand.handed = hand.handed.saturating_add(1),
                // It has ended, and its last answers may wait.
                Err(ended) if hand.handed == 0 => return Err(ended),
                Err(_) => break,
            }
        }
        let number = hand.errands.front().map_or(0, |errand| errand.number);
        let outcome = worker.answer(Job { number, milliseconds }, &stop)?;
        (hand.handed, hand.ended) = (hand.handed.saturating_sub(1), 0);
        Ok(outcome)
    }

    fn start(&self, events: &SyncSender<Event>) -> Result<Worker, Ended> {
        let stop = || self.stop.load(Ordering::Relaxed);
        let database = self.loaded.map(|loaded| loaded.file.as_fd());
        let started = Worker::start(self.program, self.options.setup, database, &stop)?;
        let hello = started.hello.clone();
        if self.options.require_jail && !hello.missing.is_empty() {
            let missing: Vec<&str> = hello.missing.iter().map(|one| one.word()).collect();
            let says = format!("this machine has no {} for the jail", missing.join(", "));
            let _ = events.send(Event::Fatal(says));
            self.stop.store(true, Ordering::Relaxed);
            return Err(Ended::Interrupted);
        }
        let _ = events.send(Event::Hello(hello));
        Ok(started)
    }
}

/// A worker and the files that it is to look into, in their order.
#[derive(Debug, Default)]
struct Hand {
    worker: Option<Worker>,
    errands: VecDeque<Errand>,
    /// How many of them the worker knows.
    handed: usize,
    /// Errands that were ever taken.
    number: u64,
    /// Workers that ended since the last answer.
    ended: u32,
}

#[derive(Debug)]
struct Errand {
    number: u64,
    file: Regular,
}

impl Hand {
    /// Takes errands, waiting only for the first; `false` when there are none any more.
    fn fill(&mut self, files: &Queue<Regular>) -> bool {
        while self.errands.len() < AHEAD {
            let next = if self.errands.is_empty() { files.pop() } else { files.try_pop() };
            let Some(file) = next else { break };
            self.number = self.number.saturating_add(1);
            self.errands.push_back(Errand { number: self.number, file });
        }
        !self.errands.is_empty()
    }

    /// The first errand cost its worker. How many it was without an answer between.
    fn lost_a_worker(&mut self) -> u32 {
        (self.worker, self.handed) = (None, 0);
        self.ended = self.ended.saturating_add(1);
        self.ended
    }
}

/// Bounded, so that a slow reader of the output slows the scan instead of filling memory.
fn channel_of_events() -> (SyncSender<Event>, Receiver<Event>) {
    sync_channel(256)
}

fn list_of(path: &Path) -> Result<Box<dyn BufRead + Send>, Box<dyn Error>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Siblings lie beside this program; `PATH` is not asked.
fn sibling(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let folder = program.parent().ok_or("this program lies in no folder")?;
    Ok(folder.join(name))
}

/// Files that are open and wait for a worker.
const OPEN_FILES: usize = 32;
/// Files of which a worker is told while it looks into the first.
const AHEAD: usize = 3;
/// Workers that may end one after another: one file costs one, three are a defect.
const MAX_ENDS: u32 = 3;
/// How often the printing thread looks whether the person wants an end.
const TICK: Duration = Duration::from_millis(200);
/// How long what is told may wait for more, as nobody can see.
const GATHERING: Duration = Duration::from_millis(1);
/// How long threads have to end by themselves.
const PATIENCE: Duration = Duration::from_secs(1);
