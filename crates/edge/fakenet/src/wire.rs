//! A stream of the subject as the gate holds it: every byte of clear text is recorded, and nothing
//! waits without end.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};
use watchglass_events::{Direction, How};

use crate::configuration::Limits;
use crate::record::StreamRecord;

/// A socket with limits on silence and life, whose first bytes can be looked at before they are
/// read.
#[derive(Debug)]
pub(crate) struct Raw {
    socket: TcpStream,
    ahead: Vec<u8>,
    idle: Duration,
    ends_at: Instant,
    /// An earlier end, while the subject is expected to hurry.
    hurries_until: Option<Instant>,
}

/// What a look at the first bytes shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Bytes came.
    Bytes,
    /// Nothing came in the given time.
    Silence,
    /// The subject has closed its side.
    End,
}

impl Raw {
    /// Takes a fresh connection.
    pub(crate) fn new(socket: TcpStream, limits: &Limits) -> Self {
        // Answers are written whole, so waiting for more to send only costs time.
        let _ = socket.set_nodelay(true);
        let idle = Duration::from_secs(limits.idle_seconds.max(1));
        let ends_at = Instant::now() + Duration::from_secs(limits.stream_seconds);
        Self { socket, ahead: Vec::new(), idle, ends_at, hurries_until: None }
    }

    /// Waits up to `patience` for more first bytes; they stay to be read.
    pub(crate) fn look(&mut self, patience: Duration) -> io::Result<Look> {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(patience.max(MIN_WAIT)))?;
        match self.socket.read(&mut buffer) {
            Ok(0) => Ok(Look::End),
            Ok(length) => {
                self.ahead.extend_from_slice(&buffer[..length]);
                Ok(Look::Bytes)
            }
            Err(error) if is_timeout(&error) => Ok(Look::Silence),
            Err(error) => Err(error),
        }
    }

    /// The first bytes that came so far.
    pub(crate) fn first_bytes(&self) -> &[u8] {
        &self.ahead
    }

    /// Sets an earlier end until [`Raw::rest`].
    pub(crate) fn hurry(&mut self, patience: Duration) {
        self.hurries_until = Some(Instant::now() + patience);
    }

    /// Lets the subject take its time again.
    pub(crate) fn rest(&mut self) {
        self.hurries_until = None;
    }

    /// Resets the connection when it is dropped.
    pub(crate) fn reset(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }

    fn wait(&self) -> io::Result<Duration> {
        let ends_at = self.hurries_until.unwrap_or(self.ends_at).min(self.ends_at);
        let left = ends_at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left.min(self.idle)) }
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.ahead[..length]);
            self.ahead.drain(..length);
            return Ok(length);
        }
        self.socket.set_read_timeout(Some(self.wait()?.max(MIN_WAIT)))?;
        self.socket.read(buffer)
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.wait()?.max(MIN_WAIT)))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream with its record: what is read and written here is clear text, and is recorded.
#[derive(Debug)]
pub(crate) struct Wire {
    transport: Transport,
    record: StreamRecord,
    max_bytes: u64,
    bytes_per_second: u64,
}

/// What carries the clear text.
#[derive(Debug)]
pub(crate) enum Transport {
    /// The bytes as they are.
    Plain(Raw),
    /// TLS, ended at the gate.
    Tls(Box<StreamOwned<ServerConnection, Raw>>),
}

impl Transport {
    /// Resets the connection when it is dropped.
    pub(crate) fn reset(&self) {
        match self {
            Self::Plain(raw) => raw.reset(),
            Self::Tls(tls) => tls.sock.reset(),
        }
    }
}

impl Wire {
    /// Joins a stream to its record.
    pub(crate) fn new(transport: Transport, record: StreamRecord, limits: &Limits) -> Self {
        Self { transport, record, max_bytes: limits.stream_bytes, bytes_per_second: 0 }
    }

