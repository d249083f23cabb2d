//! One thread of a scan, with its worker.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use watchglass_cache::Verdicts;
use watchglass_channel::{ContentDigest, Outcome, Switch};
use watchglass_walk::Regular;

use crate::queue::Queue;
use crate::run::{Event, Run};
use crate::verdicts::{self, Pending};
use crate::worker::{Ended, Worker};

/// Hands files to one worker, and starts another when it ends.
pub(crate) struct Server<'r> {
    run: &'r Run<'r>,
    events: SyncSender<Event>,
    worker: Option<Worker>,
    /// Files that it is to look into, in their order.
    errands: VecDeque<Errand>,
    /// How many of them it was told of.
    handed: usize,
    /// Hashes and has never parsed: what it says of a content is believed.
    digester: Option<Worker>,
    /// None when they are not kept, or cannot be any more.
    verdicts: Option<&'r Verdicts>,
    pending: Pending,
    /// Jobs so far.
    number: u64,
    /// Workers that ended one after another.
    ended: u32,
}

/// A file for a worker.
struct Errand {
    number: u64,
    file: Regular,
    /// What its content is, where verdicts are kept.
    content: Option<ContentDigest>,
}

impl<'r> Server<'r> {
    pub(crate) fn new(run: &'r Run<'r>, events: SyncSender<Event>) -> Self {
        Self {
            run,
            events,
            worker: None,
            errands: VecDeque::new(),
            handed: 0,
            digester: None,
            verdicts: run.verdicts,
            pending: Pending::default(),
            number: 0,
            ended: 0,
        }
    }

    /// Serves until there are no files.
    pub(crate) fn serve(mut self, files: &Queue<Regular>) {
        while !self.is_stopped() && self.fill(files) {
            let outcome = self.answer();
            if let Some(errand) = self.errands.pop_front() {
                self.outcome(errand, outcome);
            }
        }
        if self.is_stopped() {
            files.close(); // so that the walk does not wait for room in it
        }
        if let Some(verdicts) = self.verdicts {
            let kept = self.pending.keep(verdicts);
            self.note(kept);
        }
    }

    /// Takes files that have to be looked into, and waits for the first; `false` when there are none
    /// any more.
    fn fill(&mut self, files: &Queue<Regular>) -> bool {
        while self.errands.len() < AHEAD && !self.is_stopped() {
            let next = if self.errands.is_empty() { files.pop() } else { files.try_pop() };
            let Some(file) = next else { break };
            let content = self.hash(&file);
            if let (Some(verdicts), Some(content)) = (self.verdicts, &content)
                && verdicts.has(verdicts::tag(verdicts, content))
            {
                let Regular { path, .. } = file;
                self.tell(Event::Known { path, bytes: content.bytes });
                continue;
            }
            let number = self.next_number();
            self.errands.push_back(Errand { number, file, content });
        }
        !self.errands.is_empty()
    }

    /// Tells what became of a file.
    fn outcome(&mut self, errand: Errand, outcome: Result<Outcome, Ended>) {
        let Errand { file, content, .. } = errand;
        match &outcome {
            Ok(outcome) => self.is_well(outcome, content.as_ref()),
            Err(Ended::Interrupted) => {}
            Err(_) => {
                // What else it was told of goes to the next one.
                (self.worker, self.handed) = (None, 0);
                self.pending.forget();
                self.ended = self.ended.saturating_add(1);
            }
        }
        let why = outcome.as_ref().err().map(ToString::to_string);
        let found = outcome.as_ref().is_ok_and(|outcome| !outcome.findings.is_empty());
        let disposed = self.run.disposer.filter(|_| found).map(|disposer| {
            self.confirm(&file.file)?;
            disposer.dispose(&file)
        });
        let Regular { path, size, .. } = file;
        self.tell(Event::Looked { path, size, outcome, disposed });
        if self.ended >= MAX_ENDS {
            let why = why.unwrap_or_default();
            self.stop(format!("{MAX_ENDS} workers ended one after another; the last: {why}"));
        }
    }

    fn is_well(&mut self, outcome: &Outcome, content: Option<&ContentDigest>) {
        self.ended = 0;
        let (Some(verdicts), Some(content)) = (self.verdicts, content) else { return };
        if verdicts::is_to_be_kept(outcome, content) {
            let kept = self.pending.add(verdicts, verdicts::tag(verdicts, content));
            self.note(kept);
        }
    }

