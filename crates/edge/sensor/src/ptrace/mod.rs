//! Tier T0: ptrace(2) with a seccomp filter, for machines and users without BPF.
//!
//! The world's filter hands the calls of [`Sensor::traced_calls`] over with `SECCOMP_RET_TRACE`;
//! all others run at full speed. `SECCOMP_RET_DATA` says what is wanted: [`RECORD`] or [`REFUSE`].
//! One thread traces, since the kernel lets only the thread that seized a process trace it.
//!
//! The path of an open is read from the descriptor once the call has returned, while the thread
//! that made it is stopped: it is the path of the object that was opened, whatever became of the
//! string that the caller passed.

mod address;
mod calls;
mod files;
mod handover;
mod in_place;
mod lead;
mod observe;
mod peek;
mod record;
mod sockets;
mod subject;
mod tally;
mod ticker;
mod tracer;
mod turn;

use std::fs::File;
use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use watchglass_events::{Source, Tier};
use watchglass_sys::trace::Waker;

use crate::{Sensor, SensorError, Totals};
use calls::Calls;
pub use in_place::InPlace;
use tracer::{Request, Tracer};
pub use turn::{Gate, Traffic, probe_turning};

/// `SECCOMP_RET_DATA` of a call that is recorded and then runs.
pub const RECORD: u16 = 1;

/// `SECCOMP_RET_DATA` of a call that is recorded as [`Refused`](watchglass_events::What::Refused)
/// and fails with `EPERM`.
pub const REFUSE: u16 = 2;

/// How a [`PtraceSensor`] records.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The user of this machine that is root in the world. Users below it are told as 65534.
    pub uid_base: u32,
    /// Whether every call that reads is counted.
    pub reads: Reads,
    /// Calls to refuse even where the world's filter says [`RECORD`].
    pub refuse: Vec<u32>,
    /// Sources that record nothing, so that a test can show that their absence is noticed.
    pub disabled: Vec<Source>,
    /// What the subject is given where it has no namespaces.
    pub in_place: Option<InPlace>,
}

/// Whether calls that read are traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Each is counted, at two stops of the subject.
    #[default]
    Counted,
    /// None is: a file opened for reading counts as read. Writes, sends and what the receiving
    /// calls of sockets bring are counted all the same.
    OpensOnly,
}

/// Records by ptrace. Made by [`start`].
///
/// When it is dropped before it is finished, the processes it watches are killed.
#[derive(Debug)]
pub struct PtraceSensor {
    calls: Vec<u32>,
    recorded: Arc<AtomicU64>,
    waker: Waker,
    /// `None` once it is finished.
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<Result<Vec<Totals>, SensorError>>>,
}

/// Starts the tracing thread, which writes to `log`.
///
/// # Errors
/// When `/proc` is not that of this program's own pid namespace, or the log cannot be written.
pub fn start(log: File, options: &Options) -> Result<PtraceSensor, SensorError> {
    let calls = Calls::new(options.reads, &options.refuse);
    let calls = if options.in_place.is_some() { calls.in_place() } else { calls };
    let numbers = calls.numbers().to_vec();
    let recorded = Arc::new(AtomicU64::new(0));
    let (requests, inbox) = mpsc::channel();
    let (answer, started) = mpsc::channel();
    let (options, counter) = (options.clone(), Arc::clone(&recorded));
    let body = move || match Tracer::new(log, options, calls, counter, inbox) {
        Ok((tracer, waker)) => {
            // The other side waits for this message, so it is there to receive it.
            let _ = answer.send(Ok(waker));
            tracer.run()
        }
        Err(error) => {
            let _ = answer.send(Err(error));
            Ok(Vec::new())
        }
    };
    let thread = std::thread::Builder::new().name("ptrace".into()).spawn(body);
    let thread = thread.map_err(|source| system("start of the tracing thread", source))?;
    let waker = started.recv().map_err(|_| stopped())??;
    let (requests, thread) = (Some(requests), Some(thread));
    Ok(PtraceSensor { calls: numbers, recorded, waker, requests, thread })
}

/// The calls that a sensor with the default options wants handed over: the world's filter is made
/// before there is a sensor.
#[must_use]
pub fn traced_calls() -> Vec<u32> {
    Calls::new(Reads::default(), &[]).numbers().to_vec()
}

/// As [`traced_calls`], for a subject without namespaces.
#[must_use]
pub fn traced_calls_in_place() -> Vec<u32> {
    Calls::new(Reads::default(), &[]).in_place().numbers().to_vec()
}

impl Sensor for PtraceSensor {
    fn tier(&self) -> Tier {
        Tier::T0
    }

    fn traced_calls(&self) -> &[u32] {
        &self.calls
    }

    /// Watches every thread of the process. It must not be a child of this program, only a
    /// descendant: a child's exit status would go to the tracing thread. Its filter should be put
    /// in place after this returns, since a call that is handed over to nobody fails with `ENOSYS`.
    fn adopt(&mut self, pid: u32) -> Result<(), SensorError> {
        let requests = self.requests.as_ref().ok_or_else(stopped)?;
        let (answer, answered) = mpsc::channel();
        requests.send(Request::Adopt { pid, answer }).map_err(|_| stopped())?;
        loop {
            self.waker.ring();
            match answered.recv_timeout(RING_AGAIN) {
                Ok(adopted) => return adopted,
                Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Totals>, SensorError> {
        self.end()
    }
}

impl PtraceSensor {
    /// Without anyone left to ask, the thread ends its recording.
    fn end(&mut self) -> Result<Vec<Totals>, SensorError> {
        self.requests = None;
        let thread = self.thread.take().ok_or_else(stopped)?;
        while !thread.is_finished() {
            self.waker.ring();
            std::thread::sleep(RING_AGAIN);
        }
        thread.join().map_err(|_| stopped())?
    }
}

impl Drop for PtraceSensor {
    fn drop(&mut self) {
        // What it recorded is not wanted any more; `finish` reports its errors.
        let _ = self.end();
    }
}

fn system(call: impl Into<String>, source: Error) -> SensorError {
    SensorError::System { call: call.into(), source }
}

fn stopped() -> SensorError {
    system("ask of the tracing thread", Error::other("it has ended"))
}

const RING_AGAIN: Duration = Duration::from_millis(2);
