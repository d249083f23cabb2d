//! A log of events: CBOR records under a hash chain.
//!
//! The first 8 bytes are [`MAGIC`]. Frames follow, each `kind: u8`, `length: u32` (least significant
//! byte first), `body`. A frame of kind 0 holds one [`Event`] in CBOR. A frame of kind 1 is a seal:
//! the number of events so far (8 bytes) and the SHA-256 over the seal before it (32 zero bytes for
//! the first) and every frame since. A log ends with a seal. A log that was cut off is readable up
//! to its last seal, and [`Log::cut`] says so.

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use watchglass_bytes::{ReadError, Reader};

use crate::{Event, Source, What};

/// The first bytes of every log; the digit is the version of the format.
pub const MAGIC: &[u8; 8] = b"WGEVENT1";

/// Largest record in bytes: a path of 4 KiB twice, or 64 KiB of clear text, with room.
pub const MAX_RECORD_BYTES: usize = 128 * 1024;

/// Events between two seals. A crash loses at most so many.
const EVENTS_PER_SEAL: u64 = 1024;

const RECORD: u8 = 0;
const SEAL: u8 = 1;

/// Writes a log into anything that takes bytes.
#[derive(Debug)]
pub struct LogWriter<W> {
    sink: W,
    source: Source,
    chain: Sha256,
    count: u64,
    since_seal: u64,
}

impl<W: std::io::Write> LogWriter<W> {
    /// Begins a log; every event of it has this `source`, unless [`LogWriter::append_from`] is told
    /// another.
    ///
    /// # Errors
    /// What the sink says.
    pub fn new(mut sink: W, source: Source) -> std::io::Result<Self> {
        sink.write_all(MAGIC)?;
        let chain = Sha256::new_with_prefix([0; 32]);
        Ok(Self { sink, source, chain, count: 0, since_seal: 0 })
    }

    /// Appends what was seen at `at_ns`, and returns its sequence number.
    ///
    /// # Errors
    /// What the sink says, or `InvalidInput` for a record over [`MAX_RECORD_BYTES`].
    pub fn append(
        &mut self,
        at_ns: u64,
        actor: Option<crate::Actor>,
        what: What,
    ) -> std::io::Result<u64> {
        self.append_from(self.source, at_ns, actor, what)
    }

    /// Appends an event of another source that shares this log.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub fn append_from(
        &mut self,
        source: Source,
        at_ns: u64,
        actor: Option<crate::Actor>,
        what: What,
    ) -> std::io::Result<u64> {
        let seq = self.count;
        let event = Event { seq, at_ns, source, actor, what };
        let body = minicbor::to_vec(&event).map_err(std::io::Error::other)?;
        self.frame(RECORD, &body)?;
        self.count = self.count.saturating_add(1);
        self.since_seal = self.since_seal.saturating_add(1);
        if self.since_seal >= EVENTS_PER_SEAL {
            self.seal()?;
        }
        Ok(seq)
    }

    /// Events written so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Seals the log and gives the sink back.
    ///
    /// # Errors
    /// What the sink says.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.seal()?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    /// Seals what was written so far, so that a crash cannot lose it.
    ///
    /// # Errors
    /// What the sink says.
    pub fn seal(&mut self) -> std::io::Result<()> {
        let digest: [u8; 32] = self.chain.clone().finalize().into();
        let mut body = self.count.to_le_bytes().to_vec();
        body.extend_from_slice(&digest);
        self.frame(SEAL, &body)?;
        self.chain = Sha256::new_with_prefix(digest);
        self.since_seal = 0;
        self.sink.flush()
    }

    fn frame(&mut self, kind: u8, body: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_RECORD_BYTES);
        let length = length.ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "record over 128 KiB")
        })?;
        let mut head = vec![kind];
        head.extend_from_slice(&length.to_le_bytes());
        if kind == RECORD {
            self.chain.update(&head);
            self.chain.update(body);
        }
        self.sink.write_all(&head)?;
        self.sink.write_all(body)
    }
}

/// A log as read from bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The events under a seal, in order.
    pub events: Vec<Event>,
    /// Why the log ends before a seal, if it does: a recording that broke off.
    pub cut: Option<String>,
}

