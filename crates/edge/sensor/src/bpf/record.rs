//! Reads what the probe put into the ring: the layout of `crates/probe/record.h`.

use watchglass_bytes::{ReadError, Reader};
use watchglass_events::{Actor, Process, Source};

/// One record of the ring.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) cpu: u16,
    pub(super) call: u32,
    /// Gap-free for one source on one CPU.
    pub(super) sequence: u64,
    pub(super) at_ns: u64,
    pub(super) start_ns: u64,
    pub(super) process: u32,
    pub(super) thread: u32,
    /// Effective user, as the host numbers it.
    pub(super) uid: u32,
    pub(super) flags: u32,
    /// Tells one exec of a process from the next.
    pub(super) image: u64,
    pub(super) result: i64,
    pub(super) argument: [u64; 6],
    pub(super) object: Object,
    /// Resolved path, string or address, second path, second string.
    pub(super) parts: [&'a [u8]; 4],
}

/// The file or socket behind a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Object {
    pub(super) inode: u64,
    pub(super) cookie: u64,
    /// As the kernel encodes it inside.
    pub(super) device: u32,
    pub(super) generation: u32,
    /// Which kind of file system.
    pub(super) magic: u32,
    pub(super) open_flags: u32,
    pub(super) mode: u16,
    pub(super) family: u16,
    pub(super) kind: u16,
    pub(super) protocol: u16,
}

/// What a record is about. The numbers are those of `enum kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Transfer,
    Fork,
    Exec,
    Exit,
    Move,
    Ring,
    Foreign,
    HookSocket,
    HookConnect,
    HookBind,
    HookDatagram,
    Tls,
    Message,
}

/// Part numbers of `enum part`.
pub(super) const PATH: usize = 0;
pub(super) const STRING: usize = 1;
pub(super) const PATH_2: usize = 2;
pub(super) const STRING_2: usize = 3;

/// Messages of one call beyond those recorded.
pub(super) const FLAG_MORE_MESSAGES: u32 = 256;

/// A record that is not as the probe writes it.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{field}: unknown number {found}")]
    Unknown { field: &'static str, found: u8 },
}

impl<'a> Record<'a> {
    /// Reads one record; bytes after its parts are room that the probe did not need.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let kind = kind(reader.u8("kind")?)?;
        let source = source(reader.u8("source")?)?;
        let mut record = Self {
            kind,
            source,
            cpu: reader.u16_le("cpu")?,
            call: reader.u32_le("call")?,
            sequence: reader.u64_le("sequence")?,
            at_ns: reader.u64_le("time")?,
            start_ns: reader.u64_le("start")?,
            process: reader.u32_le("process")?,
            thread: reader.u32_le("thread")?,
            uid: reader.u32_le("user")?,
            flags: reader.u32_le("flags")?,
            image: reader.u64_le("image")?,
            result: i64::from_le_bytes(*reader.array("result")?),
            argument: arguments(&mut reader)?,
            object: object(&mut reader)?,
            parts: [&[]; 4],
        };
        let lengths = lengths(&mut reader)?;
        for (part, length) in record.parts.iter_mut().zip(lengths) {
            *part = reader.take("part", usize::from(length))?;
        }
        Ok(record)
    }

    /// The process that did it. Starts are cut to 10 ms, which is what every source can tell.
    pub(super) fn actor(&self, uid_base: u32) -> Actor {
        Actor {
            process: process(self.process, self.start_ns),
            thread: self.thread,
            uid: self.uid.checked_sub(uid_base).unwrap_or(UNMAPPED_USER),
        }
    }

    /// The result as a 32-bit number, which system calls other than mappings return.
    pub(super) fn code(&self) -> i32 {
        i32::try_from(self.result).unwrap_or(i32::MAX)
    }

    /// Error number of a call that failed.
    pub(super) fn error(&self) -> Option<i32> {
        let number = self.result.checked_neg().and_then(|number| i32::try_from(number).ok())?;
        match number {
            1..RESTART_FIRST => Some(number),
            // The kernel's own codes for "start again", seen before a signal turns them into EINTR.
            RESTART_FIRST..=RESTART_LAST => Some(EINTR),
            _ => None,
        }
    }
}

/// A process by number and birth.
pub(super) fn process(pid: u32, start_ns: u64) -> Process {
    Process { pid, start_ns: start_ns - start_ns % TICK_NS }
}

fn kind(number: u8) -> Result<Kind, RecordError> {
    Ok(match number {
        1 => Kind::Call,
        2 => Kind::Transfer,
        3 => Kind::Fork,
        4 => Kind::Exec,
        5 => Kind::Exit,
        6 => Kind::Move,
        7 => Kind::Ring,
        8 => Kind::Foreign,
        9 => Kind::HookSocket,
        10 => Kind::HookConnect,
        11 => Kind::HookBind,
        12 => Kind::HookDatagram,
        13 => Kind::Tls,
        14 => Kind::Message,
        found => return Err(RecordError::Unknown { field: "kind", found }),
    })
}

fn source(number: u8) -> Result<Source, RecordError> {
    let source = SOURCES.get(usize::from(number)).copied();
    source.ok_or(RecordError::Unknown { field: "source", found: number })
}

fn arguments(reader: &mut Reader<'_>) -> Result<[u64; 6], ReadError> {
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = reader.u64_le("argument")?;
    }
    Ok(arguments)
}

fn object(reader: &mut Reader<'_>) -> Result<Object, ReadError> {
    Ok(Object {
        inode: reader.u64_le("inode")?,
        cookie: reader.u64_le("cookie")?,
        device: reader.u32_le("device")?,
        generation: reader.u32_le("generation")?,
        magic: reader.u32_le("magic")?,
        open_flags: reader.u32_le("open flags")?,
        mode: reader.u16_le("mode")?,
        family: reader.u16_le("family")?,
        kind: reader.u16_le("socket type")?,
        protocol: reader.u16_le("protocol")?,
    })
}

fn lengths(reader: &mut Reader<'_>) -> Result<[u16; 4], ReadError> {
    let mut lengths = [0; 4];
    for length in &mut lengths {
        *length = reader.u16_le("part length")?;
    }
    Ok(lengths)
}

/// The sources in the order of `enum source`.
pub(super) const SOURCES: [Source; 3] = [Source::Tracepoint, Source::Cgroup, Source::Uprobe];

const TICK_NS: u64 = 10_000_000;
const RESTART_FIRST: i32 = 512;
const RESTART_LAST: i32 = 516;
const EINTR: i32 = 4;
/// What the kernel shows for a user that a namespace does not map (user_namespaces(7)).
const UNMAPPED_USER: u32 = 65534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_record_names_the_field_that_is_missing() {
        let error = Record::parse(&[1, 0, 0, 0, 5]).unwrap_err().to_string();
        assert!(error.contains("call"), "{error}");
    }

    #[test]
    fn a_part_longer_than_the_record_is_refused() {
        let mut bytes = vec![0; 160];
        bytes[0] = 1;
        assert!(Record::parse(&bytes).is_ok());
        bytes[152] = 1;
        assert!(Record::parse(&bytes).is_err());
    }

    #[test]
    fn an_interrupted_call_is_told_as_such() {
        let mut bytes = vec![0; 160];
        bytes[0] = 1;
        bytes[56..64].copy_from_slice(&(-512_i64).to_le_bytes());
        assert_eq!(Record::parse(&bytes).unwrap().error(), Some(EINTR));
        bytes[56..64].copy_from_slice(&(-2_i64).to_le_bytes());
        assert_eq!(Record::parse(&bytes).unwrap().error(), Some(2));
    }
}