    /// What the content of a file is, where verdicts are kept; nothing where that cannot be told.
    fn hash(&mut self, file: &Regular) -> Option<ContentDigest> {
        self.verdicts?;
        if file.size > self.run.options.setup.max_file_size {
            return None; // it would not be scanned whole
        }
        let number = self.next_number();
        let milliseconds = self.run.options.max_scan_time;
        let stop = || self.run.stop.load(Ordering::Relaxed);
        let digested = match self.digester.take().map_or_else(|| self.start(None), Ok) {
            Err(ended) => Err(ended),
            Ok(mut digester) => {
                let digested = digester.digest(number, milliseconds, &file.file, &stop);
                if digested.is_ok() {
                    self.digester = Some(digester);
                }
                digested
            }
        };
        match digested {
            Ok(content) => content,
            Err(Ended::Interrupted) => None,
            Err(ended) => {
                // The file is scanned all the same, and whatever is wrong with it is told then.
                self.verdicts = None;
                self.tell(Event::Warning(format!("verdicts are not kept any more: {ended}")));
                None
            }
        }
    }

    /// What the worker says of the first errand. It is told of those behind as well, so that it need
    /// not wait for them.
    fn answer(&mut self) -> Result<Outcome, Ended> {
        let database = self.run.loaded.map(|loaded| loaded.file.as_fd());
        let mut worker = self.worker.take().map_or_else(|| self.start(database), Ok)?;
        let outcome = self.answer_of(&mut worker);
        self.worker = Some(worker);
        outcome
    }

    fn answer_of(&mut self, worker: &mut Worker) -> Result<Outcome, Ended> {
        let milliseconds = self.run.options.max_scan_time;
        for Errand { number, file, .. } in self.errands.iter().skip(self.handed) {
            match worker.hand(*number, milliseconds, &file.file) {
                Ok(()) => self.handed = self.handed.saturating_add(1),
                Err(ended) if self.handed == 0 => return Err(ended),
                // It has ended; what it answered before waits.
                Err(_) => break,
            }
        }
        let number = self.errands.front().map_or(0, |errand| errand.number);
        let outcome = worker.answer(number, milliseconds, &|| self.is_stopped())?;
        self.handed = self.handed.saturating_sub(1);
        Ok(outcome)
    }

    /// Whether another worker, which has seen no other file, finds something in it as well. A worker
    /// that a hostile file has taken over can accuse each file that it is handed afterwards; nothing is
    /// taken away on its word alone. Findings are few, and a worker starts in milliseconds.
    fn confirm(&mut self, file: &File) -> Result<(), Box<dyn Error + Send + Sync>> {
        let number = self.next_number();
        let database = self.run.loaded.map(|loaded| loaded.file.as_fd());
        let stop = || self.is_stopped();
        let milliseconds = self.run.options.max_scan_time;
        let outcome = self.start(database).and_then(|mut worker| {
            worker.hand(number, milliseconds, file)?;
            worker.answer(number, milliseconds, &stop)
        });
        match outcome {
            Ok(outcome) if outcome.findings.is_empty() => {
                Err("another worker found nothing in it".into())
            }
            Ok(_) => Ok(()),
            Err(ended) => Err(format!("it was to be confirmed, and {ended}").into()),
        }
    }

    fn start(&self, database: Option<BorrowedFd<'_>>) -> Result<Worker, Ended> {
        let options = self.run.options;
        let has_rules = self.run.has_rules && database.is_some();
        let setup = options.setup.with(Switch::Digest, self.verdicts.is_some());
        let setup = setup.with(Switch::Rules, has_rules);
        let stop = || self.is_stopped();
        let worker = Worker::start(self.run.program, setup, database, &stop)?;
        let missing = &worker.hello.missing;
        if options.require_jail && !missing.is_empty() {
            let missing: Vec<&str> = missing.iter().map(|one| one.word()).collect();
            self.stop(format!("this machine has no {} for the jail", missing.join(", ")));
            return Err(Ended::Interrupted);
        }
        self.tell(Event::Hello(worker.hello.clone()));
        Ok(worker)
    }

    /// Verdicts that cannot be written are a loss of time, no more.
    fn note(&mut self, kept: std::io::Result<()>) {
        if let Err(error) = kept {
            self.verdicts = None;
            self.tell(Event::Warning(format!("verdicts are not kept any more: {error}")));
        }
    }

    fn next_number(&mut self) -> u64 {
        self.number = self.number.saturating_add(1);
        self.number
    }

    /// The printing thread may have gone; then there is nobody to tell.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn stop(&self, says: String) {
        self.tell(Event::Fatal(says));
        self.run.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.run.stop.load(Ordering::Relaxed)
    }
}

/// Files of which a worker is told while it looks into the first.
const AHEAD: usize = 3;
/// Workers that may end one after another: one file costs one, three are a defect.
const MAX_ENDS: u32 = 3;
