//! Captures every frame of the link, on the side that the subject cannot reach.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use watchglass_events::Direction;
use watchglass_packets::pcapng::{CaptureTotals, CaptureWriter, Frame};
use watchglass_sys::packet_socket::{PacketRing, RingFrame};

use crate::configuration::Limits;
use crate::control::FakenetError;
use crate::record::{boot_ns, realtime_ns};

/// A capture into memory: frames are taken from now on, and written once it is started.
#[derive(Debug)]
pub(crate) struct PreparedCapture {
    ring: PacketRing,
    writer: CaptureWriter<BufWriter<File>>,
}

/// A capture that runs until it is finished.
#[derive(Debug)]
pub(crate) struct Capture {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<CaptureTotals>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    kept: AtomicU64,
    dropped: AtomicU64,
    bytes: AtomicU64,
}

/// What a running capture has so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) kept: u64,
    pub(crate) dropped: u64,
    pub(crate) bytes: u64,
}

impl PreparedCapture {
    /// Begins to capture; the interface need not be up. Needs rights that nothing after it does.
    pub(crate) fn open(
        interface_index: u32,
        sink: File,
        limits: &Limits,
    ) -> Result<Self, FakenetError> {
        let ring = PacketRing::open(interface_index, limits.capture_ring_bytes);
        let ring = ring.map_err(|error| FakenetError::system("packet socket", error))?;
        let offset = (realtime_ns().saturating_sub(boot_ns())) / NANOSECONDS;
        let offset = i64::try_from(offset).unwrap_or(0);
        let sink = BufWriter::with_capacity(BUFFER_BYTES, sink);
        let writer = CaptureWriter::new(sink, offset, limits.capture_bytes);
        let writer = writer.map_err(|error| FakenetError::system("write the capture", error))?;
        Ok(Self { ring, writer })
    }

    /// Starts the thread that writes.
    pub(crate) fn start(self) -> Result<Capture, FakenetError> {
        let shared = Arc::new(Shared::default());
        let recorder = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("capture".to_owned());
        let thread = thread.spawn(move || record(self.ring, self.writer, &recorder));
        let thread = thread.map_err(|error| FakenetError::system("thread", error))?;
        Ok(Capture { shared, thread })
    }
}

impl Capture {
    /// What it has so far.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            kept: self.shared.kept.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
        }
    }

    /// Takes what is still under way and ends the capture.
    pub(crate) fn finish(self) -> io::Result<CaptureTotals> {
        self.shared.stopping.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the capture panicked")))
    }
}

fn record(
    mut ring: PacketRing,
    mut writer: CaptureWriter<BufWriter<File>>,
    shared: &Shared,
) -> io::Result<CaptureTotals> {
    let mut ends_at = None;
    loop {
        let was_stopping = shared.stopping.load(Ordering::Acquire);
        if was_stopping {
            ends_at.get_or_insert_with(|| Instant::now() + END_PATIENCE);
        }
        // The two clocks drift apart when the time of day is set, so they are compared each time.
        let behind_ns = realtime_ns().saturating_sub(boot_ns());
        let mut failed = None;
        let count = ring.read(POLL_TIME, |frame| {
            let written = append(&mut writer, &frame, behind_ns);
            failed = failed.take().or(written.err());
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if count == 0 {
            writer.flush()?;
        }
        let lost = ring.totals()?.lost;
        shared.kept.store(writer.kept(), Ordering::Relaxed);
        shared.dropped.store(lost + writer.refused(), Ordering::Relaxed);
        shared.bytes.store(writer.written_bytes(), Ordering::Relaxed);
        // What the kernel saw before the end was asked for is handed over within one wait, unless a
        // subject that still runs floods the link; then what is not written is counted as lost.
        let is_over = ends_at.is_some_and(|end| Instant::now() > end);
        if was_stopping && (count == 0 || is_over) {
            let taken = writer.kept() + writer.refused();
            let missing = ring.totals()?.seen.saturating_sub(taken);
            // A frame that came after the last look is not lost: it is there at the next one.
            if missing == 0 || is_over {
                return writer.finish(missing);
            }
        }
    }
}

fn append(
    writer: &mut CaptureWriter<BufWriter<File>>,
    frame: &RingFrame<'_>,
    behind_ns: u64,
) -> io::Result<()> {
    // On the gate's side, what comes in was sent by the subject.
    let direction = if frame.outgoing { Direction::Received } else { Direction::Sent };
    let at_ns = frame.realtime_ns.saturating_sub(behind_ns);
    let Some((protocol, control)) = frame.vlan else {
        return writer.append(&Frame {
            at_ns,
            direction,
            length: frame.length,
            bytes: frame.bytes,
        });
    };
    // The kernel took the tag out of the frame; on the link it stood behind the addresses.
    let (addresses, rest) = frame.bytes.split_at(frame.bytes.len().min(ADDRESS_BYTES));
    let tag = [protocol.to_be_bytes(), control.to_be_bytes()].concat();
    let bytes = [addresses, &tag, rest].concat();
    let length = frame.length.saturating_add(4);
    writer.append(&Frame { at_ns, direction, length, bytes: &bytes })
}

const NANOSECONDS: u64 = 1_000_000_000;
const BUFFER_BYTES: usize = 1 << 20;
const ADDRESS_BYTES: usize = 12;
const POLL_TIME: Duration = Duration::from_millis(100);
const END_PATIENCE: Duration = Duration::from_secs(2);
