//! Logs of a run, and what its commands print.

use std::fs::File;
use std::io::{BufWriter, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::JoinHandle;

use miette::{Context as _, IntoDiagnostic as _, Result};
use watchglass_events::log::LogWriter;
use watchglass_events::{Actor, Name, Source, What};

/// Bytes of each descriptor of a command that are kept.
const KEPT_BYTES: usize = 64 * 1024;

/// The lab's own log of a run.
#[derive(Debug)]
pub(crate) struct LabLog(LogWriter<BufWriter<File>>);

impl LabLog {
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        Ok(Self(log(folder, "lab.log", Source::Lab)?))
    }

    pub(crate) fn mark(&mut self, what: What) -> Result<()> {
        let no_actor: Option<Actor> = None;
        self.0.append(now_ns(), no_actor, what).into_diagnostic().context("lab.log")?;
        Ok(())
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) -> Result<()> {
        self.mark(What::Noted { text: text.into() })
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.finish().into_diagnostic().context("lab.log")?;
        Ok(())
    }
}

/// Begins a log in the folder of a run.
pub(crate) fn log(folder: &Path, name: &str, source: Source) -> Result<LogWriter<BufWriter<File>>> {
    let file = create(folder, name)?;
    LogWriter::new(BufWriter::new(file), source).into_diagnostic().wrap_err_with(|| name.to_owned())
}

/// Makes a file in the folder of a run.
pub(crate) fn create(folder: &Path, name: &str) -> Result<File> {
    watchglass_store::create_file(&folder.join(name)).into_diagnostic()
}

/// Nanoseconds of `CLOCK_BOOTTIME`, the clock of every record.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// What a command printed on one descriptor.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) bytes: Name,
    pub(crate) cut: u64,
}

/// Reads what a command prints for as long as anybody can print, so that a command that prints
/// gigabytes neither stops nor fills anything.
#[derive(Debug)]
pub(crate) struct Listener(JoinHandle<Printed>);

impl Listener {
    /// A pipe: the end for the command, and its reader.
    pub(crate) fn pipe() -> Result<(OwnedFd, Self)> {
        let flags = rustix::pipe::PipeFlags::CLOEXEC;
        let (reader, writer) = rustix::pipe::pipe_with(flags).into_diagnostic().context("pipe")?;
        let reader = std::thread::spawn(move || listen(File::from(reader)));
        Ok((writer, Self(reader)))
    }

    /// What was printed, once every writer is gone.
    pub(crate) fn heard(self) -> Printed {
        self.0.join().unwrap_or(Printed { bytes: Name::default(), cut: 0 })
    }
}

fn listen(mut pipe: File) -> Printed {
    let (mut kept, mut cut, mut buffer) = (Vec::new(), 0_u64, vec![0_u8; 64 * 1024]);
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                let room = (KEPT_BYTES - kept.len()).min(length);
                kept.extend(buffer.iter().take(room));
                cut += (length - room) as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    Printed { bytes: Name::new(kept), cut }
}
