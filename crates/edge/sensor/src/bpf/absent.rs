//! What stands here when the probe was not compiled.

use std::fs::File;
use std::os::fd::BorrowedFd;

use super::Options;
use crate::{Sensor, SensorError, Totals};
use watchglass_events::Tier;

/// The sensor of tier T1. There is none in this build.
#[derive(Debug)]
pub enum BpfSensor {}

/// Says that the probe was not compiled.
///
/// # Errors
/// Always [`SensorError::Unavailable`].
pub fn start(
    _cgroup: BorrowedFd<'_>,
    _log: File,
    _options: &Options,
) -> Result<BpfSensor, SensorError> {
    Err(SensorError::Unavailable { what: "BPF", reason: REASON.to_owned() })
}

/// Says that the probe was not compiled.
#[must_use]
pub fn probe() -> Vec<(&'static str, Result<(), String>)> {
    vec![("object", Err(REASON.to_owned()))]
}

/// Without a probe there is nothing to put on them.
#[must_use]
pub fn tls_libraries(_world_root: &std::path::Path) -> Vec<std::path::PathBuf> {
    Vec::new()
}

impl Sensor for BpfSensor {
    fn tier(&self) -> Tier {
        match *self {}
    }

    fn traced_calls(&self) -> &[u32] {
        match *self {}
    }

    fn adopt(&mut self, _pid: u32) -> Result<(), SensorError> {
        match *self {}
    }

    fn recorded(&self) -> u64 {
        match *self {}
    }

    fn finish(self: Box<Self>) -> Result<Vec<Totals>, SensorError> {
        match *self {}
    }
}

const REASON: &str = "this build has no probe: it was made without clang, or not for x86-64 Linux";
