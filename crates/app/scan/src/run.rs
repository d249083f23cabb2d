//! A scan from its first path to its summary.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use watchglass_cache::Verdicts;
use watchglass_channel::{Hello, Outcome};
use watchglass_database::Database;
use watchglass_dispose::Done;
use watchglass_signatures::PotentiallyUnwanted;
use watchglass_walk::{Item, PassedOver, Regular, Trouble, Walk};

use crate::compiler::Jail;
use crate::count;
use crate::database::{self, Loaded};
use crate::disposal::Disposer;
use crate::options::Options;
use crate::output::Output;
use crate::queue::Queue;
use crate::serve::Server;
use crate::verdicts;
use crate::worker::Ended;

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
    /// The content of a file is one that was clean before.
    Known { path: Vec<u8>, bytes: u64 },
    /// There are so many files.
    Counted(u64),
    /// Something that the person should know.
    Warning(String),
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
        let jail = if options.require_jail { Jail::Required } else { Jail::AsFarAsThereIs };
        database::load(&options.databases, unwanted, options.cache, jail)?
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
    let mut warnings = loaded.as_ref().map_or_else(Vec::new, |loaded| loaded.warnings.clone());
    let verdicts = verdicts::open(options, opened.as_ref(), &program, &mut warnings);
    let mut output = Output::new(options, opened.as_ref());
    output.begin(&warnings);
    let run = Run {
        options,
        loaded: loaded.as_ref(),
        has_rules: opened.as_ref().is_some_and(|database| database.rules().count() > 0),
        program: &program,
        stop: &stop,
        disposer: disposer.as_ref(),
        verdicts: verdicts.as_ref(),
    };
    let list = options.list.as_deref().map(list_of).transpose()?;
    run.go(list, &mut output);
    Ok(ExitCode::from(output.finish(stop.load(Ordering::Relaxed))))
}

/// What all threads of a scan have in common.
pub(crate) struct Run<'r> {
    pub(crate) options: &'r Options,
    pub(crate) loaded: Option<&'r Loaded>,
    /// Whether the database has rules, for which a worker gets ready before it may look.
    pub(crate) has_rules: bool,
    pub(crate) program: &'r Path,
    pub(crate) stop: &'r AtomicBool,
    pub(crate) disposer: Option<&'r Disposer>,
    pub(crate) verdicts: Option<&'r Verdicts>,
}

impl Run<'_> {
    /// One thread walks, one for each worker hands files over, this one prints.
    fn go(&self, list: Option<Box<dyn BufRead + Send>>, output: &mut Output<'_>) {
        let (events, told) = channel_of_events();
        let files = &Queue::of(OPEN_FILES);
        let walked = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..self.options.jobs {
                let events = events.clone();
                scope.spawn(move || Server::new(self, events).serve(files));
            }
            if output.is_watched() && list.is_none() {
                let events = events.clone();
                scope.spawn(move || {
                    if let Some(files) = count::files(self, walked) {
                        let _ = events.send(Event::Counted(files));
                    }
                });
            }
            scope.spawn(move || {
                self.walk(list, files, &events);
                files.close();
                walked.store(true, Ordering::Relaxed);
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
/// How often the printing thread looks whether the person wants an end.
const TICK: Duration = Duration::from_millis(200);
/// How long what is told may wait for more, as nobody can see.
const GATHERING: Duration = Duration::from_millis(1);
/// How long threads have to end by themselves.
const PATIENCE: Duration = Duration::from_secs(1);