    /// Writes no faster than this from now on; 0 is as fast as it goes.
    pub(crate) fn slow_down(&mut self, bytes_per_second: u64) {
        self.bytes_per_second = bytes_per_second;
    }

    /// The socket's limits.
    pub(crate) fn raw(&mut self) -> &mut Raw {
        match &mut self.transport {
            Transport::Plain(raw) => raw,
            Transport::Tls(tls) => &mut tls.sock,
        }
    }

    /// Reads clear text from the subject; 0 is its end. The error says how the stream ends.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, How> {
        let room = usize::try_from(self.room()?).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..room];
        let read = match &mut self.transport {
            Transport::Plain(raw) => raw.read(buffer),
            Transport::Tls(tls) => tls.read(buffer),
        };
        let length = match read {
            // A peer that closes without saying so in TLS has closed all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read.map_err(ending)?,
        };
        self.record.data(Direction::Sent, &buffer[..length]).map_err(|_| log_full())?;
        Ok(length)
    }

    /// Writes clear text to the subject. What the kernel took is recorded.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), How> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.room()?).unwrap_or(usize::MAX);
            let piece = &bytes[..bytes.len().min(room).min(self.piece_bytes())];
            let written = match &mut self.transport {
                Transport::Plain(raw) => raw.write(piece),
                Transport::Tls(tls) => tls.write(piece).and_then(|written| {
                    tls.flush()?;
                    Ok(written)
                }),
            };
            let written = written.map_err(ending)?;
            self.record.data(Direction::Received, &piece[..written]).map_err(|_| log_full())?;
            bytes = &bytes[written..];
            if self.bytes_per_second > 0 {
                std::thread::sleep(SLOW_STEP);
                self.raw().wait().map_err(ending)?;
            }
        }
        Ok(())
    }

    /// Ends the stream in order: says so, then reads what still comes, so that no byte goes
    /// unrecorded. A stream that failed is reset instead.
    pub(crate) fn finish(mut self, how: How) {
        if !matches!(how, How::Finished | How::ByScenario) {
            return self.abort(how);
        }
        if let Transport::Tls(tls) = &mut self.transport {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        self.raw().hurry(DRAIN_TIME);
        let _ = self.raw().socket.shutdown(Shutdown::Write);
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return self.record.close(how),
                Ok(_) => {}
                Err(failed) if how == How::Finished => return self.abort(failed),
                Err(_) => return self.abort(how),
            }
        }
    }

    /// Resets the connection.
    pub(crate) fn abort(mut self, how: How) {
        self.raw().reset();
        self.record.close(how);
    }

    fn room(&self) -> Result<u64, How> {
        match self.max_bytes.saturating_sub(self.record.bytes()) {
            0 => Err(How::Limit(format!("over {} bytes of clear text", self.max_bytes))),
            room => Ok(room),
        }
    }

    fn piece_bytes(&self) -> usize {
        let steps = 1000 / u64::try_from(SLOW_STEP.as_millis()).unwrap_or(1).max(1);
        match self.bytes_per_second {
            0 => MAX_PIECE_BYTES,
            speed => usize::try_from(speed / steps).unwrap_or(usize::MAX).clamp(1, MAX_PIECE_BYTES),
        }
    }
}

/// How a stream ends that failed like this.
pub(crate) fn ending(error: io::Error) -> How {
    use io::ErrorKind as Kind;
    match error.kind() {
        _ if is_timeout(&error) => How::Limit("it took too long".to_owned()),
        Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted => How::Reset,
        Kind::InvalidData => How::TlsFailed(error.to_string()),
        _ => How::Limit(error.to_string()),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn log_full() -> How {
    How::Limit("the gate's log is full".to_owned())
}

/// A timeout of zero would mean none.
const MIN_WAIT: Duration = Duration::from_millis(1);
const DRAIN_TIME: Duration = Duration::from_secs(2);
const SLOW_STEP: Duration = Duration::from_millis(50);
const MAX_PIECE_BYTES: usize = 64 * 1024;
