//! What of the probe this kernel takes.

#[test]
fn every_program_loads_and_attaches_or_says_why() {
    for (name, result) in watchglass_sensor::bpf::probe() {
        eprintln!("{name}: {result:?}");
    }
}
