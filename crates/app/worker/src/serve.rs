//! One job after another.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use watchglass_channel::{
    Code, Digested, FromOpener, FromWorker, Hello, Job, MAX_MESSAGE_BYTES, Member, Omission,
    Outcome, Seen, Setup, Switch, Task, Wall, What,
};
use watchglass_database::Database;
use watchglass_engine::{
    Alerts, Detection, Engine, Finding, Limits, Matches, Report, Settings, Unpacking,
};
use watchglass_jail::{Held, Mechanism, WORKER, confine, confine_with_threads};
use watchglass_sys::mapping::Mapped;
use watchglass_sys::message_socket::MessageSocket;
use watchglass_yara::{Runner, TIMEOUT};

use crate::content;

/// Serves an opener until it hangs up.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let channel = MessageSocket::from_descriptor(io::stdin().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; MAX_MESSAGE_BYTES];
    let (FromOpener::Setup(setup), database) = receive(&channel, &mut buffer)?.ok_or("no setup")?
    else {
        return Err("a job came before the setup".into());
    };
    let mapped = database.map(|database| Mapped::of(&File::from(database))).transpose()?;
    // Before the database is looked at: its bytes may be anybody's.
    let held = if setup.has(Switch::Rules) {
        confine_with_threads(&WORKER, watchglass_yara::start_clock)?
    } else {
        confine(&WORKER)?
    };
    let database = mapped.as_ref().map(|mapped| Database::open(mapped.as_ref())).transpose()?;
    let mut engine = Engine::new(database.as_ref(), settings(&setup));
    if let Some(database) = database.as_ref().filter(|_| setup.has(Switch::Rules)) {
        engine = engine.with_rules(Box::new(Runner::new(database, TIMEOUT)));
    }
    channel.send(&hello(&held, database.is_some()).encode(), None)?;
    let mut worker = Worker { channel, engine, setup, content: Vec::new() };
    while let Some((message, file)) = receive(&worker.channel, &mut buffer)? {
        let (FromOpener::Job(job), Some(file)) = (message, file) else {
            return Err("no job, or no file with it".into());
        };
        let answer = worker.answer(job, &File::from(file));
        worker.channel.send(&answer.encode(), None)?;
        worker.forget();
    }
    Ok(())
}

struct Worker<'d> {
    channel: MessageSocket,
    engine: Engine<'d>,
    setup: Setup,
    content: Vec<u8>,
}

/// What the opener said, with the descriptor that came along.
type Message = (FromOpener, Option<OwnedFd>);

/// The next message, with the descriptor that came with it; none when the opener has hung up.
fn receive(channel: &MessageSocket, buffer: &mut [u8]) -> Result<Option<Message>, Box<dyn Error>> {
    let mut received = loop {
        match channel.receive(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done?,
        }
    };
    if received.length == 0 {
        return Ok(None);
    }
    if received.truncated {
        return Err("a message that is too long".into());
    }
    let message = FromOpener::decode(buffer.get(..received.length).unwrap_or_default())?;
    Ok(Some((message, received.descriptors.pop())))
}

