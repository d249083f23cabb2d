//! Compiling signature sets in a jail.
//!
//! Sets come from anywhere, and their parsers are as exposed as those of files. So this program starts
//! itself again, without a path or a network: it is handed open files, and what it makes goes into a
//! piece of memory that is sealed when it has ended. What it says is taken for hostile.

mod inside;
mod told;

use std::error::Error;
use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde::{Deserialize, Serialize};
use watchglass_signatures::PotentiallyUnwanted;
use watchglass_sys::message_socket::MessageSocket;

use crate::sources::Files;

pub(crate) use inside::serve;
pub(crate) use told::{Bad, Told};

/// What was compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The bytes of a database, which nobody changes any more; not opened yet.
    pub(crate) file: File,
    /// What became of the sets.
    pub(crate) told: Told,
    /// Walls of the jail that this machine lacks.
    pub(crate) missing: Vec<String>,
}

/// What the compiler is told.
#[derive(Debug, Serialize, Deserialize)]
enum ToCompiler {
    /// Comes first.
    Begin { potentially_unwanted: bool },
    /// Comes with an open file.
    Source {
        /// Its path for people, by the end of which its kind is known.
        name: String,
        /// Whether what is wrong with it is an error, not a warning.
        by_person: bool,
        /// When it was changed, in seconds of Unix time.
        changed: Option<u64>,
    },
    /// No more sources.
    Compile,
}

/// What it says. The last one is cut into messages.
#[derive(Debug, Serialize, Deserialize)]
enum FromCompiler {
    /// It is held; walls that this machine lacks.
    Held { missing: Vec<String> },
    /// A source that a person named cannot be used.
    Error(String),
    /// The database is written.
    Done(Box<Told>),
}

/// Compiles sets.
///
/// # Errors
/// When a set that a person named cannot be read or is none, and when the compiler fails.
pub(crate) fn compile(
    files: &Files,
    unwanted: PotentiallyUnwanted,
    jail: Jail,
) -> Result<Compiled, Box<dyn Error>> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("watchglass-database", flags)?;
    let mut compiler = Compiler::start(&file)?;
    let mut warnings = Vec::new();
    let missing = compiler.missing()?;
    if jail == Jail::Required && !missing.is_empty() {
        return Err(format!("this machine has no {} for the jail", missing.join(", ")).into());
    }
    let potentially_unwanted = unwanted == PotentiallyUnwanted::Take;
    compiler.tell(&ToCompiler::Begin { potentially_unwanted }, None)?;
    for source in files.open() {
        match source {
            Ok(source) => {
                let (name, by_person) = (source.name, source.by_person);
                let said = ToCompiler::Source { name, by_person, changed: source.changed };
                compiler.tell(&said, Some(&source.file))?;
            }
            Err((error, true)) => return Err(error.into()),
            Err((warning, false)) => warnings.push(warning),
        }
    }
    compiler.tell(&ToCompiler::Compile, None)?;
    let mut told = compiler.told()?;
    compiler.end()?;
    told.warnings.splice(0..0, warnings);
    Ok(Compiled { file: sealed(file)?, told, missing })
}

/// Whether a machine without a wall of the jail is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jail {
    AsFarAsThereIs,
    Required,
}

/// The running compiler, which ends when this is dropped.
struct Compiler {
    child: Child,
    channel: MessageSocket,
    buffer: Vec<u8>,
    deadline: Instant,
}

