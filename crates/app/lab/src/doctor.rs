//! What this machine offers the lab.

use std::path::Path;
use std::process::ExitCode;

use miette::Result;
use watchglass_sensor::bpf;

use crate::cli;

/// Programs that the lab starts: name, where, package, why.
const PROGRAMS: &[(&str, &str, &str, &str)] = &[
    ("mmdebstrap", "/usr/bin/mmdebstrap", "mmdebstrap", "makes roots of packages"),
    ("nft", "/usr/sbin/nft", "nftables", "turns every port to the fake internet"),
    ("ip", "/usr/sbin/ip", "iproute2", "makes the link between world and fake internet"),
];

pub(crate) fn doctor(arguments: &cli::Doctor) -> Result<ExitCode> {
    let mut whole = true;
    let mut line = |what: &str, fault: Option<String>, why: &str| {
        whole &= fault.is_none();
        if arguments.json {
            let line =
                serde_json::json!({ "schema": 1, "what": what, "missing": fault, "why": why });
            println!("{line}");
        } else {
            let state = fault.map_or_else(|| "ok".to_owned(), |fault| format!("MISSING: {fault}"));
            println!("{what:<32} {state} ({why})");
        }
    };
    let root = rustix::process::geteuid().is_root();
    let not_root = (!root).then(|| "run as root".to_owned());
    line("root", not_root, "builds worlds and loads BPF");
    for (name, path, package, why) in PROGRAMS {
        let fault = (!Path::new(path).exists()).then(|| format!("install the package {package}"));
        line(name, fault, why);
    }
    for (program, loaded) in bpf::probe() {
        line(program, loaded.err(), "a hook of tier T1");
    }
    // What is missing here lowers the tier or refuses an install; it is no error of the command.
    Ok(ExitCode::from(if whole { 0 } else { 3 }))
}
