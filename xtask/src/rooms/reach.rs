//! What a crate could do through the crates that it links.

use std::collections::BTreeMap;

use super::workspace::{Layer, Room, Workspace};
use super::{Finding, Rule};
use crate::trouble::Trouble;

/// Checks that pure crates reach no crate that opens sockets, starts processes or calls the kernel,
/// and that the offline checker and the thin command reach nothing of the lab.
///
/// # Errors
/// When cargo cannot say what is linked.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Trouble> {
    let mut broken = Vec::new();
    for room in workspace.rooms() {
        let limits: Vec<_> = LIMITS.iter().filter(|limit| limit.holds_for(room)).collect();
        if !limits.is_empty() {
            let linked = workspace.linked(room.package)?;
            broken.extend(limits.into_iter().flat_map(|limit| limit.broken_by(room, &linked)));
        }
    }
    Ok(broken)
}

/// Crates that some of ours must not link.
struct Limit {
    whom: Whom,
    forbidden: &'static [&'static str],
    reason: &'static str,
}

enum Whom {
    Pure,
    Crate(&'static str),
}

impl Limit {
    fn holds_for(&self, room: Room<'_>) -> bool {
        match self.whom {
            Whom::Pure => room.layer == Layer::Pure,
            Whom::Crate(name) => room.package.name == name,
        }
    }

    fn broken_by(&self, room: Room<'_>, linked: &BTreeMap<String, Vec<String>>) -> Vec<Finding> {
        let found = self.forbidden.iter().filter_map(|name| linked.get(*name));
        let says = |chain: &Vec<String>| format!("links {}: {}", chain.join(" → "), self.reason);
        found.map(|chain| Rule::Reach.broken(&room.package.name, says(chain))).collect()
    }
}

const LIMITS: &[Limit] = &[
    Limit {
        whom: Whom::Pure,
        forbidden: NETWORK,
        reason: "a pure crate could open a connection through it",
    },
    Limit {
        whom: Whom::Pure,
        forbidden: KERNEL,
        reason: "a pure crate could call the kernel through it",
    },
    Limit {
        whom: Whom::Crate("watchglass-recheck"),
        forbidden: NETWORK,
        reason: "the offline checker links no network code",
    },
    Limit {
        whom: Whom::Crate("watchglass-recheck"),
        forbidden: LAB,
        reason: "the offline checker links no code of the lab",
    },
    Limit {
        whom: Whom::Crate("watchglass-decide"),
        forbidden: NETWORK,
        reason: "what decides by a policy links no network code",
    },
    Limit {
        whom: Whom::Crate("watchglass-decide"),
        forbidden: LAB,
        reason: "what decides by a policy links no code of the lab",
    },
    Limit {
        whom: Whom::Crate("watchglass"),
        forbidden: LAB,
        reason: "the command starts its siblings and links neither lab nor dialler",
    },
    Limit {
        whom: Whom::Crate("watchglass"),
        forbidden: NETWORK,
        reason: "the command starts its siblings and links neither lab nor dialler",
    },
];

/// Crates that open sockets, or exist for those that do.
const NETWORK: &[&str] = &[
    "async-std",
    "curl",
    "h2",
    "h3",
    "hickory-resolver",
    "hickory-server",
    "hyper",
    "isahc",
    "mio",
    "native-tls",
    "openssl",
    "quinn",
    "rcgen",
    "reqwest",
    "rtnetlink",
    "rustls",
    "smol",
    "smoltcp",
    "socket2",
    "tiny_http",
    "tokio",
    "tungstenite",
    "ureq",
];

/// Crates that make kernel calls or start processes for their caller.
const KERNEL: &[&str] = &[
    "async-process",
    "aya",
    "caps",
    "duct",
    "fanotify-rs",
    "getrandom",
    "inotify",
    "io-uring",
    "landlock",
    "libc",
    "libseccomp",
    "memmap2",
    "nix",
    "notify",
    "procfs",
    "rustix",
    "seccompiler",
    "signal-hook",
    "subprocess",
    "sysinfo",
    "tempfile",
    "walkdir",
];

/// The lab's own crates.
const LAB: &[&str] =
    &["aya", "watchglass-fakenet", "watchglass-lab", "watchglass-sensor", "watchglass-world"];
