//! The sensor of tier T1 on real programs. Needs root, BPF and cgroup2; says so where it has not.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts the programs, files and sockets that it looks at"
)]

#[path = "../race/mod.rs"]
mod race;
#[path = "support.rs"]
mod support;

#[path = "files.rs"]
mod files;
#[path = "load.rs"]
mod load;
#[path = "network.rs"]
mod network;
#[path = "processes.rs"]
mod processes;
#[path = "tls.rs"]
mod tls;

#[test]
fn every_program_loads_and_attaches_here() {
    if !support::can_record("every_program_loads_and_attaches_here") {
        return;
    }
    for (name, result) in watchglass_sensor::bpf::probe() {
        assert_eq!(result, Ok(()), "{name}");
    }
}
