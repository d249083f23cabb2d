//! Dependencies run app → edge → pure, and never back.

use super::workspace::{Layer, Room, Workspace};
use super::{Finding, Rule};

/// Checks every dependency of our crates on our crates, those of tests and build scripts too: what
/// a test may reach tells what a crate is for.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.rooms().flat_map(|from| broken_arrows(workspace, from)).collect()
}

fn broken_arrows(workspace: &Workspace, from: Room<'_>) -> Vec<Finding> {
    let rooms: Vec<_> = workspace.rooms().collect();
    let ours = |name: &str| rooms.iter().find(|room| room.package.name == name).copied();
    let dependencies = from.package.dependencies.iter();
    let ours = dependencies.filter_map(|dependency| ours(&dependency.name));
    ours.filter(|to| !may_depend(from, *to)).map(|to| broken(from, to)).collect()
}

fn may_depend(from: Room<'_>, to: Room<'_>) -> bool {
    let by_layer = match from.layer {
        Layer::Pure | Layer::Beside => to.layer == Layer::Pure,
        Layer::Edge => to.layer == Layer::Pure || to.package.name == KERNEL,
        Layer::App => matches!(to.layer, Layer::Pure | Layer::Edge),
    };
    let names = (from.package.name.as_str(), to.package.name.as_str());
    by_layer || EXCEPTIONS.iter().any(|exception| (exception.from, exception.to) == names)
}

fn broken(from: Room<'_>, to: Room<'_>) -> Finding {
    let rule = match from.layer {
        Layer::Pure => "a pure crate depends on pure crates only",
        Layer::Edge => "an edge crate depends on pure crates and watchglass-sys only",
        Layer::App => "an app depends on edge and pure crates only",
        Layer::Beside => "what stands beside the rooms depends on pure crates only",
    };
    let says = format!("depends on {} ({}): {rule}", to.package.name, to.folder.display());
    Rule::Arrows.broken(&from.package.name, says)
}

/// The one edge crate that other edge crates call.
const KERNEL: &str = "watchglass-sys";

/// An arrow that breaks the rule for a reason.
struct Exception {
    from: &'static str,
    to: &'static str,
    #[expect(dead_code, reason = "for the reader: no exception without a reason")]
    reason: &'static str,
}

/// Arrows that break the rule, each with its reason.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        from: "watchglass-specimens",
        to: KERNEL,
        reason: "misdeeds such as descriptor passing are kernel calls, and `unsafe` stands in one crate",
    },
    Exception {
        from: "watchglass-lab",
        to: "watchglass-specimens",
        reason: "the lab proves itself on them: it writes their product files and knows what to find",
    },
    Exception {
        from: "watchglass-lab",
        to: "watchglass-recheck",
        reason: "a difference of two bundles is told of bundles that hold, by the checker's own library",
    },
];
