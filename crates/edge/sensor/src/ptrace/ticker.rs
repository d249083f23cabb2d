//! Wakes the tracer now and then while a thread waits for another one's open.
//!
//! waitpid(2) has no time limit, and an open of a FIFO may wait for the very thread that waits for
//! its turn ([`super::subject::Turns`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use watchglass_sys::trace::Waker;

/// A thread that rings a waker while it is wanted.
#[derive(Debug)]
pub(super) struct Ticker {
    state: Arc<AtomicU8>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn new(waker: Waker) -> std::io::Result<Self> {
        let state = Arc::new(AtomicU8::new(SILENT));
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("ptrace-tick".into());
        let thread = Some(thread.spawn(move || tick(&shared, waker))?);
        Ok(Self { state, thread })
    }

    pub(super) fn want(&self, wanted: bool) {
        let next = if wanted { RINGING } else { SILENT };
        let before = self.state.swap(next, Ordering::Relaxed);
        if let (SILENT, RINGING, Some(thread)) = (before, next, &self.thread) {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.store(ENDED, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has no result, and a panic in it was printed.
            let _ = thread.join();
        }
    }
}

fn tick(state: &AtomicU8, waker: Waker) {
    loop {
        match state.load(Ordering::Relaxed) {
            SILENT => std::thread::park(),
            RINGING => {
                std::thread::sleep(PERIOD);
                waker.ring();
            }
            _ => return,
        }
    }
}

const SILENT: u8 = 0;
const RINGING: u8 = 1;
const ENDED: u8 = 2;
const PERIOD: Duration = Duration::from_millis(5);