impl Worker<'_> {
    fn answer(&mut self, job: Job, file: &File) -> FromWorker {
        let deadline = Instant::now() + Duration::from_millis(job.milliseconds.into());
        match job.task {
            Task::Scan => FromWorker::Outcome(self.look(job.number, deadline, file)),
            Task::Digest => {
                let channel = &self.channel;
                let stop = || Instant::now() >= deadline || channel.is_abandoned();
                let most = self.setup.max_file_size;
                let content = content::digest(file, most, &mut self.content, &stop);
                FromWorker::Digested(Digested { number: job.number, content })
            }
        }
    }

    fn look(&mut self, number: u64, deadline: Instant, file: &File) -> Outcome {
        let read = content::read(file, self.setup.max_file_size, &mut self.content);
        let mut omissions = Vec::new();
        let mut omit = |code, text: &str| {
            omissions.push(Omission {
                member: Member::default(),
                file_type: "".into(),
                code,
                text: text.into(),
            });
        };
        let size = match read {
            Ok(content) => {
                if content.changed {
                    omit(Code::Changed, "it changed while it was read");
                }
                // What is beyond the end of a file that was cut short was told as changed.
                if content.changed { self.content.len() as u64 } else { content.size }
            }
            Err(error) => {
                omit(Code::Unreadable, &error.to_string());
                self.content.len() as u64
            }
        };
        let channel = &self.channel;
        let stop = || Instant::now() >= deadline || channel.is_abandoned();
        let report = self.engine.scan(&self.content, size, &stop);
        let mut outcome = outcome(number, &self.content, size, report, omissions);
        // For what is to be remembered: the bytes that were scanned, whatever the file is by now.
        let whole = outcome.not_scanned.is_empty() && outcome.findings.is_empty();
        if self.setup.has(Switch::Digest) && whole {
            outcome.content = Some(content::digest_of(&self.content));
        }
        outcome
    }

    /// Nothing of a file is left for the next one, and no more memory than most files need.
    fn forget(&mut self) {
        self.content.clear();
        self.content.shrink_to(KEPT_BYTES);
    }
}

fn outcome(
    number: u64,
    content: &[u8],
    size: u64,
    report: Report,
    mut not_scanned: Vec<Omission>,
) -> Outcome {
    not_scanned.extend(report.not_scanned.iter().map(|one| Omission {
        member: Member::new(&one.member.0),
        file_type: one.file_type.name().into(),
        code: Code::from_word(one.reason.code()),
        text: one.reason.to_string().into(),
    }));
    let seen =
        Seen { size, read: content.len() as u64, objects: report.objects, bytes: report.bytes };
    Outcome {
        number,
        seen,
        file_type: report.file_type.name().into(),
        findings: report.findings.iter().map(finding).collect(),
        more_findings: report.more_findings,
        not_scanned,
        more_not_scanned: report.more_not_scanned,
        content: None,
    }
}

fn finding(one: &Finding) -> watchglass_channel::Finding {
    let what = match one.detection {
        Detection::Signature(name) => What::Signature(name.0),
        Detection::Heuristic(heuristic) => What::Heuristic(heuristic as u8),
    };
    watchglass_channel::Finding { what, offset: one.offset, member: Member::new(&one.member.0) }
}

fn hello(held: &Held, database: bool) -> FromWorker {
    let missing = held.missing.iter().map(|(mechanism, _)| match mechanism {
        Mechanism::Network => Wall::Network,
        Mechanism::Landlock => Wall::Landlock,
    });
    let refused = u16::try_from(held.refused).unwrap_or(u16::MAX);
    let (missing, landlock) = (missing.collect(), held.landlock);
    FromWorker::Hello(Hello { missing, landlock, database, refused })
}

fn settings(setup: &Setup) -> Settings {
    Settings {
        limits: Limits {
            max_scan_size: setup.max_scan_size,
            max_file_size: setup.max_file_size,
            max_files: setup.max_files,
            max_recursion: setup.max_recursion,
            max_ratio: setup.max_ratio,
            max_steps: setup.max_steps,
        },
        matches: if setup.has(Switch::AllMatches) { Matches::All } else { Matches::First },
        unpacking: if setup.has(Switch::Unpack) { Unpacking::Yes } else { Unpacking::No },
        alerts: Alerts {
            encrypted: setup.has(Switch::AlertEncrypted),
            broken_executables: setup.has(Switch::AlertBroken),
            macros: setup.has(Switch::AlertMacros),
            limits: setup.has(Switch::AlertLimits),
            heuristics: setup.has(Switch::AlertHeuristics),
        },
        now: now(),
    }
}

/// For certificates of programs. A clock before 1970 tells no time.
fn now() -> Option<i64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    since.as_secs().try_into().ok()
}

/// Bytes of the buffer that are kept for the next file.
const KEPT_BYTES: usize = 8 << 20;