/// What makes a log false, as opposed to cut off.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogError {
    /// The first bytes are not [`MAGIC`].
    #[error("not an event log of version 1")]
    Magic,
    /// A frame breaks off; only reported through [`Log::cut`].
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A frame of no known kind.
    #[error("frame {index}: unknown kind {kind}")]
    Kind {
        /// Which frame, from 0.
        index: u64,
        /// The kind it says.
        kind: u8,
    },
    /// A record that is not an event, or not in its one encoding.
    #[error("event {seq}: {reason}")]
    Record {
        /// Which event, from 0.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A seal does not fit what stands before it.
    #[error("seal after event {seq}: {reason}")]
    Seal {
        /// Events before the seal.
        seq: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads a log.
///
/// Every record is decoded, encoded again and compared, so a log has one spelling. Costs one pass
/// of SHA-256 and about as much memory as the log.
///
/// # Errors
/// A [`LogError`] when a byte was changed. A log that breaks off is no error, see [`Log::cut`].
pub fn parse(bytes: &[u8]) -> Result<Log, LogError> {
    let mut reader = Reader::new(bytes);
    if reader.array::<8>("magic").map_err(|_| LogError::Magic)? != MAGIC {
        return Err(LogError::Magic);
    }
    let mut chain = Sha256::new_with_prefix([0; 32]);
    let (mut events, mut sealed, mut index) = (Vec::new(), 0, 0_u64);
    let cut = loop {
        if reader.is_empty() {
            let open = events.len() != sealed || index == 0;
            break open.then(|| "it ends without a seal".to_owned());
        }
        let (kind, head, body) = match frame(&mut reader) {
            Ok(frame) => frame,
            Err(error @ ReadError::OverLimit { .. }) => return Err(error.into()),
            Err(error) => break Some(error.to_string()),
        };
        let seq = u64::try_from(events.len()).unwrap_or(u64::MAX);
        match kind {
            RECORD => {
                chain.update(head);
                chain.update(body);
                events.push(event(body, seq)?);
            }
            SEAL => {
                chain = Sha256::new_with_prefix(seal(body, seq, chain)?);
                sealed = events.len();
            }
            _ => return Err(LogError::Kind { index, kind }),
        }
        index = index.saturating_add(1);
    };
    events.truncate(sealed);
    Ok(Log { events, cut })
}

fn frame<'a>(reader: &mut Reader<'a>) -> Result<(u8, [u8; 5], &'a [u8]), ReadError> {
    let head = *reader.array::<5>("frame")?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length);
    let limit = MAX_RECORD_BYTES as u64;
    let over = ReadError::OverLimit { field: "frame length", found: length.into(), limit };
    let length = usize::try_from(length).ok().filter(|&length| length <= MAX_RECORD_BYTES);
    Ok((kind, head, reader.take("frame body", length.ok_or(over)?)?))
}

fn event(body: &[u8], seq: u64) -> Result<Event, LogError> {
    let wrong = |reason: String| LogError::Record { seq, reason };
    let event: Event = minicbor::decode(body).map_err(|error| wrong(error.to_string()))?;
    if event.seq != seq {
        return Err(wrong(format!("sequence number {} where {seq} belongs", event.seq)));
    }
    let again = minicbor::to_vec(&event).map_err(|error| wrong(error.to_string()))?;
    if again == body { Ok(event) } else { Err(wrong("not in its one encoding".to_owned())) }
}

fn seal(body: &[u8], seq: u64, chain: Sha256) -> Result<[u8; 32], LogError> {
    let mut reader = Reader::new(body);
    let wrong = |reason| LogError::Seal { seq, reason };
    let short = |_| wrong("not 40 bytes long");
    let count = reader.u64_le("count").map_err(short)?;
    let digest = *reader.array::<32>("digest").map_err(short)?;
    reader.finish("seal").map_err(short)?;
    if count != seq {
        return Err(wrong("it counts other events"));
    }
    let found: [u8; 32] = chain.finalize().into();
    if found == digest { Ok(digest) } else { Err(wrong("its digest is of other bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, Outcome, PathOperation, Peer};

    fn sample() -> Vec<u8> {
        let mut log = LogWriter::new(Vec::new(), Source::Tracepoint).unwrap();
        let peer = Peer::Internet { address: [192, 0, 2, 1].into(), port: 443 };
        log.append(1, None, What::Connected { socket: None, peer, error: Some(-111) }).unwrap();
        let (path, operation) = (Name::new(&b"/a\xff"[..]), PathOperation::Unlink);
        log.append(2, None, What::PathChanged { operation, path, other: None, error: None })
            .unwrap();
        log.append(3, None, What::Exited { outcome: Outcome::TimedOut }).unwrap();
        log.finish().unwrap()
    }

    #[test]
    fn reads_back_what_was_written() {
        let log = parse(&sample()).unwrap();
        assert_eq!(log.cut, None);
        assert_eq!(log.events.len(), 3);
        assert_eq!(log.events[2].what, What::Exited { outcome: Outcome::TimedOut });
    }

    #[test]
    fn notices_every_flipped_bit() {
        let whole = sample();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let noticed = parse(&bytes).map_or(true, |log| log.cut.is_some());
            assert!(noticed, "bit {bit}");
        }
    }

    #[test]
    fn a_log_cut_anywhere_keeps_what_is_sealed() {
        let whole = sample();
        for end in 8..whole.len() {
            let log = parse(&whole[..end]).unwrap();
            assert!(log.cut.is_some() && log.events.is_empty(), "cut at {end}");
        }
    }

    #[test]
    fn refuses_a_length_over_the_limit() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[0, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(parse(&bytes), Err(LogError::Read(ReadError::OverLimit { .. }))));
    }
}
