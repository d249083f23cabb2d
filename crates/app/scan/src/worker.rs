//! A worker, seen from outside.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use watchglass_channel::{
    ContentDigest, FromOpener, FromWorker, Hello, Job, MAX_MESSAGE_BYTES, Outcome, Setup, Task,
};
use watchglass_sys::message_socket::MessageSocket;

/// A running worker, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    channel: MessageSocket,
    buffer: Vec<u8>,
    pub(crate) hello: Hello,
}

/// Why a worker gave no answer.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It could not be started.
    Start(io::Error),
    /// It ended by itself.
    Exit(ExitStatus),
    /// It did not answer in time and was ended.
    Silent,
    /// It said what no worker says, and was ended.
    Lied(String),
    /// The person wants an end.
    Interrupted,
}

impl Worker {
    /// Starts a worker and waits until it is held.
    pub(crate) fn start(
        program: &Path,
        setup: Setup,
        database: Option<BorrowedFd<'_>>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, Ended> {
        let (channel, theirs) = MessageSocket::pair().map_err(Ended::Start)?;
        channel.wait_at_most(TICK).map_err(Ended::Start)?;
        let child = Command::new(program)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs.into_descriptor()))
            .stdout(Stdio::null())
            // Ctrl-C is for the opener, which ends its workers.
            .process_group(0)
            .spawn()
            .map_err(Ended::Start)?;
        let buffer = vec![0; MAX_MESSAGE_BYTES];
        let mut worker = Self { child, channel, buffer, hello: Hello::default() };
        worker.send(&FromOpener::Setup(setup), database)?;
        match worker.receive(START_TIME, stop)? {
            FromWorker::Hello(hello) => worker.hello = hello,
            _ => return Err(Ended::Lied("an answer to nothing".to_owned())),
        }
        Ok(worker)
    }

    /// Tells it of a file that it is to look into, after those that it was told of before.
    pub(crate) fn hand(
        &mut self,
        number: u64,
        milliseconds: u32,
        file: &File,
    ) -> Result<(), Ended> {
        let job = Job { number, milliseconds, task: Task::Scan };
        self.send(&FromOpener::Job(job), Some(file.as_fd()))
    }

    /// Waits for what it says of the first file that it was told of and has not answered.
    pub(crate) fn answer(
        &mut self,
        number: u64,
        milliseconds: u32,
        stop: &dyn Fn() -> bool,
    ) -> Result<Outcome, Ended> {
        match self.receive(time_of(milliseconds), stop)? {
            FromWorker::Outcome(outcome) if outcome.number == number => Ok(outcome),
            _ => Err(Ended::Lied("an answer to another job".to_owned())),
        }
    }

    /// Lets it hash a file; nothing when it cannot whole.
    pub(crate) fn digest(
        &mut self,
        number: u64,
        milliseconds: u32,
        file: &File,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<ContentDigest>, Ended> {
        let job = Job { number, milliseconds, task: Task::Digest };
        self.send(&FromOpener::Job(job), Some(file.as_fd()))?;
        match self.receive(time_of(milliseconds), stop)? {
            FromWorker::Digested(digested) if digested.number == number => Ok(digested.content),
            _ => Err(Ended::Lied("an answer to another job".to_owned())),
        }
    }

    fn send(
        &mut self,
        message: &FromOpener,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), Ended> {
        self.channel.send(&message.encode(), descriptor).map_err(|_| self.end())
    }

    fn receive(&mut self, time: Duration, stop: &dyn Fn() -> bool) -> Result<FromWorker, Ended> {
        let deadline = Instant::now() + time;
        let received = loop {
            match self.channel.receive(&mut self.buffer) {
                Ok(received) if received.length == 0 => return Err(self.end()),
                Ok(received) => break received,
                Err(error) if is_a_tick(&error) => {}
                Err(_) => return Err(self.end()),
            }
            if stop() {
                return Err(Ended::Interrupted);
            }
            if Instant::now() >= deadline {
                return Err(Ended::Silent);
            }
        };
        if received.truncated || !received.descriptors.is_empty() {
            return Err(Ended::Lied("a descriptor, or a message that is too long".to_owned()));
        }
        let message = self.buffer.get(..received.length).unwrap_or_default();
        FromWorker::decode(message).map_err(|error| Ended::Lied(error.to_string()))
    }

    /// How it ended, after it closed its channel.
    fn end(&mut self) -> Ended {
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ended::Exit(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(error) => return Ended::Start(error),
            }
        }
        Ended::Silent
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It holds nothing that it would have to put in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(out, "the worker could not be started: {error}"),
            Self::Exit(status) => match status.signal() {
                Some(signal) => write!(out, "the worker ended (signal {signal})"),
                None => write!(out, "the worker ended (code {})", status.code().unwrap_or(-1)),
            },
            Self::Silent => out.write_str("the worker did not answer in time"),
            Self::Lied(how) => write!(out, "the worker did not keep to its messages: {how}"),
            Self::Interrupted => out.write_str("interrupted"),
        }
    }
}

/// How long an answer is waited for whose job has this time.
fn time_of(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into()).saturating_add(GRACE)
}

fn is_a_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// How often a waiting thread looks whether the person wants an end.
const TICK: Duration = Duration::from_millis(100);
/// How long a worker may take to be held; the database is only mapped.
const START_TIME: Duration = Duration::from_secs(30);
/// What a worker gets beyond the time of its job: it asks after the time between steps.
const GRACE: Duration = Duration::from_secs(10);
