//! What an opener says to a worker.

use watchglass_bytes::Reader;

use crate::{MAX_MESSAGE_BYTES, MessageError, VERSION};

/// What an opener says to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromOpener {
    /// Comes first, once, with the descriptor of the database if there is one.
    Setup(Setup),
    /// Comes with the descriptor of the file.
    Job(Job),
}

/// What holds for every job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// `--max-scansize`, bytes.
    pub max_scan_size: u64,
    /// `--max-filesize`, bytes.
    pub max_file_size: u64,
    /// `--max-files`, members.
    pub max_files: u64,
    /// `--max-recursion`, layers.
    pub max_recursion: u32,
    /// Bytes out for each byte in.
    pub max_ratio: u64,
    /// Units of work.
    pub max_steps: u64,
    /// The [`Switch`]es that are on, by their bits.
    pub switches: u16,
}

/// Something that is on or off for a scan. Its number is its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Switch {
    /// Every match is told, not the first alone.
    AllMatches = 1,
    /// Containers are looked into.
    Unpack = 2,
    /// `--alert-encrypted`
    AlertEncrypted = 4,
    /// `--alert-broken`
    AlertBroken = 8,
    /// `--alert-macros`
    AlertMacros = 16,
    /// `--alert-exceeds-max`
    AlertLimits = 32,
    /// `--heuristic-alerts`
    AlertHeuristics = 64,
    /// The database has rules that are run.
    Rules = 128,
    /// The answer has the digest of the bytes that were scanned.
    Digest = 256,
}

/// What is to be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It is looked into; the answer is an outcome.
    Scan,
    /// Its bytes are counted and hashed, and nothing of it is parsed; the answer is a digest. A process
    /// that has only ever done this has been exposed to no parser.
    Digest,
}

/// One file to look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Comes back in the answer.
    pub number: u64,
    /// `--max-scantime`, milliseconds from the receipt on.
    pub milliseconds: u32,
    /// What is to be done.
    pub task: Task,
}

const SETUP: u8 = 0;
const JOB: u8 = 1;
/// All bits of [`Switch`].
const SWITCHES: u16 = 511;

impl Setup {
    /// Whether `switch` is on.
    #[must_use]
    pub fn has(&self, switch: Switch) -> bool {
        self.switches & switch as u16 != 0
    }

    /// The same with `switch` on or off.
    #[must_use]
    pub fn with(mut self, switch: Switch, on: bool) -> Self {
        self.switches &= !(switch as u16);
        self.switches |= if on { switch as u16 } else { 0 };
        self
    }
}

impl FromOpener {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Setup(setup) => {
                out.push(SETUP);
                for number in [setup.max_scan_size, setup.max_file_size, setup.max_files] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                out.extend_from_slice(&setup.max_recursion.to_le_bytes());
                for number in [setup.max_ratio, setup.max_steps] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                out.extend_from_slice(&setup.switches.to_le_bytes());
            }
            Self::Job(job) => {
                out.push(JOB);
                out.extend_from_slice(&job.number.to_le_bytes());
                out.extend_from_slice(&job.milliseconds.to_le_bytes());
                out.push(match job.task {
                    Task::Scan => 0,
                    Task::Digest => 1,
                });
            }
        }
        out
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] for whatever [`FromOpener::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = begin(bytes)?;
        let message = match reader.u8("kind")? {
            SETUP => Self::Setup(setup(&mut reader)?),
            JOB => Self::Job(Job {
                number: reader.u64_le("number")?,
                milliseconds: reader.u32_le("milliseconds")?,
                task: match reader.u8("task")? {
                    0 => Task::Scan,
                    1 => Task::Digest,
                    other => {
                        return Err(MessageError::Unknown { field: "task", found: other.into() });
                    }
                },
            }),
            other => return Err(MessageError::Unknown { field: "kind", found: other.into() }),
        };
        reader.finish("message")?;
        Ok(message)
    }
}

/// A reader behind the version.
pub(crate) fn begin(bytes: &[u8]) -> Result<Reader<'_>, MessageError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(MessageError::Long { found: bytes.len() });
    }
    let mut reader = Reader::new(bytes);
    match reader.u8("version")? {
        VERSION => Ok(reader),
        other => Err(MessageError::Unknown { field: "version", found: other.into() }),
    }
}

fn setup(reader: &mut Reader<'_>) -> Result<Setup, MessageError> {
    let setup = Setup {
        max_scan_size: reader.u64_le("max_scan_size")?,
        max_file_size: reader.u64_le("max_file_size")?,
        max_files: reader.u64_le("max_files")?,
        max_recursion: reader.u32_le("max_recursion")?,
        max_ratio: reader.u64_le("max_ratio")?,
        max_steps: reader.u64_le("max_steps")?,
        switches: reader.u16_le("switches")?,
    };
    if setup.switches & !SWITCHES != 0 {
        return Err(MessageError::Unknown { field: "switches", found: setup.switches.into() });
    }
    Ok(setup)
}
