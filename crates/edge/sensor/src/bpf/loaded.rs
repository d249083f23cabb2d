//! The probe in the kernel: loading, attaching, counting, taking out.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use aya::maps::{CgroupArray, HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::{Program, ProgramFd};
use aya::{Btf, Ebpf, EbpfLoader};
use watchglass_events::Source;

use super::programs::{self, Entry};
use super::record::SOURCES;
use super::{Options, Uprobes};
use crate::SensorError;

/// A hash map of the probe; keys and values are bytes as `record.h` lays them out.
pub(super) type ByteMap<const K: usize> = HashMap<MapData, [u8; K], [u64; 2]>;

/// The probe, loaded and attached.
#[derive(Debug)]
pub(super) struct Loaded {
    probe: Ebpf,
    missing: Vec<(Entry, String)>,
}

/// Records of one source on one CPU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) emitted: u64,
    pub(super) lost: u64,
}

impl Loaded {
    /// Loads the object and attaches every program that is not disabled. A program that cannot be
    /// attached is missing, and named in the totals; without [`ESSENTIAL`] there is no tier T1.
    pub(super) fn load(cgroup: BorrowedFd<'_>, options: &Options) -> Result<Self, SensorError> {
        let btf = Btf::from_sys_fs().map_err(|error| unavailable("BTF", &error))?;
        let mut probe = object(Some(&btf), options.ring_bytes)?;
        watch(&mut probe, cgroup)?;
        let mut loaded = Self { probe, missing: Vec::new() };
        for entry in programs::TABLE {
            loaded.attach(entry, &btf, cgroup, options)?;
        }
        Ok(loaded)
    }

    fn attach(
        &mut self,
        entry: &Entry,
        btf: &Btf,
        cgroup: BorrowedFd<'_>,
        options: &Options,
    ) -> Result<(), SensorError> {
        let off = entry.source == Source::Uprobe && options.uprobes == Uprobes::Off;
        if off || entry.is_disabled(&options.disabled) {
            self.missing.push((*entry, "it is switched off".to_owned()));
            return Ok(());
        }
        match programs::attach(&mut self.probe, entry, btf, cgroup) {
            Ok(()) => Ok(()),
            Err(reason) if ESSENTIAL.contains(&entry.name) => {
                Err(SensorError::Unavailable { what: entry.name, reason })
            }
            Err(reason) => {
                self.missing.push((*entry, reason));
                Ok(())
            }
        }
    }

    /// What could not be attached, and why.
    pub(super) fn missing(&self) -> &[(Entry, String)] {
        &self.missing
    }

    /// Whether a program of this name stands.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.missing.iter().any(|(entry, _)| entry.name == name)
    }

    /// The program of this name, for attaching it to a library.
    pub(super) fn program_mut(&mut self, name: &str) -> Option<&mut Program> {
        self.probe.program_mut(name)
    }

    /// The ring, once.
    pub(super) fn take_ring(&mut self) -> Result<RingBuf<MapData>, SensorError> {
        let map = self.probe.take_map("ring").ok_or_else(absent)?;
        RingBuf::try_from(map).map_err(|error| unavailable("ring", &error))
    }

    /// A hash map, once.
    pub(super) fn take_hash<const K: usize>(
        &mut self,
        name: &str,
    ) -> Result<ByteMap<K>, SensorError> {
        let map = self.probe.take_map(name).ok_or_else(absent)?;
        HashMap::try_from(map).map_err(|error| unavailable("map", &error))
    }

    /// What each source has counted so far on each CPU, in the order of [`SOURCES`].
    pub(super) fn counts(&self) -> Result<[Vec<Counts>; 3], SensorError> {
        let map = self.probe.map("counters").ok_or_else(absent)?;
        let map: PerCpuArray<&MapData, [u64; 2]> =
            PerCpuArray::try_from(map).map_err(|error| unavailable("counters", &error))?;
        let mut counts: [Vec<Counts>; 3] = Default::default();
        for (index, counts) in (0..).zip(&mut counts) {
            let values = map.get(&index, 0).map_err(|error| unavailable("counters", &error))?;
            let each = values.iter().map(|&[emitted, lost]| Counts { emitted, lost });
            counts.extend(each);
        }
        Ok(counts)
    }

    /// Runs that the kernel skipped because the same program was being run on that CPU, by source:
    /// records that were never made, so lost. `recursion_misses` in fdinfo, Linux 5.12.
    pub(super) fn skipped_runs(&self) -> [u64; 3] {
        let mut skipped = [0_u64; 3];
        for (total, source) in skipped.iter_mut().zip(SOURCES) {
            for entry in programs::TABLE.iter().filter(|entry| entry.source == source) {
                let program = self.probe.program(entry.name).and_then(descriptor);
                *total = total.saturating_add(program.and_then(recursion_misses).unwrap_or(0));
            }
        }
        skipped
    }

    /// Detaches and unloads every program.
    pub(super) fn detach(&mut self) {
        for (_, program) in self.probe.programs_mut() {
            // A program that was never loaded says so; there is nothing else to go wrong.
            let _ = match program {
                Program::BtfTracePoint(program) => program.unload(),
                Program::CgroupSkb(program) => program.unload(),
                Program::CgroupSock(program) => program.unload(),
                Program::CgroupSockAddr(program) => program.unload(),
                Program::UProbe(program) => program.unload(),
                _ => Ok(()),
            };
        }
    }
}

/// Loads the object with its maps; no program is verified yet.
pub(super) fn object(btf: Option<&Btf>, ring_bytes: u32) -> Result<Ebpf, SensorError> {
    EbpfLoader::new()
        .btf(btf)
        .map_max_entries("ring", ring_bytes)
        .load(OBJECT)
        .map_err(|error| unavailable("BPF", &error))
}

/// Names the world to the filter. The cgroup array wants a descriptor for the time of the call only.
pub(super) fn watch(probe: &mut Ebpf, cgroup: BorrowedFd<'_>) -> Result<(), SensorError> {
    let map = probe.map_mut("world").ok_or_else(absent)?;
    let mut world = CgroupArray::try_from(map).map_err(|error| unavailable("world", &error))?;
    let owned = cgroup.try_clone_to_owned();
    let owned =
        owned.map_err(|source| SensorError::System { call: "dup cgroup".into(), source })?;
    world.set(0, owned, 0).map_err(|error| unavailable("cgroup2", &error))
}

fn descriptor(program: &Program) -> Option<&ProgramFd> {
    match program {
        Program::BtfTracePoint(program) => program.fd().ok(),
        Program::CgroupSkb(program) => program.fd().ok(),
        Program::CgroupSock(program) => program.fd().ok(),
        Program::CgroupSockAddr(program) => program.fd().ok(),
        Program::UProbe(program) => program.fd().ok(),
        _ => None,
    }
}

fn recursion_misses(program: &ProgramFd) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?;
    line.trim().parse().ok()
}

fn unavailable(what: &'static str, error: &dyn std::error::Error) -> SensorError {
    SensorError::Unavailable { what, reason: programs::chain(error) }
}

fn absent() -> SensorError {
    SensorError::Unavailable { what: "BPF", reason: "a map is not in the object".to_owned() }
}

/// Without these there is no record of what a subject does, and T0 does better.
const ESSENTIAL: [&str; 4] =
    ["sched_process_fork", "sched_process_exec", "sched_process_exit", "sys_exit"];

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/watch.bpf.o"));
