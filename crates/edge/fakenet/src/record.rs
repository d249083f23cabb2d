//! The gate's own log: what it read and wrote in clear.

use std::fs::File;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use watchglass_events::log::LogWriter;
use watchglass_events::{Direction, Flow, How, Name, Source, TlsFacts, What};

/// The event log of the gate, shared by all its threads.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: Mutex<Log>,
    max_bytes: u64,
}

#[derive(Debug)]
struct Log {
    /// `None` once it was sealed.
    writer: Option<LogWriter<BufWriter<File>>>,
    totals: RecordTotals,
    failed: bool,
}

/// What the log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordTotals {
    /// Streams that were opened.
    pub(crate) streams: u64,
    /// Events that were written.
    pub(crate) written: u64,
    /// Events that were not, since the log was full or could not be written.
    pub(crate) lost: u64,
    /// About how many bytes it has.
    pub(crate) bytes: u64,
}

/// The log takes no more.
#[derive(Debug)]
pub(crate) struct Full;

/// The records of one stream. What it counts is what was written, to the byte.
#[derive(Debug)]
pub(crate) struct StreamRecord {
    recorder: Arc<Recorder>,
    stream: u64,
    sent: u64,
    received: u64,
    is_open: bool,
}

impl Recorder {
    /// Begins the log.
    pub(crate) fn new(sink: File, max_bytes: u64) -> std::io::Result<Self> {
        let writer = Some(LogWriter::new(BufWriter::new(sink), Source::Gate)?);
        let log = Log { writer, totals: RecordTotals::default(), failed: false };
        Ok(Self { log: Mutex::new(log), max_bytes })
    }

    /// Records that a stream was opened.
    pub(crate) fn open(
        self: &Arc<Self>,
        flow: Flow,
        tls: Option<TlsFacts>,
        service: &str,
    ) -> Result<StreamRecord, Full> {
        let mut log = self.lock();
        let stream = log.totals.streams;
        log.totals.streams += 1;
        let service = service.to_owned();
        log.append(What::StreamOpened { stream, flow, tls, service }, 0, self.max_bytes)?;
        let recorder = Arc::clone(self);
        Ok(StreamRecord { recorder, stream, sent: 0, received: 0, is_open: true })
    }

    /// Records a datagram.
    pub(crate) fn datagram(
        &self,
        flow: Flow,
        direction: Direction,
        data: &[u8],
    ) -> Result<(), Full> {
        let what = What::Datagram { flow, direction, data: Name::new(data) };
        self.lock().append(what, data.len(), self.max_bytes)
    }

    /// What it holds so far.
    pub(crate) fn totals(&self) -> RecordTotals {
        self.lock().totals
    }

    /// Seals the log; nothing is written after this.
    pub(crate) fn finish(&self) -> std::io::Result<RecordTotals> {
        let mut log = self.lock();
        let Some(writer) = log.writer.take() else { return Ok(log.totals) };
        writer.finish()?;
        if log.failed {
            return Err(std::io::Error::other("an event could not be written"));
        }
        Ok(log.totals)
    }

    /// A thread that panicked while it held the log left it between two records at worst.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Writes an event if there is room. The clock is read here, so that times never go backwards in
    /// a log.
    fn append(&mut self, what: What, data_bytes: usize, max_bytes: u64) -> Result<(), Full> {
        let cost = RECORD_OVERHEAD_BYTES + data_bytes as u64;
        let room = self.totals.bytes + cost <= max_bytes && !self.failed;
        let Some(writer) = self.writer.as_mut().filter(|_| room) else {
            self.totals.lost += 1;
            return Err(Full);
        };
        if writer.append(boot_ns(), None, what).is_err() {
            self.failed = true;
            self.totals.lost += 1;
            return Err(Full);
        }
        self.totals.bytes += cost;
        self.totals.written += 1;
        Ok(())
    }
}

impl StreamRecord {
    /// Records clear text, in records of up to 64 KiB.
    pub(crate) fn data(&mut self, direction: Direction, data: &[u8]) -> Result<(), Full> {
        for chunk in data.chunks(MAX_DATA_BYTES) {
            let data = Name::new(chunk);
            let what = What::StreamData { stream: self.stream, direction, data };
            self.recorder.lock().append(what, chunk.len(), self.recorder.max_bytes)?;
            let count = match direction {
                Direction::Sent => &mut self.sent,
                Direction::Received => &mut self.received,
            };
            *count += chunk.len() as u64;
        }
        Ok(())
    }

    /// Bytes recorded so far, both ways together.
    pub(crate) fn bytes(&self) -> u64 {
        self.sent + self.received
    }

    /// Records how the stream ended. The last record of a stream always finds room.
    pub(crate) fn close(mut self, how: How) {
        self.end(how);
    }

    fn end(&mut self, how: How) {
        self.is_open = false;
        let (stream, sent, received) = (self.stream, self.sent, self.received);
        let what = What::StreamClosed { stream, how, sent, received };
        // An error is counted in the log's totals.
        let _ = self.recorder.lock().append(what, 0, u64::MAX);
    }
}

impl Drop for StreamRecord {
    fn drop(&mut self) {
        if self.is_open {
            self.end(How::Limit("the gate gave up on it".to_owned()));
        }
    }
}

/// Nanoseconds of `CLOCK_BOOTTIME`.
pub(crate) fn boot_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
}

/// Nanoseconds since 1970.
pub(crate) fn realtime_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(rustix::time::ClockId::Realtime))
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Clear text in one record.
const MAX_DATA_BYTES: usize = 64 * 1024;

/// What a record takes beside its data, at least.
const RECORD_OVERHEAD_BYTES: u64 = 64;

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use watchglass_events::{Transport, log};

    use super::*;

    fn flow() -> Flow {
        let (from, to) = ([10, 77, 0, 2].into(), [192, 0, 2, 1].into());
        Flow { transport: Transport::Tcp, from, from_port: 40_000, to, to_port: 80 }
    }

    fn read(mut file: File) -> Vec<What> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let log = log::parse(&bytes).unwrap();
        assert_eq!(log.cut, None);
        log.events.into_iter().map(|event| event.what).collect()
    }

    #[test]
    fn what_is_closed_is_the_sum_of_what_was_recorded() {
        let file = tempfile::tempfile().unwrap();
        let recorder = Arc::new(Recorder::new(file.try_clone().unwrap(), 1 << 20).unwrap());
        let mut stream = recorder.open(flow(), None, "sink").unwrap();
        stream.data(Direction::Sent, &[1; 100_000]).unwrap();
        stream.data(Direction::Received, b"hello").unwrap();
        stream.close(How::Finished);
        recorder.finish().unwrap();
        let events = read(file);
        assert_eq!(events.len(), 5);
        let closed =
            What::StreamClosed { stream: 0, how: How::Finished, sent: 100_000, received: 5 };
        assert_eq!(events[4], closed);
    }

    #[test]
    fn a_full_log_says_so_and_still_closes_its_streams() {
        let file = tempfile::tempfile().unwrap();
        let recorder = Arc::new(Recorder::new(file.try_clone().unwrap(), 300).unwrap());
        let mut stream = recorder.open(flow(), None, "sink").unwrap();
        assert!(stream.data(Direction::Sent, &[1; 100]).is_ok());
        assert!(stream.data(Direction::Sent, &[1; 100]).is_err());
        assert!(recorder.datagram(flow(), Direction::Sent, &[1; 100]).is_err());
        drop(stream);
        assert_eq!(recorder.finish().unwrap().lost, 2);
        assert!(matches!(read(file)[2], What::StreamClosed { sent: 100, .. }));
    }
}
