//! Switching a source off, to see that the verdict notices: `--blind`, for tests of the lab.
//!
//! A source that is off leaves what a blind one would: a recording that is whole and empty, or
//! nothing of its own in the recording that it shares.

use std::fs::File;
use std::path::Path;

use clap::ValueEnum;
use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_events::{Source, Tier};
use watchglass_fakenet::Recordings;
use watchglass_packets::pcapng::CaptureWriter;

use crate::cli::Assay;
use crate::recording::{create, log};

/// A source that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Blind {
    /// What processes do, by BPF
    Tracepoint,
    /// Internet sockets of the cgroup, by BPF
    Cgroup,
    /// Clear text at TLS libraries, by BPF
    Uprobe,
    /// What processes do, by ptrace
    Ptrace,
    /// The difference on disk
    Overlay,
    /// The packets on the link
    Capture,
    /// Clear text at the gate
    Gate,
    /// None; but the buffer of the BPF sources is so small that records are lost
    Buffer,
}

impl Blind {
    fn source(self) -> Option<Source> {
        match self {
            Self::Tracepoint => Some(Source::Tracepoint),
            Self::Cgroup => Some(Source::Cgroup),
            Self::Uprobe => Some(Source::Uprobe),
            Self::Ptrace => Some(Source::Ptrace),
            Self::Overlay => Some(Source::Overlay),
            Self::Capture => Some(Source::Capture),
            Self::Gate => Some(Source::Gate),
            Self::Buffer => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tracepoint => "tracepoint",
            Self::Cgroup => "cgroup",
            Self::Uprobe => "uprobe",
            Self::Ptrace => "ptrace",
            Self::Overlay => "overlay",
            Self::Capture => "capture",
            Self::Gate => "gate",
            Self::Buffer => "buffer",
        }
    }

    fn is_used_at(self, tier: Tier) -> bool {
        match self {
            Self::Tracepoint | Self::Cgroup | Self::Uprobe | Self::Buffer => tier != Tier::T0,
            Self::Ptrace => tier == Tier::T0,
            Self::Overlay | Self::Capture | Self::Gate => true,
        }
    }
}

/// Refuses to switch off what is not used: a test that did so would show nothing.
pub(crate) fn check(arguments: &Assay, tier: Tier) -> Result<()> {
    match arguments.blind.iter().find(|blind| !blind.is_used_at(tier)) {
        None => Ok(()),
        Some(blind) => Err(miette!(
            help = "choose another --tier, or another source",
            "tier {tier:?} has no {} to switch off",
            blind.name()
        )),
    }
}

pub(crate) fn is_blind(arguments: &Assay, source: Source) -> bool {
    arguments.blind.iter().any(|blind| blind.source() == Some(source))
}

/// Whether records are to be lost.
pub(crate) fn is_small(arguments: &Assay) -> bool {
    arguments.blind.contains(&Blind::Buffer)
}

/// Groups of the BPF sensor that are off, as its options name them.
pub(crate) fn groups(arguments: &Assay) -> Vec<&'static str> {
    let of_bpf = |blind: &&Blind| {
        blind.source().is_some() && blind.is_used_at(Tier::T1) && !blind.is_used_at(Tier::T0)
    };
    arguments.blind.iter().filter(of_bpf).map(|blind| blind.name()).collect()
}

/// Where the fake internet writes. What is off it writes to a file that nobody reads.
pub(crate) fn recordings(arguments: &Assay, folder: &Path) -> Result<Recordings> {
    let capture = create(folder, "packets.pcapng")?;
    let capture = if is_blind(arguments, Source::Capture) {
        let empty = CaptureWriter::new(capture, 0, u64::MAX).into_diagnostic()?;
        empty.finish(0).into_diagnostic().context("packets.pcapng")?;
        unseen()?
    } else {
        capture
    };
    let log = if is_blind(arguments, Source::Gate) {
        let empty = log(folder, "gate.log", Source::Gate)?;
        empty.finish().into_diagnostic().context("gate.log")?;
        unseen()?
    } else {
        create(folder, "gate.log")?
    };
    Ok(Recordings { capture, log })
}

fn unseen() -> Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let file = rustix::fs::memfd_create("unseen", flags).into_diagnostic().context("memfd")?;
    Ok(file.into())
}