impl Compiler {
    fn start(output: &OwnedFd) -> Result<Self, Box<dyn Error>> {
        let (channel, theirs) = MessageSocket::pair()?;
        channel.wait_at_most(TICK)?;
        let child = Command::new(std::env::current_exe()?)
            .arg(ACT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs.into_descriptor()))
            .stdout(Stdio::from(output.try_clone()?))
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the compiler could not be started: {error}"))?;
        let buffer = vec![0; MAX_MESSAGE_BYTES];
        Ok(Self { child, channel, buffer, deadline: Instant::now() + MAX_TIME })
    }

    fn tell(&mut self, said: &ToCompiler, file: Option<&File>) -> Result<(), Box<dyn Error>> {
        let message = serde_json::to_vec(said)?;
        match self.channel.send(&message, file.map(|file| file.as_fd())) {
            Ok(()) => Ok(()),
            // It may have said why.
            Err(_) => match self.told() {
                Err(error) => Err(error),
                Ok(_) => Err(self.ended()),
            },
        }
    }

    /// Walls that are missing; it says so before it has seen a source.
    fn missing(&mut self) -> Result<Vec<String>, Box<dyn Error>> {
        match self.hear()? {
            FromCompiler::Held { missing } => Ok(missing),
            _ => Err(LIED.into()),
        }
    }

    fn told(&mut self) -> Result<Told, Box<dyn Error>> {
        match self.hear()? {
            FromCompiler::Done(told) => Ok(told.printable()),
            FromCompiler::Error(error) => Err(told::printable(&error).into()),
            FromCompiler::Held { .. } => Err(LIED.into()),
        }
    }

    /// One saying, put together from its messages: each begins with a byte that is 0 for the last.
    fn hear(&mut self) -> Result<FromCompiler, Box<dyn Error>> {
        let mut whole = Vec::new();
        loop {
            let length = self.receive()?;
            match self.buffer.get(..length) {
                Some([more @ (0 | 1), part @ ..]) if whole.len() + part.len() <= MAX_TOLD_BYTES => {
                    whole.extend_from_slice(part);
                    if *more == 0 {
                        return serde_json::from_slice(&whole).map_err(|_| LIED.into());
                    }
                }
                _ => return Err(LIED.into()),
            }
        }
    }

    fn receive(&mut self) -> Result<usize, Box<dyn Error>> {
        loop {
            match self.channel.receive(&mut self.buffer) {
                Ok(received) if received.length == 0 => return Err(self.ended()),
                Ok(received) if received.truncated || !received.descriptors.is_empty() => {
                    return Err(LIED.into());
                }
                Ok(received) => return Ok(received.length),
                Err(error)
                    if [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted]
                        .contains(&error.kind()) => {}
                Err(_) => return Err(self.ended()),
            }
            if Instant::now() >= self.deadline {
                let minutes = MAX_TIME.as_secs() / 60;
                return Err(format!("compiling took longer than {minutes} minutes").into());
            }
        }
    }

    /// Waits for its end, after which nobody writes into what it made.
    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(self.ended()),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        Err("the compiler did not end".into())
    }

    /// Why there is nobody at the other end.
    fn ended(&mut self) -> Box<dyn Error> {
        // It is ending by itself; that takes a moment.
        std::thread::sleep(Duration::from_millis(20));
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status,
            _ => return "the compiler hung up".into(),
        };
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => format!("signal {signal}"),
            (_, code) => format!("code {}", code.unwrap_or(-1)),
        };
        let most = inside::MAX_MEMORY_GIB;
        format!(
            "the compiler ended ({how}): the sets need more than {most} GiB or what this process may have, or one of them breaks it; compile fewer at once"
        )
        .into()
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // It holds nothing that it would have to put in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sealed(file: OwnedFd) -> io::Result<File> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    let mut file = File::from(file);
    file.rewind()?;
    Ok(file)
}

/// The act of this program that is the compiler; nobody types it.
pub(crate) const ACT: &str = "compile-in-jail";
const LIED: &str = "the compiler did not keep to its messages";
/// Bytes of a message. The kernel's default for a socket is more.
const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// Bytes of all that it tells: a thousand bad lines are some hundred kilobytes.
const MAX_TOLD_BYTES: usize = 16 << 20;
/// 3.5 million signatures take ten seconds.
const MAX_TIME: Duration = Duration::from_secs(1200);
/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long it may take to end after its last word.
const GRACE: Duration = Duration::from_secs(30);
