//! Where the campaign runs: `environment.json`.

use std::path::Path;

use watchglass_checks::LAB_PROGRAM;
use watchglass_events::Digest;
use watchglass_evidence::{Environment, Tool};

/// Programs that make evidence, by name.
const TOOLS: &[(&str, &str)] =
    &[("mmdebstrap", "/usr/bin/mmdebstrap"), ("nft", "/usr/sbin/nft"), ("ip", "/usr/sbin/ip")];

/// How much is told of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Everything but its name.
    Everything,
    /// What evidence depends on: the kernel's version without its build, and the tools. Zero
    /// processors and bytes of memory mean that they are not told.
    Little,
}

/// Describes this machine without naming it.
pub(crate) fn environment(telling: Telling) -> Environment {
    let mut environment = everything();
    if telling == Telling::Little {
        let numbers = environment.kernel.splitn(3, ['.', '-']).take(2);
        environment.kernel = numbers.collect::<Vec<_>>().join(".");
        environment.processors = 0;
        environment.memory_bytes = 0;
    }
    environment
}

fn everything() -> Environment {
    let system = rustix::system::uname();
    let memory = rustix::system::sysinfo();
    let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Environment {
        schema: 1,
        kernel: text(system.release()),
        architecture: text(system.machine()),
        processors: u32::try_from(processors).unwrap_or(u32::MAX),
        memory_bytes: u64::from(memory.mem_unit) * memory.totalram,
        locale: "C.UTF-8".to_owned(),
        tools: tools(),
    }
}

fn tools() -> Vec<Tool> {
    let own = std::env::current_exe().ok();
    let own = own.as_deref().and_then(|path| tool(LAB_PROGRAM, env!("CARGO_PKG_VERSION"), path));
    let others = TOOLS.iter().filter_map(|(name, path)| tool(name, "", Path::new(path)));
    own.into_iter().chain(others).collect()
}

fn tool(name: &str, version: &str, path: &Path) -> Option<Tool> {
    let bytes = std::fs::read(path).ok()?;
    let sha256 = Digest::of(&bytes).to_string();
    Some(Tool { name: name.to_owned(), version: version.to_owned(), sha256 })
}
