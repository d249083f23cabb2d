//! Assays where namespaces are refused: only the lab's own products, unless somebody insists.

use std::path::Path;
use std::sync::Arc;

use miette::{IntoDiagnostic as _, Result};
use watchglass_claims::{Command, Install, Product};
use watchglass_fakenet::{Traffic, Turn};
use watchglass_sensor::ptrace;
use watchglass_world::{Attributes, IN_PLACE_CHANNEL, LayerBuilder, Sockets, World};

use crate::specimens::OwnProduct;

/// What the world in place cannot have, in the words of the report.
pub(crate) const BLIND: &[&str] = &[
    "There was no link to capture: what crossed it is known from the gate and from the tracer alone.",
];

/// Whether a product may run among the machine's processes: it is the lab's own, and nothing but
/// its own programs is started. Placeholders are not filled in.
pub(crate) fn may_run(product: &Product) -> bool {
    let Install::Host { files } = &product.install else { return false };
    let is_plain = |file: &watchglass_claims::InstalledFile| {
        file.from.strip_prefix("{specimens}/").is_some_and(|name| !name.contains('/'))
    };
    let starts_own = |command: &Command| {
        let program = command.0.first().map(String::as_str).unwrap_or_default();
        files.iter().any(|file| file.to == program || file.to.rsplit('/').next() == Some(program))
    };
    let mut commands = product
        .phases
        .iter()
        .flat_map(|phase| phase.setup.iter().chain([&phase.run]).chain(&phase.drive));
    OwnProduct::of(product).is_some() && files.iter().all(is_plain) && commands.all(starts_own)
}

/// What every world in place shows instead of the machine's: names of this machine alone, and the
/// routes of a world, which the specimens ask for before they misbehave. What the routes promise,
/// that nothing leads out, the tracer and the filter keep.
pub(crate) fn lay(layer: &mut LayerBuilder) -> Result<()> {
    let readable = Attributes::of_root(0o644);
    layer.put("/etc/hosts", b"127.0.0.1 localhost\n", readable).into_diagnostic()?;
    layer.put("/proc/net/route", ROUTES.as_bytes(), readable).into_diagnostic()
}

/// What the tracer needs of a world in place; `None` for any other.
pub(crate) fn of(world: &World, turn: Option<Turn>) -> Result<Option<ptrace::InPlace>> {
    let (Some(root), Some(turn)) = (world.scratch(), turn) else { return Ok(None) };
    let channel = world.channel().map(|channel| channel.try_clone_to_owned()).transpose();
    let channel = channel.into_diagnostic()?.map(|channel| (Arc::new(channel), IN_PLACE_CHANNEL));
    Ok(Some(ptrace::InPlace {
        root: root.to_owned(),
        folders: watchglass_world::IN_PLACE_FOLDERS.iter().map(Into::into).collect(),
        renamed: std::fs::read_link("/proc/self/exe").ok().map(|path| (path, "/canary".into())),
        gate: Arc::new(Gate(turn)),
        channel,
    }))
}

/// Where scratch folders are made.
pub(crate) fn parent() -> std::path::PathBuf {
    std::env::temp_dir()
}

/// How the tracer gets the subject's sockets: a container's filter may refuse the call by which it
/// takes duplicates.
pub(crate) fn sockets() -> Sockets {
    if ptrace::probe_turning().is_ok() { Sockets::Taken } else { Sockets::Sent }
}

/// Removes what dead labs left.
pub(crate) fn sweep() -> Result<Vec<String>> {
    watchglass_world::sweep_in_place(Path::new(&parent())).into_diagnostic()
}

/// The fake internet, as the tracer knows it.
#[derive(Debug)]
struct Gate(Turn);

impl ptrace::Gate for Gate {
    fn announce(
        &self,
        traffic: ptrace::Traffic,
        from: u16,
        to: std::net::SocketAddrV4,
    ) -> Result<std::net::SocketAddrV4, rustix::io::Errno> {
        let traffic = match traffic {
            ptrace::Traffic::Stream => Traffic::Stream,
            ptrace::Traffic::Datagrams => Traffic::Datagrams,
            ptrace::Traffic::Datagram => Traffic::Datagram,
        };
        self.0.announce(traffic, from, to)
    }
}

/// proc_net(5): the link of a world, 10.77.0.0/24, and the way out through it.
const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

#[cfg(test)]
mod tests {
    use super::*;

    fn product(text: &str) -> Product {
        Product::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    const REFERENCE: &str = include_str!("../../../../products/reference.toml");

    #[test]
    fn the_reference_product_may_run_in_place() {
        assert!(may_run(&product(REFERENCE)));
    }

    #[test]
    fn nobody_elses_program_may() {
        let clamav = include_str!("../../../../products/clamav.toml");
        assert!(!may_run(&product(clamav)));
        let command = |program: &str| {
            let asked = format!("run = [\"{program}\"]");
            product(&REFERENCE.replacen("run = [\"specimen-update\"]", &asked, 1))
        };
        assert!(may_run(&command("/usr/local/bin/specimen-update")));
        for program in ["sh", "/bin/sh", "/tmp/specimen-update"] {
            assert!(!may_run(&command(program)), "{program}");
        }
        let from = |path: &str| product(&REFERENCE.replacen("{specimens}/specimen-ask", path, 1));
        for path in ["/usr/bin/python3", "{product}/x"] {
            assert!(!may_run(&from(path)), "{path}");
        }
    }
}
