//! Tier T1: BPF tracepoints, cgroup hooks and uprobes on TLS libraries.
//!
//! The probe (`crates/probe`) runs in the kernel and records every process of one cgroup and all
//! below it. A thread reads its ring and writes the log. Nothing is pinned: when the sensor's process
//! ends, however it ends, the kernel takes the probe out.
//!
//! Needs root (or `CAP_BPF`, `CAP_PERFMON`, `CAP_NET_ADMIN`), BTF at `/sys/kernel/btf/vmlinux`, and
//! Linux 6.1 or newer. It needs neither tracefs nor kprobes, fentry or BPF LSM, which hardened hosts
//! refuse.

#[cfg(watchglass_bpf)]
mod consumer;
#[cfg(watchglass_bpf)]
mod digests;
#[cfg(watchglass_bpf)]
mod libraries;
#[cfg(watchglass_bpf)]
mod loaded;
#[cfg(watchglass_bpf)]
mod numbers;
#[cfg(watchglass_bpf)]
mod paths;
#[cfg(watchglass_bpf)]
mod peers;
#[cfg(watchglass_bpf)]
mod programs;
#[cfg(watchglass_bpf)]
mod record;
#[cfg(watchglass_bpf)]
mod sensor;
#[cfg(watchglass_bpf)]
mod transfers;
#[cfg(watchglass_bpf)]
mod translate;

#[cfg(not(watchglass_bpf))]
mod absent;

use std::path::PathBuf;

#[cfg(not(watchglass_bpf))]
pub use absent::{BpfSensor, probe, start, tls_libraries};
#[cfg(watchglass_bpf)]
pub use libraries::tls_libraries;
#[cfg(watchglass_bpf)]
pub use sensor::{BpfSensor, probe, start};

/// How the sensor is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Programs not to attach, by the names that [`probe`] gives, or whole groups: `tracepoint`,
    /// `cgroup`, `uprobe`. For tests that each source can be missed.
    pub disabled: Vec<&'static str>,
    /// Size of the ring between kernel and reader: a power of two and a multiple of the page size.
    /// What does not fit is lost, and counted. 64 MiB hold about 250,000 records.
    pub ring_bytes: u32,
    /// Whether clear text is read at TLS libraries. The subject can see such probes.
    pub uprobes: Uprobes,
    /// The root of the world as a path of the recorder, such as `/proc/<init>/root`. Where it is
    /// not given, the root of the first adopted process is taken.
    pub world_root: Option<PathBuf>,
    /// TLS libraries of the world, as paths in it, to probe before anything runs. Those mapped later
    /// are found by themselves, but may have spoken before.
    pub libraries: Vec<PathBuf>,
    /// The host's number of the world's user 0. Users below it become 65534, as the kernel shows
    /// users that a namespace does not map.
    pub uid_base: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            disabled: Vec::new(),
            ring_bytes: 64 * 1024 * 1024,
            uprobes: Uprobes::On,
            world_root: None,
            libraries: Vec::new(),
            uid_base: 0,
        }
    }
}

/// Whether clear text is read at TLS libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uprobes {
    /// Read it. The first byte of the probed functions becomes a breakpoint, which a subject that
    /// looks can see.
    On,
    /// Leave the libraries alone, for the round that must not be noticed.
    Off,
}
